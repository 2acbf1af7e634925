"""What each scenario of the model server comes to, and a game in which it is met."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeVar

import pytest

from chalicelib.events import Event
from chalicelib.models.catalogue import ModelRow, Price
from chalicelib.players.model_player import ModelPlayer
from chalicelib.players.player import Player
from chalicelib.records import Call, Episode, Evaluation
from chalicelib.services.offers import Offers, Service
from chalicelib.services.plans import make_episode
from chalicelib.services.players import Players
from tests.modelserver.child import ModelServerHandle
from tests.modelserver.scenarios import SCENARIOS
from tests.modelserver.wire import Stamp, snapshot
from tests.services.breaking import make_worker
from tests.timers import LeapingTimer
from tests.world import START, World

T = TypeVar("T")
Json = dict[str, Any]
APIS = {"openai": "responses", "anthropic": "messages", "compatible": "chat"}
PATIENT, HURRIED = "tilts-strong", "tilts-strong-2026-10-01"
"""Two names of one mind; the second is given no time to try again."""
HURRIED_SECONDS = 0.5
PRICE = Price(0, Fraction(3), Fraction(3, 10), Fraction(15, 4), Fraction(15))
PRICE_VERSION = "tests@2026-11-18"
OUTPUT_TOKENS = 4_000
BUDGET = 100_000_000
EVALUATION = "ev_play"
MET = 2
"""Which call of the game meets the scenario."""

Cost = Literal["nothing", "usage", "most", "more"]


@dataclass(frozen=True)
class Form:
    """What a scenario comes to.

    `event` is what the log gets for the step that met it: "moved", an attempt's
    failure, or None where the call gave no answer; `cost` what the ledger row counts.
    Without an answer, another try is made for the same event (`again`), or the
    evaluation waits for its owner (`paused`), the episode for the provider (`waits`),
    or it ends as a failure that is not the player's. `end` is how the game ends where it goes on.
    """

    event: str | None
    cost: Cost
    again: bool = False
    paused: bool = False
    waits: bool = False
    end: str = "won"

    @property
    def is_lost(self) -> bool:
        """Whether the episode goes no further."""
        return self.event is None and not self.again


MOVES = Form("moved", "usage")
MOVES_AT_MOST = Form("moved", "most")
INVALID = Form("invalid", "usage")
ILLEGAL = Form("illegal", "usage")
TRUNCATED = Form("truncated", "usage")
REFUSED = Form("refused", "usage")
EMPTY = Form("empty", "usage")
AGAIN_FREE = Form(None, "nothing", again=True)
AGAIN_AT_MOST = Form(None, "most", again=True)
LOST_FREE = Form(None, "nothing")
PAUSED = Form(None, "nothing", paused=True)
WAITS = Form(None, "nothing", waits=True)
LOST_AT_MOST = Form(None, "most")

FORMS: dict[str, Form | dict[str, Form]] = {
    "429": AGAIN_FREE,
    "429-after-1": AGAIN_FREE,
    "429-after-119": WAITS,  # longer than the call may take
    "429-after-3600": WAITS,
    "429-after-4294967": WAITS,
    "429-after-date": AGAIN_FREE,
    "insufficient-quota": PAUSED,
    "400": LOST_FREE,
    "401": PAUSED,
    "403": PAUSED,
    "404": PAUSED,
    "408": AGAIN_AT_MOST,
    "409": AGAIN_FREE,
    "413": LOST_FREE,
    "422": LOST_FREE,
    "500": AGAIN_AT_MOST,
    "503": AGAIN_FREE,
    "529": AGAIN_FREE,
    "500-no-retry": AGAIN_AT_MOST,
    "400-retry": LOST_FREE,
    "reset-before": AGAIN_AT_MOST,
    "reset-mid": AGAIN_AT_MOST,
    "early-close": AGAIN_AT_MOST,
    "never-answers": LOST_AT_MOST,  # it takes all the time there is
    "slow-trickle": LOST_AT_MOST,
    "truncated-json": AGAIN_AT_MOST,
    "empty-200": AGAIN_AT_MOST,
    "html-200": AGAIN_AT_MOST,
    "list-200": AGAIN_AT_MOST,
    "wrong-types": INVALID,
    "broken-arguments": INVALID,
    "unknown-tool": INVALID,
    "two-calls": INVALID,
    "text-only": INVALID,
    "truncated": TRUNCATED,
    "only-reasoning": TRUNCATED,
    "refusal": REFUSED,
    "incomplete": {
        "openai": REFUSED,
        "anthropic": TRUNCATED,
        "compatible": REFUSED,
    },
    "failed": AGAIN_AT_MOST,
    "output-null": EMPTY,
    "no-usage": MOVES_AT_MOST,
    "no-choices": EMPTY,
    "future-enum": MOVES,
    "unknown-block": {"openai": MOVES, "anthropic": MOVES, "compatible": INVALID},
    "hostile-text": MOVES,
    # More tokens than were allowed: billed all the same, and more than an episode has.
    "huge-output": {
        "openai": Form("moved", "more", end="forfeited"),
        "anthropic": Form("moved", "more", end="forfeited"),
        "compatible": LOST_AT_MOST,
    },
    "redirect": LOST_FREE,
    "late-reply": MOVES,
    "lost-reply": AGAIN_AT_MOST,
    "illegal-move": ILLEGAL,
    "empty-arguments": INVALID,
    "lone-surrogate": MOVES,
}
PAIRS = [
    (name, provider)
    for name, scenario in SCENARIOS.items()
    for provider, api in APIS.items()
    if api in scenario.apis
]


def form_of(name: str, provider: str) -> Form:
    form = FORMS[name]
    return form if isinstance(form, Form) else form[provider]


class Ordering:
    """A `perform` that orders a scenario from the second call of the game on."""

    def __init__(
        self, server: ModelServerHandle, scenario: str | None, count: int = 1
    ) -> None:
        self._server = server
        self._scenario = scenario
        self._count = count
        self._calls = 0

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        if call.__name__ == "intend":
            self._calls += 1
            if self._calls == MET and self._scenario is not None:
                self._server.order(self._scenario, self._count)
        return call(*args)


def make_row(provider: str, name: str, call_seconds: float) -> ModelRow:
    return ModelRow(
        id=f"{provider}~{name}",
        context=None,
        output_limit=OUTPUT_TOKENS,
        efforts=(),
        default_effort=None,
        forced=True,
        prices=(PRICE,),
        price_version=PRICE_VERSION,
        source=None,
        as_of=None,
        shutdown=None,
        reason=None,
        call_seconds=call_seconds,
    )


class Table:
    """A world in which models play, and what came of it."""

    def __init__(
        self, world: World, server: ModelServerHandle, runner: asyncio.Runner
    ) -> None:
        self.world = world
        self.server = server
        self.timer = LeapingTimer(START)
        self._runner = runner
        self._asked: dict[str, ModelPlayer] = {}
        services = {
            "openai": Service(server.key, server.openai_url),
            "anthropic": Service(server.key, server.origin),
            "compatible": Service(server.key, server.openai_url),
        }
        rows = [
            make_row(provider, name, seconds)
            for provider in APIS
            for name, seconds in ((PATIENT, 120.0), (HURRIED, HURRIED_SECONDS))
        ]
        offers = Offers(world.clock, services, "", rows)
        self.players = Players(self.timer, offers, lambda provider, limit: None, True)

    def play(
        self,
        provider: str,
        scenario: str | None,
        name: str = PATIENT,
        game: str = "MS-I",
        variant: str = "6x6-noguess",
        count: int = 1,
    ) -> Episode:
        """Play one episode to its end; the episode as it then is."""
        player = self.players.find(f"{provider}~{name}")
        assert isinstance(player, ModelPlayer)
        self._asked[provider] = player
        episode = self._begin(player, game, variant)
        return self.play_on(episode, Ordering(self.server, scenario, count))

    def play_on(self, episode: Episode, ordering: Ordering | None = None) -> Episode:
        """Play an episode under another claim; the episode as it then is."""
        ordering = ordering or Ordering(self.server, None, 0)
        worker = make_worker(self.world, ordering, players=self.players)
        self._runner.run(worker.play([episode.id], self.world.clock.now() + 900))
        return self.world.store.episode(episode.id)

    def _begin(self, player: Player, game: str, variant: str) -> Episode:
        world = self.world
        evaluation = Evaluation(
            id=EVALUATION,
            name="",
            tags=(),
            suite="tiny-1",
            entries=(player.id,),
            repeats=1,
            visibility="public",
            team="tests",
            budget_microusd=BUDGET,
            status="queued",
            created_at="2026-11-18T00:00:00.000Z",
            pinned={},
        )
        world.store.create_evaluation(evaluation, None, "", BUDGET)
        task = next(
            task
            for task in world.suites.suite("tiny-1").tasks
            if (task.game, task.variant) == (game, variant)
        )
        episode = make_episode(evaluation, player.id, task, 0, world.clock.now())
        world.store.create_episodes([episode])
        return episode

    def events(self, episode: Episode) -> list[Event]:
        return list(self.world.store.events(episode.id, 0, 10_000))

    def calls(self, episode: Episode) -> list[Call]:
        return list(self.world.store.calls(episode.id))

    def close(self) -> None:
        for player in self._asked.values():
            self._runner.run(player.model().aclose())


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def table(
    world: World, model_server: ModelServerHandle, runner: asyncio.Runner
) -> Iterator[Table]:
    made = Table(world, model_server, runner)
    yield made
    made.close()


def names_of(event: Event) -> str:
    """An attempt's failure, or the event's type."""
    return str(event.body["failure"] if event.type == "attempted" else event.type)


def exact_microusd(row: Json) -> int:
    """What a row of the server's account costs at our price, half up."""
    fresh = row["input"] - row["cached"] - row["cache_write"]
    exact = (
        fresh * PRICE.input
        + row["cached"] * PRICE.cached
        + row["cache_write"] * PRICE.cache_write
        + row["output"] * PRICE.output
    )
    return int(exact + Fraction(1, 2))


