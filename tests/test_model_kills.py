"""Workers that are killed at random moments while models play: what the ledger holds.

Real processes, real SDKs, a local model server with an account of its own.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from chalicelib.events import hash_log, write_transcript
from chalicelib.games.chance import Chance
from chalicelib.models.catalogue import cost_microusd
from chalicelib.models.model import Tokens
from chalicelib.records import Call, Episode, NewEvaluation
from chalicelib.services.suites import commitment_root, derive_tasks
from chalicelib.wiring import Tilts
from tests.model_worker import MODELS, NAMES, wire
from tests.modelserver.child import ModelServerHandle, model_server_process
from tests.modelserver.wire import Stamp

Json = dict[str, Any]
ROOT = Path(__file__).parents[1]
PATIENCE = 900.0
LIFE_MILLISECONDS = 1_000
"""The longest that a worker lives after it is ready."""
EVERY = 10
"""At one kill in so many, a reply is lost on its way, too."""
TINY = json.loads((ROOT / "tests/data/suites/tiny-1.json").read_text("utf-8"))


@dataclass(frozen=True)
class Plan:
    """What each evaluation in turn is: a manifest, models, repeats."""

    manifest: Json
    models: Sequence[tuple[str, ...]]
    repeats: int


MANY = Plan(TINY, (MODELS,), 2)
"""Many calls in flight: a kill may leave one open for each episode that is held."""


def plan_one_at_a_time() -> Plan:
    """One episode after the other: a kill leaves at most one open call."""
    task = {"game": "MM-I", "variant": "small", "count": 1}
    metrics = {"MM-I": TINY["metrics"]["MM-I"]}
    single = {**TINY, "rounds": 1, "tasks": [task], "metrics": metrics}
    single["root"] = commitment_root([one for _, one in derive_tasks(single)])
    return Plan(single, [(model,) for model in MODELS], 1)


@dataclass
class Killing:
    """What was done to the workers, and what it left."""

    kills: int = 0
    lost: int = 0
    held: int = 0
    orphans: int = 0
    evaluations: list[str] = field(default_factory=list)


class Workers:
    """One worker at a time over a database file."""

    def __init__(self, path: Path, server: ModelServerHandle) -> None:
        self._command = (
            *(sys.executable, "-m", "tests.model_worker"),
            *(str(path), str(server.port), server.key),
        )
        self._worker: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._worker = subprocess.Popen(
            self._command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._worker.stdout is not None
        assert self._worker.stdout.readline() == "ready\n"

    def kill(self) -> None:
        if self._worker is None:
            return
        self._worker.kill()
        self._worker.wait()
        for pipe in (self._worker.stdin, self._worker.stdout):
            if pipe is not None:
                pipe.close()
        self._worker = None


@contextmanager
def workers_on(path: Path, server: ModelServerHandle) -> Iterator[Workers]:
    made = Workers(path, server)
    try:
        yield made
    finally:
        made.kill()


def submit(tilts: Tilts, plan: Plan, number: int) -> str:
    wanted = NewEvaluation(
        plan.manifest["id"],
        plan.models[number % len(plan.models)],
        repeats=plan.repeats,
        budget_microusd=1_000_000_000,
    )
    return tilts.evaluations.create(wanted, "tests", None).id


def is_over(tilts: Tilts, evaluation: str) -> bool:
    return tilts.evaluations.get(evaluation).status == "finished"


def episodes_of(tilts: Tilts, killing: Killing) -> list[Episode]:
    found: list[Episode] = []
    for evaluation in killing.evaluations:
        found += tilts.store.episodes(evaluation, None, 1_000, None).items
    return found


def open_calls(tilts: Tilts, episodes: list[Episode]) -> dict[str, int]:
    """How many intents of each episode nobody has closed."""
    counts = {}
    for episode in episodes:
        calls = tilts.store.calls(episode.id)
        counts[episode.id] = sum(call.status == "intent" for call in calls)
    return counts


def note_kill(tilts: Tilts, killing: Killing, before: dict[str, int]) -> dict[str, int]:
    """What a kill has left: at most one open call for each episode that was held."""
    killing.kills += 1
    episodes = episodes_of(tilts, killing)
    now = open_calls(tilts, episodes)
    for episode in episodes:
        more = now[episode.id] - before.get(episode.id, 0)
        killing.held += episode.owner is not None
        assert more in ((0, 1) if episode.owner is not None else (0,))
    return now


def kill_until(
    tilts: Tilts, server: ModelServerHandle, workers: Workers, kills: int, plan: Plan
) -> Killing:
    """Kill the worker so many times while evaluations are played, then let them end."""
    chance = Chance("model kills", kills)
    killing = Killing()
    left: dict[str, int] = {}
    while killing.kills < kills:
        if not killing.evaluations or is_over(tilts, killing.evaluations[-1]):
            number = len(killing.evaluations)
            killing.evaluations.append(submit(tilts, plan, number))
        if killing.kills % EVERY == EVERY - 1:
            server.order("lost-reply")
            killing.lost += 1
        workers.start()
        time.sleep(chance.below(LIFE_MILLISECONDS) / 1_000)
        workers.kill()
        left = note_kill(tilts, killing, left)
    workers.start()
    wait_for(lambda: all(is_over(tilts, one) for one in killing.evaluations))
    workers.kill()
    killing.orphans = sum(open_calls(tilts, episodes_of(tilts, killing)).values())
    return killing


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "it never ended"
        time.sleep(0.1)


def request_of(row: Json) -> str:
    """The provider's name of a request that the server's account has."""
    return Stamp(row["n"], row["request_sha256"]).id("req_")


def tokens_of(row: Json) -> Json:
    """The tokens of a row of the server's account, as our ledger has them."""
    return {
        "in": row["input"],
        "cached": row["cached"],
        "cache_write": row["cache_write"],
        "out": row["output"],
        "reasoning": row["reasoning"],
    }


