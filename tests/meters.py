"""A meter for tests: keeps what is counted, and takes no name that is unknown."""

from chalicelib.aws.metrics import METERED


class ListMeter:
    """`interfaces.Meter` that refuses what CloudWatch's would refuse."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, float, dict[str, str]]] = []

    def count(self, name: str, value: float = 1, **dimension: str) -> None:
        known = METERED.get(name)
        if known is None or set(dimension) != {known[1]} - {None}:
            raise ValueError(f"METERED has no {name} with {sorted(dimension)}.")
        self.counted.append((name, value, dimension))

    def total(self, name: str, **dimension: str) -> float:
        """The sum of what was counted under a name, and a dimension if given."""
        return sum(
            value
            for known, value, under in self.counted
            if known == name and dimension.items() <= under.items()
        )