def request_of(row: Json) -> str:
    """The provider's name of a request that the server's account has."""
    return Stamp(row["n"], row["request_sha256"]).id("req_")


def check_row(call: Call, form: Form) -> None:
    """The ledger row of the call that met the scenario."""
    assert call.body["request"]["price_version"] == PRICE_VERSION
    assert call.status == ("settled" if form.event else "failed")
    if form.cost == "nothing":
        assert call.cost_microusd == 0
    elif form.cost == "most":
        assert call.cost_microusd == call.max_microusd
    else:
        assert call.cost_microusd > 0
        assert (call.cost_microusd > call.max_microusd) == (form.cost == "more")
    assert bool(call.tokens) == (form.cost in ("usage", "more"))
    if form.event:
        assert call.body["reply"]["model"] == snapshot(PATIENT)
        assert call.provider_request
    else:
        assert call.body["reply"]["error"]


def check_stopped(table: Table, episode: Episode, form: Form) -> None:
    """An episode that goes no further: for good, or until the owner has seen to it."""
    evaluation = table.world.store.evaluation(EVALUATION)
    if form.paused:
        state = (episode.status, episode.owner, episode.due_at)
        assert state == ("playing", None, None)
        assert evaluation.status == "paused"
        assert evaluation.note
        return
    if form.waits:
        assert (episode.status, episode.owner, episode.barren) == ("playing", None, 1)
        assert episode.due_at is not None
        assert evaluation.status == "running"
        return
    assert (episode.status, episode.end) == ("failed", "infra")
    assert episode.note
    assert (evaluation.status, evaluation.end) == ("finished", "complete")


