"""`make simulate SEEDS=… FIRST=…`: many seeds, on every core, with a line of progress.

Ends with 1 and the command that plays the first failing seed again.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

from tests.simulation.seeds import run_seed
from tests.simulation.witness import Violation

BATCH = 50


@dataclass
class Tally:
    """What many runs were made of."""

    seeds: int = 0
    hours: float = 0.0
    points: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.seeds += other.seeds
        self.hours += other.hours
        self.points += other.points
        self.counts += other.counts
        self.failures += other.failures

    def line(self) -> str:
        count = self.counts
        return (
            f"{self.seeds} seeds, {self.hours:.0f} virtual hours, {self.points} io points, "
            f"{count['kills']} kills, {count['freezes']} freezes, {count['zombies']} zombies, "
            f"{count['lost replies']} lost replies, {count['repeated']} repeated requests, "
            f"{count['duplicates'] + count['redelivered']} duplicates, "
            f"{count['lost messages']} lost messages, {count['calls']} calls "
            f"({count['wasted']} wasted), {len(self.failures)} violations"
        )


def run_seeds(seeds: Iterable[int]) -> Tally:
    """Play some seeds, one after the other."""
    tally = Tally()
    for seed in seeds:
        tally.seeds += 1
        try:
            run = run_seed(seed)
        except Violation as violation:
            tally.failures.append(f"seed {seed}: {violation}")
            continue
        tally.hours += run.loop.time() / 3600
        tally.points += run.points
        tally.counts += run.counts
    return tally


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    last = asked.first + asked.seeds
    batches = [
        range(start, min(last, start + BATCH))
        for start in range(asked.first, last, BATCH)
    ]
    began, tally = time.monotonic(), Tally()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done in as_completed([pool.submit(run_seeds, batch) for batch in batches]):
            tally.add(done.result())
            seconds = time.monotonic() - began
            say(f"\r{tally.seeds}/{asked.seeds} {seconds:.0f} s")
    say(f"\r{tally.line()}, {time.monotonic() - began:.0f} s\n")
    for failure in tally.failures[:10]:
        say(f"{failure}\n")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
