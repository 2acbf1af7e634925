"""Numbers a reader can trust. Pure Python."""
