"""What every game must do, asked of each game in GAMES by playing it.

Arguments, claims and events are in the files beside this one.
"""

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from chalicelib.errors import IllegalMoveError
from chalicelib.events import canonical_json
from chalicelib.games import GAMES, find_game
from chalicelib.games.chance import Chance
from chalicelib.games.game import Grade, Outcome
from chalicelib.games.mastermind import rules as mastermind
from chalicelib.games.minesweeper.boards import Layout
from chalicelib.games.minesweeper.oracle import solve
from chalicelib.games.minesweeper.rules import State as Board
from chalicelib.services.metrics import METRICS
from chalicelib.services.suites import Suites
from tests.every_game import (
    every_game,
    every_variant,
    games_of,
    grades,
    play,
    positions,
    seed_of,
    step_chance,
)
from tests.games.minesweeper.oracle_boards import agrees
from tests.playthroughs import files_of, plan, replay

# The rules.


@every_game
def test_a_game_says_what_it_is(code: str) -> None:
    game = find_game(code)
    assert game.code == code
    assert game.kind in ("static", "interactive")
    assert code.endswith("-S" if game.kind == "static" else "-I")
    assert game.seats >= 1
    assert game.variants
    assert all((game.name, game.engine, game.oracle, game.generator))
    json.dumps({name: dict(facts) for name, facts in game.variants.items()})


@every_game
def test_an_unknown_variant_is_a_key_error(code: str) -> None:
    with pytest.raises(KeyError):
        find_game(code).new("no such variant", seed_of(1))


@every_variant
def test_there_is_a_legal_move_until_there_is_an_outcome(
    code: str, variant: str
) -> None:
    for game, state, _ in positions(code, variant):
        moves = game.legal_moves(state)
        assert bool(moves) == (game.outcome(state) is None)
        assert len(set(moves)) == len(moves)
        assert 0 <= game.to_move(state) < game.seats


@every_variant
def test_every_legal_move_passes_the_check_and_can_be_played(
    code: str, variant: str
) -> None:
    for game, state, seen in positions(code, variant):
        for number, move in enumerate(game.legal_moves(state)):
            game.check(seen, move)
            if number % 7 == 0:
                after = game.apply(state, move, Chance("try", number))
                assert game.fingerprint(after) != game.fingerprint(state)


@every_variant
def test_atomic_moves_that_are_not_legal_are_refused_and_change_nothing(
    code: str, variant: str
) -> None:
    """Moves of other positions and other variants, where they are not legal."""
    game = find_game(code)
    others = [
        move
        for name in game.variants
        for move in game.legal_moves(game.new(name, seed_of(0)))[::5]
    ]
    refused = 0
    for number in games_of(code, variant):
        states, _ = play(code, variant, number)
        for state in states:
            legal = set(game.legal_moves(state))
            before, seen = game.fingerprint(state), game.observe(state, 0)
            for move in [*game.legal_moves(states[0]), *others]:
                if move not in legal and game.outcome(state) is None:
                    with pytest.raises(IllegalMoveError, match=r"\w.*\.$"):
                        game.check(seen, move)
                    refused += 1
            assert game.fingerprint(state) == before
            assert game.observe(state, 0) == seen
    assert refused, "no move was there to be refused"


@every_variant
def test_no_move_passes_the_check_once_it_is_over(code: str, variant: str) -> None:
    game = find_game(code)
    for number in games_of(code, variant):
        states, _ = play(code, variant, number)
        seen = game.observe(states[-1], 0)
        for move in game.legal_moves(states[-2])[:20]:
            with pytest.raises(IllegalMoveError):
                game.check(seen, move)


@every_variant
def test_the_same_seed_and_moves_give_the_same_game(code: str, variant: str) -> None:
    game = find_game(code)
    for number in games_of(code, variant):
        states, moves = play(code, variant, number)
        state = game.new(variant, seed_of(number))
        for step, (move, expected) in enumerate(zip(moves, states[1:], strict=True), 1):
            state = game.apply(state, move, step_chance(number, step))
            assert state == expected
            assert game.fingerprint(state) == game.fingerprint(expected)


@every_variant
def test_different_seeds_give_different_games(code: str, variant: str) -> None:
    game = find_game(code)
    found = {game.fingerprint(game.new(variant, seed_of(n))) for n in range(8)}
    assert len(found) == 8


@every_variant
def test_every_game_ends_within_its_longest_with_a_whole_outcome(
    code: str, variant: str
) -> None:
    game = find_game(code)
    for number in games_of(code, variant):
        states, moves = play(code, variant, number)
        assert 1 <= len(moves) <= game.longest(variant)
        outcome = game.outcome(states[-1])
        assert isinstance(outcome, Outcome)
        assert len(outcome.placings) == game.seats
        assert min(outcome.placings) == 1
        assert outcome.termination
        assert json.loads(json.dumps(outcome.to_json()))["won"] is outcome.won
        assert all(game.outcome(state) is None for state in states[:-1])


@every_variant
def test_a_fingerprint_changes_exactly_when_the_state_does(
    code: str, variant: str
) -> None:
    marks: dict[str, Any] = {}
    for game, state, _ in positions(code, variant):
        mark = game.fingerprint(state)
        assert len(mark) == 16
        assert int(mark, 16) >= 0
        assert marks.setdefault(mark, state) == state
    assert len(set(marks.values())) == len(marks)