def bill(tilts: Tilts, model: str, row: Json) -> int:
    """What a row of the server's account costs."""
    names = ("input", "cached", "cache_write", "output", "reasoning")
    tokens = Tokens(*(row[name] for name in names))
    return cost_microusd(tilts.offers.row(model), tokens)


def model_of(row: Json) -> str:
    providers = {"responses": "openai", "messages": "anthropic", "chat": "compatible"}
    return f"{providers[row['api']]}~{row['model']}"


def is_request(call: Call, row: Json) -> bool:
    """Whether a call without a reply is one that the server's account has.

    Calls of two repeats may be the same to the byte, but for the conversation's name:
    then either stands for the other.
    """
    asked = call.body["request"]
    same = asked["sha256"] == row["request_sha256"]
    return bool(same and asked["model"] == model_of(row))


def check_ledger(
    tilts: Tilts, server: ModelServerHandle, episodes: list[Episode], killing: Killing
) -> None:
    """The ledger against the server's own account, call by call."""
    account = server.account()
    calls = [call for episode in episodes for call in tilts.store.calls(episode.id)]
    billed = {request_of(row): row for row in account["rows"]}
    assert len(billed) == len(account["rows"])
    by_status: dict[str, list[Call]] = {"settled": [], "failed": [], "intent": []}
    for call in calls:
        by_status[call.status].append(call)

    # Every settled row is a call that the server billed, once, for the same tokens.
    for call in by_status["settled"]:
        row = billed.pop(str(call.provider_request))
        model = call.body["request"]["model"]
        assert model == model_of(row)
        assert call.tokens == tokens_of(row)
        assert call.cost_microusd == bill(tilts, model, row) <= call.max_microusd

    # Every other call that it billed has a row that counts at its maximum.
    unanswered = [
        *by_status["intent"],
        *(call for call in by_status["failed"] if call.cost_microusd),
    ]
    for row in billed.values():
        found = next(call for call in unanswered if is_request(call, row))
        assert bill(tilts, model_of(row), row) <= found.max_microusd
        unanswered.remove(found)

    # All that is owed is on the ledger, and what is on top has a name.
    owed = sum(bill(tilts, model_of(row), row) for row in account["rows"])
    counted = sum(
        call.max_microusd if call.status == "intent" else call.cost_microusd
        for call in calls
    )
    assert counted >= owed
    assert sum(
        tilts.store.money(one).spent_microusd for one in killing.evaluations
    ) == (counted)
    assert len(by_status["failed"]) <= killing.lost
    assert len(by_status["intent"]) == killing.orphans <= killing.held
    assert tilts.store.month_total("tests", month_of(tilts, killing)) == counted


