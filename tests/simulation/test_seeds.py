"""Random runs: everything at once, by seed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.memory import MemoryStore
from tests.simulation.seeds import digest, run_seed
from tests.simulation.simulation import Parts
from tests.simulation.witness import Violation

ROOT = Path(__file__).parents[2]
BATCH = 100
DIGESTS = """
from tests.simulation.seeds import digest, run_seed
print(*(digest(run_seed(seed)) for seed in range(40, 44)))
"""


@pytest.mark.parametrize("first", range(0, 1_000, BATCH))
def test_a_thousand_seeds_keep_every_invariant(first: int) -> None:
    for seed in range(first, first + BATCH):
        run_seed(seed)


def test_runs_meet_every_kind_of_fault() -> None:
    counts = sum(
        (run_seed(seed).counts for seed in range(60)), start=run_seed(60).counts
    )
    for kind in (
        "kills", "freezes", "zombies", "lost replies", "repeated", "duplicates",
        "redelivered", "lost messages", "lost deletes", "lost answers", "lost frames",
        "wasted", "calls",
    ):  # fmt: skip
        assert counts[kind] > 0, kind


def test_the_same_seed_is_the_same_run_whatever_python_hashes_by() -> None:
    found = set()
    for seed in ("0", "1"):
        out = subprocess.run(
            [sys.executable, "-c", DIGESTS],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PATH": os.defpath},
            check=True,
            capture_output=True,
            text=True,
        )
        found.add(out.stdout)
    here = " ".join(digest(run_seed(seed)) for seed in range(40, 44))
    assert found == {f"{here}\n"}


def test_a_failing_seed_says_how_to_play_it_again() -> None:
    class Careless(MemoryStore):
        def finish(self, result: object) -> None:
            """It keeps nothing."""

    with pytest.raises(Violation, match=r"make simulate SEEDS=1 FIRST=5$"):
        run_seed(5, Parts(store=Careless))
