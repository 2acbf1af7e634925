"""`make bench`: every table, one after the other."""

from typing import Final

from bench import aws_costs, imports, mastermind, oracle, package, rest, winrates

PARTS: Final = (aws_costs, imports, mastermind, oracle, package, rest, winrates)


def main() -> None:
    """Measure and print all."""
    for part in PARTS:
        part.main()


if __name__ == "__main__":
    main()