def month_of(tilts: Tilts, killing: Killing) -> str:
    return tilts.evaluations.get(killing.evaluations[0]).created_at[:7]


def check_episode(tilts: Tilts, episode: Episode) -> None:
    """One end, one result, one transcript, and every paid answer used once."""
    assert episode.owner is None
    if episode.status == "failed":
        check_given_up(tilts, episode)
        return
    assert episode.status == "finished"
    events = list(tilts.store.events(episode.id, 0, 10_000))
    assert [event.n for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events].count("ended") == 1
    transcript = tilts.store.transcript(episode.id)
    assert transcript == write_transcript(events)
    results = [
        result
        for result in tilts.store.results(episode.evaluation, 1_000, None).items
        if result.episode == episode.id
    ]
    assert len(results) == 1
    assert results[0].log_hash == hash_log(transcript) == sha256(transcript).hexdigest()
    assert results[0].scores == events[-1].body["scores"]
    named = [event.body["call"] for event in events if event.body.get("call")]
    settled = [
        call.id for call in tilts.store.calls(episode.id) if call.status == "settled"
    ]
    # Nothing was paid for twice: each settled call is the answer of one event.
    assert sorted(named) == sorted(settled)
    assert len(named) == len(set(named))


def check_given_up(tilts: Tilts, episode: Episode) -> None:
    """Killed again and again before it committed anything: nobody's loss, no result."""
    assert episode.end == "infra"
    assert "in a row committed nothing" in str(episode.note)
    results = tilts.store.results(episode.evaluation, 1_000, None).items
    assert episode.id not in {result.episode for result in results}
    events = tilts.store.events(episode.id, 0, 10_000)
    named = {event.body["call"] for event in events if event.body.get("call")}
    calls = tilts.store.calls(episode.id)
    settled = {call.id for call in calls if call.status == "settled"}
    # The last answer may not have been taken up.
    assert named <= settled
    assert len(settled - named) <= 1


def run_kills(tmp_path: Path, kills: int, plan: Plan) -> tuple[Killing, str]:
    """Kill, let it end, check everything; also the figures in a line."""
    (tmp_path / "suites").mkdir()
    name = f"{plan.manifest['id']}.json"
    (tmp_path / "suites" / name).write_text(json.dumps(plan.manifest), "utf-8")
    path = tmp_path / "kills.db"
    began = time.monotonic()
    with model_server_process(*NAMES, "--latency", "0.1") as server:
        tilts = wire(path, server)
        with workers_on(path, server) as workers:
            killing = kill_until(tilts, server, workers, kills, plan)
        episodes = episodes_of(tilts, killing)
        for episode in episodes:
            check_episode(tilts, episode)
        check_ledger(tilts, server, episodes, killing)
        calls = server.account()["totals"]["calls"]
        given_up = sum(episode.status == "failed" for episode in episodes)
        tilts.close()
        with closing(tilts.store.database):  # type: ignore[attr-defined]  # SqliteStore has one
            pass
    shown = (
        f"{killing.kills} kills in {len(killing.evaluations)} evaluations of "
        f"{len(episodes)} episodes in all: {calls} calls billed, {killing.orphans} "
        f"orphans, {killing.lost} replies lost, {given_up} episodes given up; "
        f"{time.monotonic() - began:.0f} s"
    )
    return killing, shown


def test_twenty_kills_leave_a_ledger_that_agrees_with_the_servers_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, shown = run_kills(tmp_path, 20, MANY)
    with capsys.disabled():
        print(f"\n{shown}")  # noqa: T201 - a figure for whoever runs it


@pytest.mark.verify
@pytest.mark.parametrize("is_one_at_a_time", [False, True])
def test_two_hundred_kills_leave_a_ledger_that_agrees_with_the_servers_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], is_one_at_a_time: bool
) -> None:
    plan = plan_one_at_a_time() if is_one_at_a_time else MANY
    killing, shown = run_kills(tmp_path, 200, plan)
    with capsys.disabled():
        print(f"\n{shown}")  # noqa: T201 - a figure for whoever runs it
    if is_one_at_a_time:
        assert killing.orphans <= killing.kills + killing.lost
