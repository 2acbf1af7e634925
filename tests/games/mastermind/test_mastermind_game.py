import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import InvalidMoveError
from chalicelib.games import find_game
from chalicelib.games.chance import Chance
from chalicelib.games.game import Game, Grade
from chalicelib.games.mastermind.game import MASTERMIND
from chalicelib.games.mastermind.rules import Code, Observation, State, Turn

GAME: Game[State, Code, Observation] = MASTERMIND

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NEAR = st.dictionaries(
    st.sampled_from(["reasoning", "guess", "claims", "move"]),
    JSON | st.lists(st.sampled_from(["red", "Blue ", "white", "", "0"]) | JSON),
)


def solved_game() -> State:
    state = State("classic", "s", (0, 1, 2, 3))
    for guess in ((0, 0, 1, 1), (0, 1, 2, 3)):
        state = GAME.apply(state, guess, Chance("unused"))
    return state


def test_the_registry_finds_this_game() -> None:
    assert find_game("MM-I") is MASTERMIND
    assert (GAME.code, GAME.kind, GAME.seats) == ("MM-I", "interactive", 1)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(arguments=JSON | NEAR)
def test_reading_gives_a_guess_or_an_invalid_move_and_nothing_else(
    arguments: Any,
) -> None:
    try:
        move = GAME.read(arguments, Observation("classic"))
    except InvalidMoveError:
        return
    assert all(0 <= colour < 6 for colour in move)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    claims=JSON
    | st.lists(st.fixed_dictionaries({"peg": JSON, "colour": JSON, "is": JSON}))
)
def test_judging_gives_verdicts_or_an_invalid_move_and_nothing_else(
    claims: Any,
) -> None:
    try:
        verdicts = GAME.judge(Observation("small"), {"claims": claims})
    except InvalidMoveError:
        return
    assert len(verdicts) == len(claims or [])


@pytest.mark.parametrize("variant", GAME.variants)
def test_what_is_written_is_read_again(variant: str) -> None:
    state = GAME.new(variant, "s")
    seen = GAME.observe(state, 0)
    for move in GAME.legal_moves(state):
        assert GAME.read(GAME.write(move), seen) == move


def test_reasoning_and_claims_are_optional_and_case_does_not_matter() -> None:
    seen = Observation("classic")
    wanted = (0, 0, 1, 5)
    guess = ["red", "Red", " BLUE", "purple"]
    assert GAME.read({"guess": guess}, seen) == wanted
    full = {"reasoning": "a start", "guess": guess, "claims": None}
    assert GAME.read(full, seen) == wanted


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "not a JSON object"),
        ({}, "missing"),
        ({"guess": "red red red red"}, "no array"),
        ({"guess": ["red", "red", "red", "white"]}, "'white' is no colour"),
        ({"guess": ["red", "red", "red", 3]}, "not text is no colour"),
        ({"guess": [], "peek": True}, "Unknown field 'peek'"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(arguments: Any, said: str) -> None:
    with pytest.raises(InvalidMoveError) as refused:
        GAME.read(arguments, Observation("classic"))
    assert said in refused.value.message
    assert "4 colours from left to right" in refused.value.message


def test_a_guess_of_the_wrong_length_is_read() -> None:
    assert GAME.read({"guess": ["red"]}, Observation("classic")) == (0,)


def test_a_colour_of_the_classic_game_is_none_of_the_small_one() -> None:
    with pytest.raises(InvalidMoveError):
        GAME.read({"guess": ["purple"] * 3}, Observation("small"))


def test_the_tool_is_strict_and_asks_in_the_agreed_order() -> None:
    schema = GAME.tool(Observation("classic"))
    assert list(schema["properties"]) == ["reasoning", "guess", "claims"]
    waiting: list[Any] = [schema]
    objects = 0
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if part.get("type") == "object":
                objects += 1
                assert part["required"] == list(part["properties"])
                assert part["additionalProperties"] is False
            waiting += part.values()
    assert objects == 2


def test_the_board_is_described_in_words() -> None:
    seen = Observation("classic", (Turn((0, 0, 1, 1), 1, 2), Turn((5, 4, 3, 2), 0, 1)))
    assert GAME.describe(seen) == (
        "The secret has 4 pegs, 0 (left) to 3 (right). Colours: red, blue, green, "
        "yellow, orange, purple; each may occur on several pegs.\n"
        "black: right colour on the right peg; white: right colour on a wrong peg.\n"
        "Guess 1: red red blue blue -> 1 black, 2 white\n"
        "Guess 2: purple orange yellow green -> 0 black, 1 white\n"
        "Guess 3 of 10 is next."
    )


def test_the_end_is_described_too() -> None:
    assert GAME.describe(GAME.observe(solved_game(), 0)).endswith("Solved.")
    spent = Observation("small", (Turn((0, 0, 0), 0, 0),) * 8)
    assert GAME.describe(spent).endswith("No guesses are left.")


def test_the_view_holds_all_that_is_drawn_and_the_secret_comes_apart() -> None:
    state = solved_game()
    view = GAME.view(GAME.observe(state, 0))
    assert view["turns"][0] == {
        "guess": ["red", "red", "blue", "blue"],
        "black": 1,
        "white": 1,
    }
    assert (view["pegs"], view["limit"], view["left"]) == (4, 10, 0)
    assert GAME.reveal(state) == {"secret": ["red", "blue", "green", "yellow"]}


def test_the_insight_counts_what_remains_and_ends_with_the_game() -> None:
    insight = GAME.insight(Observation("small", (Turn((0, 0, 0), 0, 0),)))
    assert insight == {
        "remaining": 27,
        "bits": 4.754887502,
        "counts": [[0, 9, 9, 9]] * 3,
    }
    assert GAME.insight(GAME.observe(solved_game(), 0)) is None


@pytest.mark.parametrize("variant", GAME.variants)
def test_moves_are_all_codes_until_it_is_over(variant: str) -> None:
    state = GAME.new(variant, "s")
    shown = GAME.variants[variant]
    moves = GAME.legal_moves(state)
    assert len(moves) == len(shown["colours"]) ** shown["pegs"]
    for move in (moves[0], moves[-1]):
        GAME.check(GAME.observe(state, 0), move)
    assert GAME.legal_moves(solved_game()) == ()


@pytest.mark.parametrize("variant", GAME.variants)
@pytest.mark.parametrize("name", GAME.strategies)
def test_a_whole_episode_is_played_graded_and_scored(variant: str, name: str) -> None:
    chance = Chance("episode")
    for seed in ("1", "2", "3"):
        state = GAME.new(variant, seed)
        grades: list[Grade] = []
        prints = {GAME.fingerprint(state)}
        while GAME.outcome(state) is None:
            seen = GAME.observe(state, GAME.to_move(state))
            move = GAME.strategies[name](seen, chance)
            GAME.check(seen, move)
            state = GAME.apply(state, move, chance)
            grades.append(GAME.grade(seen, move, state))
            prints.add(GAME.fingerprint(state))
        row = GAME.scores(state, grades, GAME.outcome(state))
        assert row["won"]
        assert row["guesses"] == len(grades) <= GAME.longest(variant)
        assert len(prints) == len(grades) + 1
        view = GAME.view(GAME.observe(state, 0))
        for part in (row, view, [grade.to_json() for grade in grades]):
            assert json.loads(json.dumps(part, allow_nan=False)) == part
