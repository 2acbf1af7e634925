"""Tilts on one machine: SQLite, a queue in the same file, a live feed, a server."""
