"""The edge of every game: arguments, schemas, claims."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import IllegalMoveError, InvalidMoveError
from chalicelib.games import find_game
from chalicelib.games.chance import Chance
from tests.every_game import Json, every_game, every_variant, positions, seed_of
from tests.schemas import malformed, problems


@every_variant
def test_a_move_survives_being_written_and_read(code: str, variant: str) -> None:
    for game, state, seen in positions(code, variant):
        for move in game.legal_moves(state)[::3]:
            text = json.dumps(game.write(move))
            assert game.read(json.loads(text), seen) == move


@every_variant
def test_the_tool_is_a_strict_schema_that_accepts_what_is_written(
    code: str, variant: str
) -> None:
    for game, state, seen in positions(code, variant):
        schema = game.tool(seen)
        assert not list(malformed(schema, {}))
        assert not list(loose_parts(schema, "$"))
        assert next(iter(schema["properties"])) == "reasoning"
        assert schema["properties"]["reasoning"]["type"] == "string"
        assert "claims" in schema["required"]
        for move in game.legal_moves(state)[:3]:
            blank = dict.fromkeys(schema["required"])
            whole = {**blank, "reasoning": "Because.", **game.write(move)}
            assert not problems(whole, schema, {})
            assert game.read(whole, seen) == move
            assert problems({**whole, "surplus": 1}, schema, {})


def loose_parts(schema: Json, at: str) -> Iterator[str]:
    """Objects that do not require all of their properties and nothing else."""
    if "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield f"{at} allows more"
        if list(schema["properties"]) != schema.get("required"):
            yield f"{at} does not require all"
    for name, part in schema.get("properties", {}).items():
        yield from loose_parts(part, f"{at}.{name}")
    if "items" in schema:
        yield from loose_parts(schema["items"], f"{at}[]")


def values(schema: Json) -> st.SearchStrategy[Any]:
    """Values that a schema allows, and now and then others."""
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    parts: list[st.SearchStrategy[Any]] = []
    if "enum" in schema:
        parts.append(st.sampled_from(schema["enum"]))
    elif "string" in names:
        parts.append(st.text(max_size=20))
    if "integer" in names:
        parts += [st.integers(-1, 30), st.integers()]
    if "array" in names:
        parts.append(st.lists(values(schema["items"]), max_size=6))
    if "object" in names:
        whole = {name: values(part) for name, part in schema["properties"].items()}
        parts.append(st.fixed_dictionaries(whole))
    return st.one_of(*parts, *parts, ANYTHING)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@every_game
@given(data=st.data())
def test_whatever_is_read_is_a_move_or_refused_with_a_sentence(
    code: str, data: st.DataObject
) -> None:
    game = find_game(code)
    variant = data.draw(st.sampled_from(list(game.variants)))
    state = game.new(variant, seed_of(data.draw(st.integers(0, 3))))
    seen = game.observe(state, 0)
    arguments = data.draw(values(game.tool(seen)))
    move, complaint = None, ""
    try:
        move = game.read(arguments, seen)
        game.check(seen, move)
    except (InvalidMoveError, IllegalMoveError) as error:
        complaint = error.message
    if complaint:
        assert complaint.strip().endswith((".", "]}"))
        assert len(complaint) < 500
        return
    assert game.read(game.write(move), seen) == move
    after = game.apply(state, move, Chance("fuzz"))
    assert game.grade(seen, move, after).regret >= 0


@every_game
@given(data=st.data())
def test_whatever_is_claimed_gets_verdicts_or_is_refused(
    code: str, data: st.DataObject
) -> None:
    game = find_game(code)
    variant = data.draw(st.sampled_from(list(game.variants)))
    seen = game.observe(game.new(variant, seed_of(1)), 0)
    claims = data.draw(values(game.tool(seen)["properties"]["claims"]))
    verdicts: list[Json] = []
    complaint = ""
    try:
        verdicts = game.judge(seen, {"claims": claims})
    except InvalidMoveError as error:
        complaint = error.message
    if complaint:
        assert complaint.strip().endswith(".")
        return
    assert len(verdicts) == len(claims or [])
    for claim, judged in zip(claims or [], verdicts, strict=True):
        assert judged.pop("verdict") in ("true", "false", "not provable")
        assert judged.items() <= claim.items()


@every_game
def test_no_claims_are_no_verdicts(code: str) -> None:
    game = find_game(code)
    seen = game.observe(game.new(next(iter(game.variants)), seed_of(1)), 0)
    assert game.judge(seen, {}) == game.judge(seen, {"claims": None}) == []
