"""The networks' weights: where they lie, and how they get there."""
