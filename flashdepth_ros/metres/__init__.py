"""From inverse depth to metres: units, fits, and a scale that is followed through time."""