# What is hidden.


def swap_mines(state: Board) -> Board | None:
    """The same view over another layout."""
    rows = find_game("MS-I").observe(state, 0).rows
    mines = len(state.layout.mines)
    if state.exploded is not None:
        return None
    posterior = solve(rows, mines)
    for number in range(20):
        other = posterior.sample(Chance("swap", number).below)
        if other != state.layout.mines:
            assert agrees(list(rows), other)
            layout = Layout(state.layout.size, state.layout.opening, other)
            return Board(state.variant, layout, state.opened)
    return None


def swap_secret(state: mastermind.State) -> mastermind.State | None:
    """The same answers from another secret."""
    rules = mastermind.VARIANTS[state.variant]
    for secret in product(range(len(rules.colours)), repeat=rules.pegs):
        if secret != state.secret and all(
            mastermind.feedback(guess, secret)
            == mastermind.feedback(guess, state.secret)
            for guess in state.guesses
        ):
            return mastermind.State(state.variant, state.seed, secret, state.guesses)
    return None


SWAPS: dict[str, Callable[[Any], Any]] = {"MS-I": swap_mines, "MM-I": swap_secret}
"""Another truth behind the same view, or None where there is no other."""


@every_game
def test_every_game_is_asked_what_it_hides(code: str) -> None:
    assert code in SWAPS, "say how to change what is hidden behind a view of this game"


@every_variant
def test_nothing_that_a_player_gets_depends_on_what_is_hidden(
    code: str, variant: str
) -> None:
    swapped = 0
    for game, state, seen in positions(code, variant):
        other = SWAPS[code](state)
        if other is None:
            continue
        swapped += 1
        assert game.fingerprint(other) != game.fingerprint(state)
        assert game.reveal(other) != game.reveal(state)
        behind = game.observe(other, 0)
        assert behind == seen
        assert hash(behind) == hash(seen)
        assert game.describe(behind) == game.describe(seen)
        assert game.view(behind) == game.view(seen)
        assert game.insight(behind) == game.insight(seen)
        assert game.tool(behind) == game.tool(seen)
        assert game.legal_moves(other) == game.legal_moves(state)
    assert swapped, "there was never another truth"


# Grades and scores.


@every_variant
def test_a_grade_has_its_shape_and_no_regret_below_nothing(
    code: str, variant: str
) -> None:
    for number in games_of(code, variant):
        for grade in grades(code, variant, number):
            assert isinstance(grade, Grade)
            assert isinstance(grade.regret, float)
            assert grade.regret >= 0
            assert grade.class_
            assert grade.unit
            assert isinstance(grade.exact, bool)
            again = Grade.from_json(json.loads(canonical_json(grade.to_json())))
            assert again == grade


@every_variant
def test_grading_again_gives_the_same_grade(code: str, variant: str) -> None:
    game = find_game(code)
    states, moves = play(code, variant, 1)
    again = [
        game.grade(game.observe(before, 0), move, after)
        for before, move, after in zip(states, moves, states[1:], strict=False)
    ]
    assert again == grades(code, variant, 1)


@every_variant
def test_scores_have_the_same_keys_however_it_ends(code: str, variant: str) -> None:
    game = find_game(code)
    keys = set()
    for number in games_of(code, variant):
        states, moves = play(code, variant, number)
        graded = grades(code, variant, number)
        won = game.outcome(states[-1])
        assert won is not None
        scores = game.scores(states[-1], graded, won)
        keys.add(tuple(scores))
        assert scores["won"] is bool(won.won)
        assert scores["moves"] == len(moves)
        assert sum(scores["classes"].values()) == len(moves)
        assert json.loads(canonical_json(scores)) == scores
        forfeit = game.scores(states[0], [], None)
        keys.add(tuple(forfeit))
        assert forfeit["won"] is False
        assert forfeit["moves"] == 0
    assert len(keys) == 1


@every_game
def test_the_metrics_of_every_suite_find_their_scores(code: str) -> None:
    for suite in Suites().all.values():
        if code in suite.manifest["metrics"]:
            assert suite.manifest["metrics"][code]["metric"] in METRICS
            variants = {t.variant for t in suite.tasks if t.game == code}
            assert set(suite.manifest["metrics"][code]["weights"]) <= variants


# Golden playthroughs.


@every_game
def test_a_game_has_playthroughs_of_every_variant(code: str) -> None:
    kept = {path.name for path in files_of(code)}
    planned = {f"{code}-{variant}-{k}.txt" for variant, k, _ in plan(code)}
    assert len(planned) >= 3
    assert kept == planned, f"write them: python -m tests.playthroughs {code}"


@pytest.mark.parametrize(
    "path", [path for code in GAMES for path in files_of(code)], ids=lambda p: p.stem
)
def test_a_playthrough_is_played_again_line_by_line(path: Any) -> None:
    text = path.read_text("utf-8")
    kept = text.splitlines()
    for number, (was, now) in enumerate(zip(kept, replay(text), strict=False), 1):
        assert now == was, f"{path.name}, line {number}"
    assert len(replay(text)) == len(kept)