def check_ledger(calls: list[Call], account: Json) -> None:
    """The ledger against the server's own account, call by call."""
    billed = {request_of(row): row for row in account["rows"]}
    settled = [call for call in calls if call.status == "settled"]
    for call in settled:
        row = billed.pop(str(call.provider_request))
        if not call.tokens:
            continue
        assert call.tokens == {
            "in": row["input"],
            "cached": row["cached"],
            "cache_write": row["cache_write"],
            "out": row["output"],
            "reasoning": row["reasoning"],
        }
        assert call.cost_microusd == exact_microusd(row)
    # What else the server bills for stands on the ledger at its maximum.
    at_most = [call for call in calls if call.status == "failed" and call.cost_microusd]
    assert len(billed) <= len(at_most)
    # A server that gives more than it was allowed to may bill beyond the maximum.
    bounded = [row for row in account["rows"] if row["output"] <= OUTPUT_TOKENS]
    owed = sum(map(exact_microusd, bounded))
    assert sum(call.cost_microusd for call in calls) >= owed
    assert account["totals"]["requests"] == len(calls)


def check_clean(value: Any) -> None:
    """No text anywhere holds what a terminal, a page or a store could choke on."""
    text = json.dumps(value, ensure_ascii=False)
    text.encode()
    for mark in ("\\u0000", "\\u001b", "\x7f"):
        assert mark not in text
