"""A model server on this machine, for tests and demonstrations.

It speaks three wire formats, plays the games from the text of the prompt alone,
fails in every way that is asked of it, and keeps its own account of what it billed.
"""
