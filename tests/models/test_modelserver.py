"""The local model server, held to the real SDKs: games, money, failures, refusals."""

import asyncio
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from chalicelib.games import find_game
from chalicelib.games.chance import Chance
from tests.modelserver.child import ModelServerHandle, model_server_process
from tests.modelserver.expectations import CALL, DETAILS, EXPECTED, PATIENCE
from tests.modelserver.reading import read_text
from tests.modelserver.scenarios import SCENARIOS
from tests.modelserver.talk import Clients, Json, Talk, post, usage_of
from tests.modelserver.wrong import APIS, REFUSED, Change

pytest_plugins = ("tests.modelserver.fixture",)

SWEEPER = find_game("MS-I")
CRACKER = find_game("MM-I")
SEED = f"{4:064x}"
STATE = SWEEPER.new("5x5", SEED)
BOARD = SWEEPER.observe(STATE, 0)
SCHEMA = SWEEPER.tool(BOARD)
PROMPT = SWEEPER.describe(BOARD)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def clients(
    runner: asyncio.Runner, model_server_session: ModelServerHandle
) -> Iterator[Clients]:
    made = Clients(model_server_session)
    yield made
    runner.run(made.close())


def talk_of(clients: Clients, api: str, schema: Json = SCHEMA, **extra: Any) -> Talk:
    return clients.talks(schema, **extra)[APIS.index(api)]


# Games.


async def play(talk: Talk, game: Any, state: Any) -> tuple[Any, list[Json], list[Any]]:
    """A whole game; its end, the bodies that were sent and the replies."""
    bodies, replies = [], []
    while game.outcome(state) is None:
        observation = game.observe(state, 0)
        body = talk.body(game.describe(observation))
        reply = await talk.send(body)
        found = talk.keep(body, reply)
        arguments = json.loads(found) if isinstance(found, str) else found
        move = game.read(arguments, observation)
        game.check(observation, move)
        verdicts = [claim["verdict"] for claim in game.judge(observation, arguments)]
        assert set(verdicts) <= {"true"}
        state = game.apply(state, move, Chance("server test"))
        bodies.append(body)
        replies.append(reply)
    return game.outcome(state), bodies, replies


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("game", "variant"), [(SWEEPER, "5x5"), (CRACKER, "small")], ids=["MS-I", "MM-I"]
)
def test_whole_game(
    runner: asyncio.Runner,
    clients: Clients,
    model_server: ModelServerHandle,
    api: str,
    game: Any,
    variant: str,
) -> None:
    state = game.new(variant, SEED)
    talk = talk_of(clients, api, game.tool(game.observe(state, 0)))
    outcome, bodies, replies = runner.run(play(talk, game, state))
    assert outcome.termination in ("cleared", "mine", "solved", "limit")
    rows = model_server.account()["rows"]
    assert len(rows) == len(bodies) == len(replies) >= 3
    written = 0
    for row, body, reply in zip(rows, bodies, replies, strict=True):
        assert row["api"] == api
        assert row["conversation"] == f"talk-{api}"
        usage = usage_of(api, reply)
        assert {name: row[name] for name in usage} == usage
        # Whatever was written to the cache is read by the next request.
        assert row["cached"] >= written
        written = row["cached"] + row["cache_write"]
        sent = model_server.request(row["n"])
        assert json.loads(sent["body"]) == body
        assert sent["sha256"] == row["request_sha256"]
        assert reply.model == "tilts-strong-2026-10-01"
    assert rows[0]["cached"] == 0 < rows[1]["cached"] < rows[-1]["cached"]
    assert all(row["reasoning"] > 0 for row in rows)


@pytest.mark.parametrize("game", [SWEEPER, CRACKER], ids=lambda game: game.code)
def test_every_style_is_read(game: Any) -> None:
    for variant in game.variants:
        seen = game.observe(game.new(variant, SEED), 0)
        for write in game.styles.values():
            found = read_text(f"That was no move: (1, 2) is open.\n\n{write(seen)}")
            assert found is not None
            if game is SWEEPER:
                assert (found.rows, found.mines) == (seen.rows, seen.mines)  # type: ignore[union-attr]  # both are boards of this game
            else:
                assert found == seen


def test_minds_differ_and_repeat(
    runner: asyncio.Runner, clients: Clients, model_server: ModelServerHandle
) -> None:
    def move(model: str, name: str) -> Any:
        talk = talk_of(clients, "chat", model=model, name=name)
        body = talk.body(PROMPT)
        return json.loads(talk.keep(body, runner.run(talk.send(body))))["reveal"]

    def regret(reveal: Any) -> float:
        chosen = SWEEPER.read({"reveal": reveal}, BOARD)
        after = SWEEPER.apply(STATE, chosen, Chance("server test"))
        return SWEEPER.grade(BOARD, chosen, after).regret

    names = [f"c{number}" for number in range(8)]
    assert [move("tilts-random", name) for name in names] == [
        move("tilts-random", name) for name in names
    ]
    strong, random = (
        sum(regret(move(model, name)) for name in names)
        for model in ("tilts-strong", "tilts-random")
    )
    assert strong == 0 < random


