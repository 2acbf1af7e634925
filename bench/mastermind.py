"""Mastermind: each strategy over all codes, beside what is published; grading speed.

Run `python -m bench.mastermind`; it prints two markdown tables.
"""

from statistics import median
from time import process_time

from chalicelib.games.chance import Chance
from chalicelib.games.mastermind.game import MASTERMIND
from chalicelib.games.mastermind.strategies import count_guesses

CODES = 1296
PUBLISHED = {
    "entropy": "5722 (Neuwirth 1982)",
    "minimax": "5801, worst 5 (Knuth 1977)",
}
OPTIMUM = "5625 (Koyama and Lai 1993)"
GAMES = 40


def print_strategies() -> None:
    print(
        "| strategy | guesses | mean | worst | 1 / 2 / 3 ... guesses | published | CPU s |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, strategy in MASTERMIND.strategies.items():
        begun = process_time()
        counts = count_guesses("classic", strategy)
        seconds = process_time() - begun
        total = sum(guesses * codes for guesses, codes in counts.items())
        spread = " / ".join(str(counts[guesses + 1]) for guesses in range(max(counts)))
        print(
            f"| {name} | {total} | {total / CODES:.3f} | {max(counts)} | {spread} "
            f"| {PUBLISHED.get(name, '')} | {seconds:.1f} |"
        )
    print(f"| optimum | | {5625 / CODES:.3f} | 6 | | {OPTIMUM} | |")


def print_grading() -> None:
    """CPU time of a grade in games of drawn guesses, the hardest to search."""
    times: dict[int, list[float]] = {}
    for seed in range(GAMES):
        chance = Chance("bench", seed)
        state = MASTERMIND.new("classic", str(seed))
        while MASTERMIND.outcome(state) is None:
            seen = MASTERMIND.observe(state, 0)
            move = chance.choice(MASTERMIND.legal_moves(state))
            state = MASTERMIND.apply(state, move, chance)
            begun = process_time()
            MASTERMIND.grade(seen, move, state)
            spent = 1000 * (process_time() - begun)
            times.setdefault(len(state.guesses), []).append(spent)
    print("| step | grades | median ms | worst ms |")
    print("|---|---|---|---|")
    for step, spent_at in sorted(times.items()):
        print(
            f"| {step} | {len(spent_at)} | {median(spent_at):.1f} "
            f"| {max(spent_at):.1f} |"
        )


def main() -> None:
    """Measure and print."""
    print_grading()
    print()
    print_strategies()


if __name__ == "__main__":
    main()
