"""`make bench`: every table, one after the other."""

from bench import imports, mastermind, oracle, rest, winrates

for part in (imports, mastermind, oracle, rest, winrates):
    part.main()