# Failures: what the SDKs make of each, without retries.


async def meet(talk: Talk, **settings: Any) -> tuple[str, Any]:
    """What becomes of a call: in words, and the reply or the exception."""
    try:
        reply = await talk.send(talk.body(PROMPT), **settings)
    except Exception as error:  # any at all: which one it is, is what is asked
        cause = f" {type(error.__cause__).__name__}" if error.__cause__ else ""
        return type(error).__name__ + cause, error
    return talk.outline(reply), reply


def test_every_scenario_is_expected() -> None:
    assert set(EXPECTED) == set(SCENARIOS)
    numbers = [each.number for each in SCENARIOS.values()]
    assert numbers == [*range(1, len(numbers) + 1)]


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(
    runner: asyncio.Runner,
    clients: Clients,
    model_server: ModelServerHandle,
    name: str,
) -> None:
    async def meet_all() -> list[tuple[str, Any]]:
        waits = PATIENCE.get(name, 20.0)
        talks = clients.talks(SCHEMA)
        return await asyncio.gather(*(meet(talk, timeout=waits) for talk in talks))

    model_server.order(name, 3)
    met = runner.run(meet_all())
    assert tuple(words for words, _ in met) == EXPECTED[name]
    account = model_server.account()
    assert account["totals"]["requests"] == 3
    assert account["totals"]["calls"] == (3 if SCENARIOS[name].billed else 0)
    check = DETAILS.get(name)
    if check is not None:
        check(*(found for _, found in met))


@pytest.mark.parametrize("api", APIS)
def test_scenario_by_name_every_second_call(
    runner: asyncio.Runner, clients: Clients, model_server: ModelServerHandle, api: str
) -> None:
    talk = talk_of(clients, api, model="tilts-strong:scenario=400@2")
    met = [runner.run(meet(talk))[0] for _ in range(4)]
    good = CALL[APIS.index(api)]
    assert met == [good, "BadRequestError"] * 2
    assert model_server.account()["totals"]["calls"] == 2


# Retries and redirects, as the SDKs do them when they are left alone.


@pytest.mark.parametrize(
    ("name", "retries", "requests", "billed"),
    [
        ("lost-reply", 2, 3, 3),
        ("400-retry", 1, 2, 0),
        ("500-no-retry", 2, 1, 0),
        ("truncated-json", 2, 1, 1),
    ],
)
def test_retries_are_billed_each(
    runner: asyncio.Runner,
    clients: Clients,
    model_server: ModelServerHandle,
    name: str,
    retries: int,
    requests: int,
    billed: int,
) -> None:
    eager = Clients.__new__(Clients)
    eager.openai = clients.openai.with_options(max_retries=retries)
    eager.anthropic = clients.anthropic.with_options(max_retries=retries)

    async def meet_all() -> None:
        await asyncio.gather(*(meet(talk) for talk in eager.talks(SCHEMA)))

    model_server.order(name, 9)
    runner.run(meet_all())
    totals = model_server.account()["totals"]
    assert (totals["requests"], totals["calls"]) == (3 * requests, 3 * billed)


def test_redirect_leaks_the_prompt(
    runner: asyncio.Runner, model_server: ModelServerHandle
) -> None:
    async def meet_all() -> None:
        trusting = Clients(model_server, follow=True)
        for talk in trusting.talks(SCHEMA):
            await meet(talk)
        await trusting.close()

    model_server.order("redirect", 3)
    runner.run(meet_all())
    hits = model_server.foreign()
    assert len(hits) == 3
    assert all(hit["bytes"] > len(PROMPT) for hit in hits)
    assert not any({"authorization", "x-api-key"} & set(hit["headers"]) for hit in hits)


# Refusals: what the services answer to requests that are not right.


@pytest.mark.parametrize(
    ("api", "change", "words"),
    [(api, change, words) for api, _, change, words in REFUSED],
    ids=[f"{api}-{name}" for api, name, *_ in REFUSED],
)
def test_refused(
    runner: asyncio.Runner,
    clients: Clients,
    model_server: ModelServerHandle,
    api: str,
    change: Change,
    words: str,
) -> None:
    talk = talk_of(clients, api)
    body = talk.body(PROMPT)
    talk.keep(body, runner.run(talk.send(body)))
    body = json.loads(json.dumps(talk.body(PROMPT)))
    assert runner.run(post(model_server, api, body))[0] == 200
    change(body)
    status, reply = runner.run(post(model_server, api, body))
    assert status == (404 if body["model"] != "tilts-strong" else 400)
    assert words in reply["error"]["message"]
    if api == "messages":
        assert reply["type"] == "error"
        assert reply["request_id"].startswith("req_")
    else:
        assert set(reply["error"]) == {"message", "type", "param", "code"}
    assert model_server.account()["totals"]["calls"] == 2


