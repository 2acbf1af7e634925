"""The contracts of the outside, the same for every back end."""
