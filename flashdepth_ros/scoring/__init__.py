"""How good depth is, against the truth."""
