"""The benchmarks that one command runs are all there."""

from inspect import signature

from bench import imports, mastermind
from bench.__main__ import PARTS


def test_every_part_of_the_benchmarks_can_be_run() -> None:
    for part in PARTS:
        assert not signature(part.main).parameters, part.__name__
    assert {imports, mastermind} <= set(PARTS)
