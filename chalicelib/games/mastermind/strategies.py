"""Scripted ways to play, and how many guesses each needs for every code.

`play_entropy` takes the guess of most expected information, among equals a code
that can still be right, then the lowest. `play_minimax` is Knuth's: the guess
whose largest part is smallest, with the same order among equals (D. E. Knuth, "The
computer as Master Mind", Journal of Recreational Mathematics 9, 1976-77, 1-6).
"""

from collections import Counter
from collections.abc import Callable

from chalicelib.games.chance import Chance
from chalicelib.games.mastermind.oracle import (
    least_surprising,
    most_informative,
    remaining,
    space_of,
)
from chalicelib.games.mastermind.rules import Code, Observation, Turn, feedback

Strategy = Callable[[Observation, Chance], Code]


def play_entropy(observation: Observation, chance: Chance) -> Code:
    """The guess of most expected information."""
    codes = remaining(observation)
    guess, _ = most_informative(observation.variant, codes)
    return space_of(observation.variant).codes[guess]


def play_minimax(observation: Observation, chance: Chance) -> Code:
    """The guess that leaves the fewest codes at worst."""
    codes = remaining(observation)
    guess = least_surprising(observation.variant, codes)
    return space_of(observation.variant).codes[guess]


def count_guesses(variant: str, strategy: Strategy) -> Counter[int]:
    """How many codes take a strategy how many guesses; limit + 1 is a loss.

    The strategy must not use its chance: codes with equal answers share their moves.
    """
    space = space_of(variant)
    counts: Counter[int] = Counter()
    chance = Chance("every code", variant)
    waiting = [(Observation(variant), space.codes)]
    while waiting:
        observation, codes = waiting.pop()
        if observation.solved:
            counts[len(observation.turns)] += len(codes)
        elif not observation.left:
            counts[len(observation.turns) + 1] += len(codes)
        else:
            waiting += answered(observation, strategy(observation, chance), codes)
    return counts


def answered(
    observation: Observation, guess: Code, codes: tuple[Code, ...]
) -> list[tuple[Observation, tuple[Code, ...]]]:
    """What may be seen after a guess, each with the codes that lead there."""
    parts: dict[Turn, list[Code]] = {}
    for code in codes:
        parts.setdefault(Turn(guess, *feedback(guess, code)), []).append(code)
    return [
        (Observation(observation.variant, (*observation.turns, turn)), tuple(part))
        for turn, part in parts.items()
    ]
