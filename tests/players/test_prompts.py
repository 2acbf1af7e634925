"""Prompts: versions, hashes, and what they never say."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.errors import NotFoundError
from chalicelib.games import find_game
from chalicelib.players.prompts import (
    find_prompt,
    hash_prompt,
    hash_sent,
    make_tool,
    prompt_versions,
    show_tools,
)
from chalicelib.services.players import OUTPUT_TOKENS

SEEDS = [f"{number:064x}" for number in range(1, 6)]
# Of everything sent but the board, at the usual limit. A change is another player.
GOLDEN = {"p1": "eb8ed9", "p2": "32129c", "p3": "7c9680"}


def test_the_versions_are_those_whose_hashes_are_known() -> None:
    assert prompt_versions() == tuple(sorted(GOLDEN))


@pytest.mark.parametrize("version", sorted(GOLDEN))
def test_a_version_is_as_it_was_when_it_was_written(version: str) -> None:
    assert hash_prompt(version, OUTPUT_TOKENS) == GOLDEN[version]


def test_versions_and_limits_have_hashes_of_their_own() -> None:
    hashes = {
        hash_prompt(version, limit)
        for version in prompt_versions()
        for limit in (OUTPUT_TOKENS, 4_000)
    }
    assert len(hashes) == 2 * len(prompt_versions())


@pytest.mark.parametrize("name", ["p0", "", "../p1", "p1.toml", "P 1"])
def test_a_version_that_is_not_there_is_not_found(name: str) -> None:
    with pytest.raises(NotFoundError):
        find_prompt(name)


def hash_changed(**changes: Any) -> str:
    """The hash of p1 with some of its parts changed."""
    prompt = replace(find_prompt("p1"), **changes)
    return hash_sent(prompt, show_tools(prompt.systems), (OUTPUT_TOKENS,))


def test_unchanged_parts_have_the_same_hash() -> None:
    assert hash_changed() == hash_prompt("p1", OUTPUT_TOKENS)


@pytest.mark.parametrize("game", ["MS-I", "MM-I"])
@pytest.mark.parametrize("part", ["systems", "styles"])
def test_another_text_or_style_is_another_hash(part: str, game: str) -> None:
    texts = getattr(find_prompt("p1"), part)
    other = hash_changed(**{part: {**texts, game: texts[game] + "."}})
    assert other != hash_prompt("p1", OUTPUT_TOKENS)


@pytest.mark.parametrize("turns", [None, 0, 5])
def test_another_history_is_another_hash(turns: int | None) -> None:
    assert hash_changed(history_turns=turns) != hash_prompt("p1", OUTPUT_TOKENS)


def test_another_tool_is_another_hash() -> None:
    prompt = find_prompt("p1")
    for game, shown in show_tools(prompt.systems).items():
        tools = {**show_tools(prompt.systems), game: {**shown, "title": "Move"}}
        other = hash_sent(prompt, tools, (OUTPUT_TOKENS,))
        assert other != hash_prompt("p1", OUTPUT_TOKENS)


def test_an_equal_tool_is_the_same_object() -> None:
    rules = find_game("MS-I")
    seen = [
        rules.observe(rules.new(variant, seed), 0)
        for variant in rules.variants
        for seed in SEEDS[:2]
    ]
    tools = [make_tool("MS-I", observation) for observation in [*seen, *seen]]
    texts = [json.dumps(tool.parameters) for tool in tools]
    assert len({id(tool) for tool in tools}) == len(set(texts)) > 1


def test_another_word_about_the_prompt_is_the_same_player() -> None:
    assert hash_changed(about="Other words.") == hash_prompt("p1", OUTPUT_TOKENS)


@pytest.mark.parametrize("version", prompt_versions())
@pytest.mark.parametrize("game", ["MS-I", "MM-I"])
def test_what_is_said_at_a_turn_shows_the_board_and_lists_no_moves(
    version: str, game: str
) -> None:
    prompt, rules = find_prompt(version), find_game(game)
    for variant in rules.variants:
        for seed in SEEDS[:2]:
            observation = rules.observe(rules.new(variant, seed), 0)
            text = prompt.write(game, observation, None)
            assert text == rules.styles[prompt.styles[game]](observation)
            for word in ("legal", "allowed", "you may", "possible moves"):
                assert word not in text.lower()
            if game == "MM-I":
                # Each of the codes would be a move: none of them is written out.
                assert len(text) < 2_000


@pytest.mark.parametrize("game", ["MS-I", "MM-I"])
def test_tools_of_a_variant_are_the_same_on_every_board(game: str) -> None:
    """So that no tool tells what could be played on the board at hand."""
    rules = find_game(game)
    for variant in rules.variants:
        tools = {
            json.dumps(
                make_tool(game, rules.observe(rules.new(variant, seed), 0)).parameters
            )
            for seed in SEEDS[:3]
        }
        assert len(tools) == 1


def test_a_complaint_comes_before_the_board() -> None:
    rules = find_game("MM-I")
    observation = rules.observe(rules.new("small", SEEDS[0]), 0)
    prompt = find_prompt("p1")
    board = prompt.write("MM-I", observation, None)
    told = prompt.write("MM-I", observation, "There is no peg 9.")
    assert told == (
        f"That was no move: There is no peg 9. Nothing has changed.\n\n{board}"
    )
