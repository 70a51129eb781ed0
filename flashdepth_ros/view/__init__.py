"""The live page: what a depth node sees and how it fares, for browsers, on viser's server."""
