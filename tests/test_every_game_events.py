"""The events of every game: what they carry, and how large they may be."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.errors import IllegalMoveError, InvalidMoveError
from chalicelib.events import BODY_LIMIT, SAID_LIMIT, canonical_json
from chalicelib.games import find_game
from chalicelib.games.minesweeper.boards import numbers
from chalicelib.games.minesweeper.rules import Reveal
from chalicelib.records import Task
from chalicelib.services.transcripts import Transcript
from tests.every_game import Json, every_game, every_variant, positions, seed_of


@every_variant
def test_what_an_event_carries_is_json_of_bounded_size(code: str, variant: str) -> None:
    for game, state, seen in positions(code, variant):
        body = {
            "view": game.view(seen),
            "insight": game.insight(seen),
            "truth": game.reveal(state),
            "text": game.describe(seen),
        }
        text = canonical_json(body)
        assert json.loads(text) == body
        assert len(text.encode()) < BODY_LIMIT
        assert (body["insight"] is None) == (game.outcome(state) is not None)


def talkative(code: str, schema: Json, move: Json) -> Json:
    """Arguments with as many claims as a move may carry, and long reasoning."""
    claims: dict[str, list[Json]] = {
        "MS-I": [{"row": r % 16, "column": r % 30, "is": "safe"} for r in range(200)],
        "MM-I": [
            {"peg": peg % 4, "colour": "yellow", "is": "impossible"}
            for peg in range(64)
        ],
    }
    return {
        **dict.fromkeys(schema["required"]),
        "reasoning": "\U0001f9e8" * SAID_LIMIT,
        **move,
        "claims": claims[code],
    }


@every_variant
@pytest.mark.parametrize("words", ["", '"\n\U0001f9e8' * SAID_LIMIT], ids=["", "said"])
def test_the_largest_event_of_a_move_stays_within_the_limit(
    code: str, variant: str, words: str
) -> None:
    """As many cells as can be named, as many claims as may be made, long words."""
    game = find_game(code)
    transcript = Transcript("ep_x", a_task(code, variant, seed_of(2)), "someone")
    transcript.add(transcript.draft_started())
    move = game.write(largest_move(code, transcript.state))
    arguments = talkative(code, game.tool(transcript.observation), move)
    try:
        event = transcript.draft_moved(arguments, words, "17.3.2")
    except (InvalidMoveError, IllegalMoveError):
        return  # A limit on what one move may name keeps the event small, too.
    assert len(event.line().encode()) <= BODY_LIMIT + 100


@every_game
def test_long_words_are_cut_so_that_an_event_stays_within_the_limit(code: str) -> None:
    game = find_game(code)
    variant = list(game.variants)[-1]
    transcript = Transcript("ep_x", a_task(code, variant, seed_of(2)), "someone")
    transcript.add(transcript.draft_started())
    move = game.write(game.legal_moves(transcript.state)[0])
    said = '"\n\U0001f9e8' * SAID_LIMIT
    for words in (said, "\U0001f9e8" * SAID_LIMIT, "x" * 10**6):
        event = transcript.draft_moved(
            talkative(code, game.tool(transcript.observation), move), words, None
        )
        assert len(event.line().encode()) <= BODY_LIMIT + 100
        assert words.startswith(event.body["said"][:-1])
        assert len(event.body["said"]) > 500


@every_game
def test_a_claim_about_nowhere_is_not_kept_at_length(code: str) -> None:
    game = find_game(code)
    seen = game.observe(game.new(next(iter(game.variants)), seed_of(2)), 0)
    far = 10**4000
    claims: dict[str, Json] = {
        "MS-I": {"row": far, "column": far, "is": "mine"},
        "MM-I": {"peg": far, "colour": "red", "is": "certain"},
    }
    try:
        verdicts = game.judge(seen, {"claims": [claims[code]] * 30})
    except InvalidMoveError:
        return
    assert len(canonical_json(verdicts)) < BODY_LIMIT


RANKS = {0: 1, None: 2}
"""When a cell is named, by the number on it: None stands for a mine."""


def largest_move(code: str, state: Any) -> Any:
    """The move that takes most to tell.

    In Minesweeper that is all cells, those last that open others, and then mines.
    """
    moves = find_game(code).legal_moves(state)
    if code != "MS-I":
        return moves[-1]
    counts = numbers(state.layout)
    cells = [cell for move in moves for cell in move.cells]
    return Reveal(tuple(sorted(cells, key=lambda cell: RANKS.get(counts.get(cell), 0))))


def a_task(code: str, variant: str, seed: str) -> Task:
    game = find_game(code)
    return Task(f"{code}-x", code, game.kind, variant, seed, game.generator)


@every_game
@given(said=st.text(st.characters(), max_size=400), times=st.sampled_from([1, 40]))
@example(said="\ud800", times=1)
@example(said="\x00\x1b[31m\x7f", times=1)
def test_whatever_is_said_is_kept_clean_and_short(
    code: str, said: str, times: int
) -> None:
    game = find_game(code)
    variant = next(iter(game.variants))
    transcript = Transcript("ep_x", a_task(code, variant, seed_of(2)), "someone")
    transcript.add(transcript.draft_started())
    move = game.write(game.legal_moves(transcript.state)[0])
    kept = transcript.draft_moved(move, said * times, None).body["said"]
    assert len(kept) <= SAID_LIMIT
    kept.encode("utf-8")
    assert not [mark for mark in kept if mark < " " and mark not in "\n\t"]
