"""Minesweeper: rules, exact oracle, grades."""
