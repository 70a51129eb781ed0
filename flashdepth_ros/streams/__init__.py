"""One camera through time: which frames continue a stream, which waits, what is remembered."""
