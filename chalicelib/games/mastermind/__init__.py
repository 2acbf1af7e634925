"""Mastermind: rules, exact oracle, grades."""
