"""Golden playthroughs: whole games as text, to be read, and replayed line by line.

`<CODE>-<variant>-<k>.txt`. A change in one of them is a change of the rules, of a
grade or of what players are told: review it like code.
"""

import json
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from chalicelib.games import find_game
from chalicelib.games.chance import Chance
from chalicelib.games.game import Game, Grade

Json = dict[str, Any]
AnyGame = Game[Any, Any, Any]

FOLDER = Path(__file__).parent
SMALL = 40
"""Variants whose games are at most this long are also played at random."""

MOVE = re.compile(r"--- move \d+: (.*)")


def files_of(code: str) -> list[Path]:
    """The playthroughs of a game that are kept."""
    return sorted(FOLDER.glob(f"{code}-*.txt"))


def plan(code: str) -> Iterator[tuple[str, int, str]]:
    """(variant, k, player) of each playthrough of a game."""
    game = find_game(code)
    strategy = next(iter(game.strategies), "random")
    for variant in game.variants:
        yield variant, 1, strategy
        yield variant, 2, "mixed"
        if game.longest(variant) <= SMALL:
            yield variant, 3, "random"


def write_all(code: str) -> list[Path]:
    """Write the playthroughs of a game anew; those that are no longer planned go."""
    written = []
    for variant, k, player in plan(code):
        path = FOLDER / f"{code}-{variant}-{k}.txt"
        path.write_text(play(code, variant, seed_of(code, variant, k), player), "utf-8")
        written.append(path)
    for path in set(files_of(code)) - set(written):
        path.unlink()
    return written


def seed_of(code: str, variant: str, k: int) -> str:
    return sha256(f"playthrough {code} {variant} {k}".encode()).hexdigest()


def play(code: str, variant: str, seed: str, player: str) -> str:
    """The text of a game played by the first strategy, at random, or by turns."""
    game = find_game(code)
    moves: list[Json] = []
    state = game.new(variant, seed)
    while game.outcome(state) is None:
        step = len(moves) + 1
        chance = Chance("playthrough", seed, step)
        if player == "random" or (player == "mixed" and step % 3 == 2):
            move = chance.choice(game.legal_moves(state))
        else:
            strategy = next(iter(game.strategies)) if player == "mixed" else player
            move = game.strategies[strategy](game.observe(state, 0), chance)
        moves.append(game.write(move))
        state = game.apply(state, move, step_chance(seed, step))
    return "".join(f"{line}\n" for line in lines(code, variant, seed, moves))


def replay(text: str) -> list[str]:
    """The lines that the game and the moves in a playthrough give today."""
    head = dict(line.split(" ", 1) for line in text.split("\n\n", 1)[0].splitlines())
    moves = [json.loads(found) for found in MOVE.findall(text)]
    return list(lines(head["game"], head["variant"], head["seed"], moves))


def lines(code: str, variant: str, seed: str, moves: Sequence[Json]) -> Iterator[str]:
    """A playthrough, line by line."""
    game = find_game(code)
    state = game.new(variant, seed)
    yield from (f"game {code}", f"variant {variant}", f"seed {seed}")
    yield from (f"engine {game.engine}", f"oracle {game.oracle}")
    yield f"starts {game.fingerprint(state)}"
    yield ""
    yield from show(game, state)
    grades: list[Grade] = []
    for step, arguments in enumerate(moves, 1):
        observation = game.observe(state, game.to_move(state))
        move = game.read(arguments, observation)
        game.check(observation, move)
        state = game.apply(state, move, step_chance(seed, step))
        grades.append(game.grade(observation, move, state))
        yield ""
        yield f"--- move {step}: {write(arguments)}"
        yield from show_grade(grades[-1])
        yield f"state {game.fingerprint(state)}"
        yield ""
        yield from show(game, state)
    outcome = game.outcome(state)
    yield ""
    yield f"=== {write(outcome.to_json() if outcome else None)}"
    for name, value in game.scores(state, grades, outcome).items():
        yield f"{name}: {write(value)}"
    yield f"truth: {write(game.reveal(state))}"


def show(game: AnyGame, state: Any) -> Iterator[str]:
    observation = game.observe(state, game.to_move(state))
    yield from game.describe(observation).splitlines()
    yield f"insight {write(game.insight(observation))}"


def show_grade(grade: Grade) -> Iterator[str]:
    exact = "exact" if grade.exact else "not exact"
    yield f"grade {grade.class_}, regret {write(grade.regret)} {grade.unit}, {exact}"
    for name, value in grade.details.items():
        yield f"  {name}: {write(value)}"


def write(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def step_chance(seed: str, step: int) -> Chance:
    """The stream of what happens at a step, as episodes have it."""
    return Chance("step", seed, step)
