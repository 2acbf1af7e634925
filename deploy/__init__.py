"""Packaging and deployment: runs on the owner's machine and is never packaged."""
