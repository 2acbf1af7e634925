"""Tilts, behind app.py."""