@pytest.mark.parametrize("api", APIS)
def test_keys(
    runner: asyncio.Runner, clients: Clients, model_server: ModelServerHandle, api: str
) -> None:
    body = talk_of(clients, api).body(PROMPT)
    for key in ("", "Bearer wrong"):
        status, _ = runner.run(post(model_server, api, body, Authorization=key))
        assert status == 401


def test_lone_surrogate_never_leaves(runner: asyncio.Runner, clients: Clients) -> None:
    async def send_all() -> list[BaseException | None]:
        talks = clients.talks(SCHEMA)
        sent = (talk.send(talk.body("\ud800")) for talk in talks)
        met: list[BaseException | None]
        met = await asyncio.gather(*sent, return_exceptions=True)
        return met

    assert {type(each) for each in runner.run(send_all())} == {UnicodeEncodeError}


# The rest: models, prices, limits.


def test_models(runner: asyncio.Runner, clients: Clients) -> None:
    async def list_both() -> tuple[list[Any], list[Any]]:
        return (
            [model async for model in clients.openai.models.list()],
            [model async for model in clients.anthropic.models.list()],
        )

    openai, anthropic = runner.run(list_both())
    assert "tilts-strong" in [model.id for model in openai]
    lifecycles = {model.id: model.lifecycle for model in anthropic}
    assert lifecycles["tilts-strong"] == "active"
    assert lifecycles["tilts-retired"] == "retired"
    deprecated = next(each for each in anthropic if each.lifecycle == "deprecated")
    assert deprecated.retires_at is not None
    one = runner.run(clients.anthropic.models.retrieve("tilts-weak"))
    assert one.capabilities is not None
    assert one.capabilities.thinking.supported


def test_prices_names_rate_and_log(runner: asyncio.Runner, tmp_path: Path) -> None:
    prices = {"tilts-strong": {"in": 2, "cached": 0.2, "cache_write": 2.5, "out": 10}}
    (tmp_path / "prices.json").write_text(json.dumps(prices), "utf-8")
    settings = ("--prices", str(tmp_path / "prices.json"), "--rate", "2",
                "--latency", "0.3", "--log", str(tmp_path / "log"),
                "--name", "gpt-6-luna=tilts-strong")  # fmt: skip

    async def call_all(server: ModelServerHandle) -> list[str]:
        openai = AsyncOpenAI(
            api_key=server.key, base_url=server.openai_url, max_retries=0
        )
        anthropic = AsyncAnthropic(api_key=server.key, base_url=server.origin)
        made = Clients.__new__(Clients)
        made.openai, made.anthropic = openai, anthropic
        talk = talk_of(made, "responses")
        body = talk.body(PROMPT)
        headers = {"x-tilts-call": "call-1"}
        talk.keep(body, await talk.send(body, extra_headers=headers))
        await talk.send(talk.body(PROMPT))
        many = [talk_of(made, "chat", model="gpt-6-luna") for _ in range(4)]
        met = await asyncio.gather(*map(meet, many))
        await made.close()
        return [words for words, _ in met]

    with model_server_process(*settings) as server:
        met = runner.run(call_all(server))
        account = server.account()
    assert sorted(met) == ["RateLimitError"] * 2 + ["tool_calls: function"] * 2
    first, second = account["rows"][:2]
    assert first["call"] == "call-1"
    assert 0 < second["cached"] < second["input"]
    for row in (first, second):
        plain = row["input"] - row["cached"] - row["cache_write"]
        tenths = 20 * plain + 2 * row["cached"] + 25 * row["cache_write"]
        assert row["billed_microusd"] == -(-(tenths + 100 * row["output"]) // 10)
    logged = (tmp_path / "log").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in logged] == account["rows"]


def test_raw_body_is_kept(
    runner: asyncio.Runner, clients: Clients, model_server: ModelServerHandle
) -> None:
    talk = talk_of(clients, "chat")
    runner.run(talk.send(talk.body("ä € 😀")))
    seen = model_server.request(1)
    raw = seen["body"].encode("latin-1")
    assert "ä € 😀" in raw.decode()
    assert seen["sha256"] == sha256(raw).hexdigest()
    assert ["X-Stainless-Retry-Count", "0"] in [
        [name.title(), value] for name, value in seen["headers"]
    ]


def test_trimmed_history_keeps_the_head(
    runner: asyncio.Runner, clients: Clients, model_server: ModelServerHandle
) -> None:
    def call(api: str, prompt: str, **changes: Any) -> Any:
        body = talk_of(clients, api).body(prompt) | changes
        assert runner.run(post(model_server, api, body))[0] == 200
        return model_server.account()["rows"][-1]

    system = {"type": "text", "text": "Rules.", "cache_control": {"type": "ephemeral"}}
    for api, changes, head in (
        ("responses", {}, True),
        ("messages", {}, False),  # the only mark is at the end
        ("messages", {"system": [system]}, True),
        ("messages", {"system": [system], "metadata": {}}, True),
    ):
        call(api, PROMPT, **changes)
        row = call(api, f"Again. {PROMPT}", **changes)
        assert (row["cached"] > 0) is head
