"""CPU of a provider's adapter early and late in long conversations, all of it sent."""

import asyncio
import statistics
import time
from typing import Any, NamedTuple

from bench.overhead_bare import open_post
from bench.overhead_games import PROMPT, Api
from chalicelib.games import find_game
from chalicelib.models.model import Exchange, Model, ModelRequest
from chalicelib.players.prompts import find_prompt, make_tool

GAME = "MS-I"
NEAR = 10
"""So many calls from the early and from the late one on are measured."""


class History(NamedTuple):
    """CPU ms of a call early and late; of the bare SDK with the same body; its bytes."""

    early: float
    late: float
    bare_early: float
    bare_late: float
    bytes_sent: int


def connect(api: Api, port: int, key: str) -> Model:
    """The adapter of an API."""
    origin = f"http://127.0.0.1:{port}"
    if api.name == "messages":
        from chalicelib.models.anthropic import connect as connect_anthropic

        return connect_anthropic(key, origin)
    if api.name == "responses":
        from chalicelib.models.openai import connect as connect_openai

        return connect_openai(key, f"{origin}/v1")
    from chalicelib.models.compatible import connect as connect_compatible

    return connect_compatible(key, f"{origin}/v1", allow_local=True)


def measure(api: Api, port: int, key: str, turns: int, conversations: int) -> History:
    """Hold conversations of `turns` calls, one after the other; medians of calls."""
    return asyncio.run(_measure(api, port, key, turns, conversations))


async def _measure(
    api: Api, port: int, key: str, turns: int, conversations: int
) -> History:
    model: Any = connect(api, port, key)
    game, prompt = find_game(GAME), find_prompt(PROMPT)
    seen = game.observe(game.new("beginner", "0" * 64), 0)
    board, tool = prompt.write(GAME, seen, None), make_tool(GAME, seen)
    effort = None if api.effort == "default" else api.effort
    calls: dict[int, list[float]] = {}
    bare: dict[int, list[float]] = {}
    post, _ = open_post(api, port, key)
    body = b""
    for conversation in range(conversations + 1):
        history: list[Exchange] = []
        for number in range(turns):
            request = ModelRequest(
                api.model,
                effort,
                prompt.systems[GAME],
                tool,
                history,
                board,
                16_000,
                f"long-{conversation}",
            )
            began = time.process_time()
            body = model.write(request)
            answer = await model.answer(request, body, 60.0)
            taken = time.process_time() - began
            began = time.process_time()
            await post(body)
            taken_bare = time.process_time() - began
            if answer.failure is not None:
                raise RuntimeError(f"Call {number}: {answer.complaint}")
            if conversation:  # the first one warms up
                calls.setdefault(number, []).append(1000 * taken)
                bare.setdefault(number, []).append(1000 * taken_bare)
            history.append(Exchange(board, answer.items))
    await model.aclose()
    return History(
        near(calls, 1),
        near(calls, turns - NEAR),
        near(bare, 1),
        near(bare, turns - NEAR),
        len(body),
    )


def near(times: dict[int, list[float]], number: int) -> float:
    """The median over the calls from this one on."""
    return statistics.median(
        value
        for call in range(number, min(number + NEAR, len(times)))
        for value in times[call]
    )
