"""Games of every variant, played once and then asked about."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from chalicelib.games import GAMES, find_game
from chalicelib.games.chance import Chance
from chalicelib.games.game import Game, Grade
from tests.playthroughs import SMALL

Json = dict[str, Any]
AnyGame = Game[Any, Any, Any]

VARIANTS = [(code, name) for code in GAMES for name in find_game(code).variants]
every_game = pytest.mark.parametrize("code", GAMES)
every_variant = pytest.mark.parametrize(("code", "variant"), VARIANTS)


def seed_of(number: int) -> str:
    return f"{number:064x}"


def games_of(code: str, variant: str) -> range:
    """The numbers of the games to play of a variant: fewer where they are long."""
    return range(12 if find_game(code).longest(variant) <= SMALL else 3)


@cache
def play(code: str, variant: str, number: int) -> tuple[list[Any], list[Any]]:
    """A game: its states, and the moves between them.

    Every second move is drawn at random, the others follow the game's first
    strategy, so that games last; every third game is random throughout.
    """
    game = find_game(code)
    states, moves = [game.new(variant, seed_of(number))], []
    while game.outcome(states[-1]) is None:
        step = len(states)
        chance = Chance("every game", code, variant, number, step)
        if number % 3 == 0 or step % 2 == 0 or not game.strategies:
            move = chance.choice(game.legal_moves(states[-1]))
        else:
            strategy = next(iter(game.strategies.values()))
            move = strategy(game.observe(states[-1], 0), chance)
        moves.append(move)
        states.append(game.apply(states[-1], move, step_chance(number, step)))
        assert len(moves) <= game.longest(variant), "the game does not end"
    return states, moves


def step_chance(number: int, step: int) -> Chance:
    return Chance("step", seed_of(number), step)


def positions(code: str, variant: str) -> Iterator[tuple[AnyGame, Any, Any]]:
    """(game, state, observation) of every position met."""
    game = find_game(code)
    for number in games_of(code, variant):
        for state in play(code, variant, number)[0]:
            yield game, state, game.observe(state, game.to_move(state))


@cache
def grades(code: str, variant: str, number: int) -> list[Grade]:
    game = find_game(code)
    states, moves = play(code, variant, number)
    return [
        game.grade(game.observe(before, 0), move, after)
        for before, move, after in zip(states, moves, states[1:], strict=False)
    ]
