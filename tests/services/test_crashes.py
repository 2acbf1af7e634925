"""A worker may die or freeze at any io point: what is left is as if it had not.

A kill falls before or after the k-th io point, for every k there is; then time goes
by, the sweeper sweeps and another worker plays on. The `Witness` checks at every io
point that committed events stay as they are, that nothing is told too early, that
calls have intents and that an episode is closed once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest

from chalicelib.errors import ConflictError, StepError
from chalicelib.games.chance import Chance
from chalicelib.interfaces import Queue, Store
from chalicelib.models.catalogue import ModelRow, cost_microusd
from chalicelib.models.model import Answer, CallError, ModelRequest, Tokens
from chalicelib.players.gates import Gate
from chalicelib.players.model_player import ModelPlayer
from chalicelib.players.player import Player
from chalicelib.records import VISITS, Episode, Money, NewEvaluation
from chalicelib.services import messages
from chalicelib.services.accounts import counted
from chalicelib.services.budgets import episode_caps
from chalicelib.services.episodes import LEASE_SECONDS
from chalicelib.services.evaluations import Evaluations
from chalicelib.services.perform import perform_directly
from chalicelib.services.plans import Plans
from chalicelib.services.players import Players
from chalicelib.services.quotes import Quotes
from chalicelib.services.visits import VISIT_SECONDS, Visits
from tests.services import breaking
from tests.services.breaking import (
    Ending,
    Freezing,
    Killed,
    Watched,
    Witness,
    begin,
    ending_of,
    fresh_world,
    go_on,
    make_worker,
    play_messages_once,
    sweep,
)
from tests.world import TestClock, World

Json = dict[str, Any]
Plan = tuple[tuple[str, str], ...]

PLANS: dict[str, Plan] = {
    "a scripted Minesweeper episode": (("baseline~safest~1", "MS-I"),),
    "a scripted Mastermind episode": (("baseline~entropy~1", "MM-I"),),
    "a Minesweeper episode with calls": (("mock~random~1", "MS-I"),),
    "a Mastermind episode with calls": (("mock~random~1", "MM-I"),),
    "an episode of failing attempts": (("mock~stumbling~1", "MS-I"),),
    "a forfeit": (("mock~illegal~1", "MM-I"),),
    "several episodes at once": (
        ("baseline~safest~1", "MS-I"),
        ("mock~random~1", "MM-I"),
        ("mock~invalid~1", "MS-I"),
    ),
}
SIDES = ("before", "after")


def check_endings(world: World, witness: Witness, plan: Plan) -> None:
    """Everything is over once, and equal to what an unbroken run leaves."""
    episodes = breaking.open_and_closed(world)
    endings = {episode.id: ending_of(world, episode.id) for episode in episodes}
    assert endings == unbroken(plan)[1]
    assert len(breaking.results_of(world)) == len(episodes)
    for episode in episodes:
        assert witness.closed[episode.id] == [(episode.status, episode.end)]
    evaluation = world.store.evaluation(breaking.EVALUATION)
    sweep(world, Watched(witness))
    evaluation = world.store.evaluation(breaking.EVALUATION)
    assert (evaluation.status, evaluation.end) == ("finished", "complete")


@cache
def unbroken(plan: Plan) -> tuple[int, dict[str, Ending]]:
    """How many io points a run without a kill has, and what it leaves."""
    with TemporaryDirectory() as folder, fresh_world(Path(folder) / "w") as world:
        episodes = begin(world, list(plan))
        perform = Watched(Witness(world))
        play_messages_once(world, perform)
        return perform.count, {e.id: ending_of(world, e.id) for e in episodes}


def run_with_kills(path: Path, plan: Plan, kills: list[tuple[int, str]]) -> None:
    """Kill successive workers, each at its io point; then let others finish."""
    with fresh_world(path) as world:
        begin(world, list(plan))
        witness = Witness(world)
        killed = 0
        for kill_at, side in kills:
            perform = Watched(witness, kill_at, side)
            play_messages_once(world, perform)
            killed += perform.is_dead
            world.clock.turn(LEASE_SECONDS + 1)
            sweep(world, Watched(witness))
        go_on(world, witness)
        check_endings(world, witness, plan)
        for episode in breaking.open_and_closed(world):
            assert breaking.count_wasted(world, episode.id) <= killed


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", PLANS)
def test_a_kill_at_any_io_point_leaves_what_an_unbroken_run_leaves(
    tmp_path: Path, name: str, side: str
) -> None:
    points, _ = unbroken(PLANS[name])
    assert points > 12
    for kill_at in range(1, points + 1):
        run_with_kills(tmp_path / "world", PLANS[name], [(kill_at, side)])


def sample_pairs(plan: Plan, count: int) -> list[list[tuple[int, str]]]:
    chance = Chance("pairs of kills", str(plan))
    points, _ = unbroken(plan)
    return [
        [(1 + chance.below(points), chance.choice(SIDES)) for _ in range(2)]
        for _ in range(count)
    ]


@pytest.mark.parametrize("name", PLANS)
def test_two_kills_leave_what_an_unbroken_run_leaves(tmp_path: Path, name: str) -> None:
    for kills in sample_pairs(PLANS[name], 12):
        run_with_kills(tmp_path / "world", PLANS[name], kills)


@pytest.mark.verify
@pytest.mark.parametrize("name", PLANS)
def test_thousands_of_pairs_of_kills_leave_what_an_unbroken_run_leaves(
    tmp_path: Path, name: str
) -> None:
    for kills in sample_pairs(PLANS[name], 1_000):
        run_with_kills(tmp_path / "world", PLANS[name], kills)


@pytest.mark.parametrize("side", SIDES)
def test_a_kill_of_the_sweeper_at_any_io_point_loses_nothing(
    tmp_path: Path, side: str
) -> None:
    plan = PLANS["several episodes at once"]
    for kill_at in range(1, 100):
        with fresh_world(tmp_path / "world") as world:
            begin(world, list(plan))
            world.queue.receive(messages.PLAY, 100, 900)  # and the worker is gone
            witness = Witness(world)
            world.clock.turn(LEASE_SECONDS + 1)
            perform = Watched(witness, kill_at, side)
            survived = sweep(world, perform)
            go_on(world, witness)
            check_endings(world, witness, plan)
        if survived:
            assert kill_at > 20
            return
    pytest.fail("the sweeper never came to an end")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", PLANS)
def test_a_worker_frozen_beyond_its_lease_doubles_nothing_when_it_wakes(
    tmp_path: Path, name: str, side: str
) -> None:
    points, _ = unbroken(PLANS[name])
    for freeze_at in range(1, points + 1):
        for is_late in (False, True):
            run_with_freeze(tmp_path, PLANS[name], freeze_at, side, is_late)


def run_with_freeze(
    tmp_path: Path, plan: Plan, freeze_at: int, side: str, is_late: bool
) -> None:
    """Freeze a worker; another takes over. The first wakes meanwhile, or later."""
    with fresh_world(tmp_path / "world") as world:
        ids = [episode.id for episode in begin(world, list(plan))]
        witness = Witness(world)

        async def run() -> None:
            frozen = Freezing(witness, freeze_at, side)
            second = Freezing(witness, 0, "")
            stop_at = world.clock.now() + 1e6
            first = asyncio.create_task(make_worker(world, frozen).play(ids, stop_at))
            await frozen.frozen.wait()
            world.clock.turn(LEASE_SECONDS + 1)
            other = asyncio.create_task(make_worker(world, second).play(ids, stop_at))
            if is_late:
                await other
            frozen.thawed.set()
            await asyncio.gather(first, other)

        asyncio.run(run())
        go_on(world, witness)
        check_endings(world, witness, plan)
        for episode in ids:
            assert breaking.count_wasted(world, episode) <= 2


class Fuse:
    """Burns down by one at each side of each call; then the process is dead."""

    def __init__(self, length: int) -> None:
        self.left = length

    def burn(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


class Dying:
    """A store or a queue that hands every call on, and dies with its fuse."""

    def __init__(self, real: object, fuse: Fuse) -> None:
        self._real = real
        self._fuse = fuse

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._real, name)

        def dying_call(*args: Any) -> Any:
            self._fuse.burn()
            result = call(*args)
            self._fuse.burn()
            return result

        return dying_call


def dying_evaluations(world: World, fuse: Fuse) -> Evaluations:
    plans = Plans(world.tilts.players)
    return Evaluations(
        cast(Store, Dying(world.store, fuse)),
        cast(Queue, Dying(world.queue, fuse)),
        world.clock,
        world.ids,
        world.suites,
        plans,
        Quotes(world.store, plans),
        0,
    )


def expand_once(world: World, evaluations: Evaluations) -> bool:
    """Handle what the expand queue holds; whether the worker survived it."""
    for message in world.queue.receive(messages.EXPAND, 100, 900):
        try:
            evaluations.tend(message.body["expand"], message.body["start"])
        except Killed:
            return False
        world.queue.delete([message])
    return True


def test_a_kill_anywhere_in_the_expansion_leaves_every_episode_once(
    tmp_path: Path,
) -> None:
    wanted = NewEvaluation("tiny-1", ("baseline~random~1",), repeats=70)
    for length in range(100):
        with fresh_world(tmp_path / "world") as world:
            evaluation = world.tilts.evaluations.create(wanted, "tests", None)
            dying = dying_evaluations(world, Fuse(length))
            survived = expand_once(world, dying) and expand_once(world, dying)
            world.clock.turn(1_000)
            sweep(world, perform_directly)
            while world.expand():
                pass
            check_expansion(world, evaluation.id)
        if survived:
            assert length > 10
            return
    pytest.fail("the expansion never came to an end")


def check_expansion(world: World, evaluation_id: str) -> None:
    evaluation = world.store.evaluation(evaluation_id)
    assert evaluation.status == "queued"
    planned = {
        (entry, task.id, repeat)
        for entry, task, repeat in Plans(world.tilts.players).episodes(
            world.suites.suite("tiny-1"), evaluation
        )
    }
    there = breaking.open_and_closed(world)
    assert len(planned) == len(there) == 560
    assert {(e.entry, e.task, e.repeat) for e in there} == planned
    asked = {
        episode
        for message in world.queue.receive(messages.PLAY, 1_000, 900)
        for episode in message.body["play"]
    }
    assert asked == {episode.id for episode in there}


def test_a_kill_while_an_evaluation_is_created_leaves_none_or_one_that_goes_on(
    tmp_path: Path,
) -> None:
    wanted = NewEvaluation("tiny-1", ("mock~random~1",))
    for length in range(20):
        with fresh_world(tmp_path / "world") as world:
            survived = True
            try:
                dying_evaluations(world, Fuse(length)).create(wanted, "tests", "key")
            except Killed:
                survived = False
            world.clock.turn(61)
            again = world.tilts.evaluations.create(wanted, "tests", "key")
            world.tilts.sweep()
            world.work()
            world.tilts.sweep()
            (only,) = world.store.evaluations({}, 10, None).items
            assert only.id == again.id
            assert (only.status, only.end) == ("finished", "complete")
            assert len(breaking.results_of(world, only.id)) == 8
        if survived:
            assert length >= 4
            return
    pytest.fail("the creation never came to an end")


def dying_visits(world: World, fuse: Fuse) -> Visits:
    return Visits(
        cast(Store, Dying(world.store, fuse)),
        cast(Queue, Dying(world.queue, fuse)),
        world.clock,
        world.ids,
        world.suites,
    )


def first_move(world: World, episode: Episode) -> Any:
    transcript = world.tilts.visits.read(episode)
    return transcript.game.write(transcript.game.legal_moves(transcript.state)[0])


def visit(world: World, visits: Visits, game: str) -> tuple[str, int]:
    """Play a visit with the first legal move each time, as a client that asks again.

    The episode's id, and how often the server died.
    """
    calm = world.tilts.visits
    started = calm.start(breaking.task_of(world, game).id, "bot", "127.0.0.1")
    step, kills = 1, 0
    while not world.store.episode(started["id"]).is_over:
        episode = world.store.episode(started["id"])
        move = {} if calm.read(episode).is_decided else first_move(world, episode)
        try:
            step = visits.move(episode.id, step, move, started["token"])["step"]
        except Killed:
            kills, visits = kills + 1, calm
        except StepError as error:
            step = error.details["step"]
        except ConflictError:
            assert world.store.episode(episode.id).is_over
    return started["id"], kills


@pytest.mark.parametrize("game", ["MS-I", "MM-I"])
def test_a_kill_anywhere_in_a_visitors_moves_changes_nothing(
    tmp_path: Path, game: str
) -> None:
    with fresh_world(tmp_path / "calm") as world:
        calm = ending_of(world, visit(world, world.tilts.visits, game)[0])
    for length in range(1_000):
        with fresh_world(tmp_path / "world") as world:
            episode, kills = visit(world, dying_visits(world, Fuse(length)), game)
            assert ending_of(world, episode) == calm
            assert len(breaking.results_of(world, VISITS)) == 1
        if not kills:
            assert length > 20
            return
    pytest.fail("the visit never came to an end")


def test_a_kill_anywhere_in_the_start_of_a_visit_leaves_nothing_open_for_ever(
    tmp_path: Path,
) -> None:
    for length in range(30):
        with fresh_world(tmp_path / "world") as world:
            task = breaking.task_of(world, "MM-I").id
            survived = True
            try:
                dying_visits(world, Fuse(length)).start(task, "human", "somewhere")
            except Killed:
                survived = False
            second = world.tilts.visits.start(task, "human", "somewhere")
            assert second["step"] == 1
            world.clock.turn(VISIT_SECONDS + 1)
            world.tilts.sweep()
            assert all(e.is_over for e in breaking.open_and_closed(world))
            assert len(breaking.results_of(world, VISITS)) <= 2
        if survived:
            assert length >= 10
            return
    pytest.fail("the start never came to an end")


# Paid calls.


class SoonTimer:
    """A timer whose sleepers wake at once, as much later as they wanted to."""

    def __init__(self, clock: TestClock) -> None:
        self._clock = clock
        self._slept = 0.0

    def now(self) -> float:
        return self._clock.now() + self._slept

    async def sleep(self, seconds: float) -> None:
        self._slept += seconds
        await asyncio.sleep(0)


FATES = ("move", "move", "busy", "lost", "empty", "untold", "nonsense", "move")
"""What becomes of a question; the digest of its text chooses."""


class Till:
    """A `Model` whose answers follow from what it is asked, and that keeps its bills.

    What is asked for the first time may fail; asked again it is answered. Every call
    must have an intent of its own, and none is made for an event that is paid for.
    """

    def __init__(self, store: Store, row: ModelRow) -> None:
        self._store = store
        self._row = row
        self._failed: set[bytes] = set()
        self.bills: dict[tuple[str, str], int] = {}

    async def answer(self, request: ModelRequest, seconds: float) -> Answer:
        assert seconds > 0
        name = self._check_intent(request.conversation)
        text = f"{request.conversation}|{request.prompt}|{len(request.history)}"
        digest = sha256(text.encode()).digest()
        fate = FATES[digest[0] % len(FATES)]
        if fate in ("busy", "lost") and digest not in self._failed:
            self._failed.add(digest)
            if fate == "busy":
                raise CallError("Too many.", "rate-limit", True, False, 2.0, 429)
            self.bills[name] = 7
            raise CallError("No answer.", "timeout", True, True)
        tokens = Tokens(1_000 + digest[1], 200, 100, 50 + digest[2], 20)
        self.bills[name] = cost_microusd(self._row, tokens)
        known = None if fate == "untold" else tokens
        items = ({"type": "text", "text": digest.hex()},)
        if fate == "empty":
            return Answer(None, "...", "empty", "Call the tool.", known, items=items)
        if fate == "nonsense":
            return Answer({"nonsense": 1}, None, tokens=known, items=items)
        return Answer(guess_for(request, digest), "So.", tokens=known, items=items)

    async def check(self, model: str, seconds: float) -> None:
        """It is there."""

    async def aclose(self) -> None:
        """There is nothing to give back."""

    def _check_intent(self, episode: str) -> tuple[str, str]:
        """The ledger's row for the call that is made now."""
        rows = self._store.calls(episode)
        row = rows[-1]
        assert row.status == "intent"
        assert (episode, row.id) not in self.bills
        n = len(self._store.events(episode, 0, 1_000)) + 1
        assert row.id.startswith(f"{n}.")
        assert not [
            other.id
            for other in rows
            if other.status == "settled" and other.id.startswith(f"{n}.")
        ], "it was paid for"
        return episode, row.id


def guess_for(request: ModelRequest, digest: bytes) -> Json:
    """Some guess, of as many pegs as the tool wants."""
    guess = request.tool.parameters["properties"]["guess"]
    pegs = int(guess["description"].split()[1])
    colours = guess["items"]["enum"]
    picked = [colours[byte % len(colours)] for byte in digest[3 : 3 + pegs]]
    return {"reasoning": "", "guess": picked, "claims": None}


class TillPlayers(Players):
    """Players whose models are a till."""

    def __init__(self, world: World) -> None:
        super().__init__(world.clock, world.tilts.offers, lambda *_: None, False)
        self._timer = SoonTimer(world.clock)
        self._till_gate = Gate(self._timer)
        row = cast(ModelPlayer, super().find(PAID)).row
        self.till = Till(world.store, row)

    def find(self, player_id: str) -> Player:
        found = super().find(player_id)
        assert isinstance(found, ModelPlayer)
        return replace(
            found, model=lambda: self.till, gate=self._till_gate, timer=self._timer
        )


PAID = "openai~gpt-6.1-sol~low"
RICH = 10**9


def begin_paid(world: World, players: Players, budget: int = RICH) -> list[Episode]:
    entry = players.find(PAID).id
    return begin(world, [(entry, "MM-I"), (entry, "MM-I")], budget)


def played(world: World, episode: Episode) -> list[Any]:
    """The log without its calls and sums, which a kill may change."""
    assert ending_of(world, episode.id).status == "finished"
    events = world.store.events(episode.id, 0, 1_000)
    return [
        {k: v for k, v in e.to_json().items() if k not in ("call", "scores")}
        for e in events
    ]


@cache
def unbroken_paid() -> tuple[int, list[Any]]:
    """How many io points a paid run without a kill has, and what it leaves."""
    with TemporaryDirectory() as folder, fresh_world(Path(folder) / "w") as world:
        players = TillPlayers(world)
        episodes = begin_paid(world, players)
        perform = Watched(Witness(world))
        play_messages_once(world, perform, players)
        check_money(world, players.till, 0)
        check_month(world)
        return perform.count, [played(world, episode) for episode in episodes]


def check_money(world: World, till: Till, kills: int) -> None:
    """Every bill has a row that covers it, and what is settled adds up."""
    episodes = breaking.open_and_closed(world)
    rows = {(e.id, row.id): row for e in episodes for row in world.store.calls(e.id)}
    for name, bill in till.bills.items():
        assert counted(rows[name]) >= bill
    for episode in episodes:
        events = world.store.events(episode.id, 0, 1_000)
        named = [e.body["call"] for e in events if e.body.get("call")]
        own = [row for (name, _), row in rows.items() if name == episode.id]
        assert named == [row.id for row in own if row.status == "settled"]
        assert sum(row.status == "intent" for row in own) <= kills
        scores = ending_of(world, episode.id).result.scores
        assert scores["cost_microusd"] == sum(map(counted, own))
    spent = sum(map(counted, rows.values()))
    assert world.store.money(breaking.EVALUATION) == Money(0, spent)
    evaluation = world.store.evaluation(breaking.EVALUATION)
    assert (evaluation.status, evaluation.end) == ("finished", "complete")


def check_month(world: World) -> None:
    """What was not spent has been given back."""
    spent = world.store.money(breaking.EVALUATION).spent_microusd
    assert world.store.month_total("tests", "2026-11") == spent


def test_a_model_is_asked_refused_and_paid_in_every_way_a_till_knows() -> None:
    points, logs = unbroken_paid()
    assert points > 30
    kinds = [event["type"] for log in logs for event in log]
    assert {"moved", "attempted"} <= set(kinds)


@pytest.mark.parametrize("side", SIDES)
def test_a_kill_at_any_io_point_pays_nothing_twice_and_settles_all(
    tmp_path: Path, side: str
) -> None:
    points, logs = unbroken_paid()
    for kill_at in range(1, points + 1):
        run_paid_with_kills(tmp_path / "world", [(kill_at, side)], logs)


def test_two_kills_pay_nothing_twice_and_settle_all(tmp_path: Path) -> None:
    points, logs = unbroken_paid()
    chance = Chance("paid kills")
    for _ in range(20):
        kills = [(1 + chance.below(points), chance.choice(SIDES)) for _ in range(2)]
        run_paid_with_kills(tmp_path / "world", kills, logs)


@pytest.mark.parametrize("side", SIDES)
def test_a_kill_in_the_last_moment_keeps_nothing_of_the_month(
    tmp_path: Path, side: str
) -> None:
    points, logs = unbroken_paid()
    for kill_at in range(points - 12, points + 1):
        run_paid_with_kills(tmp_path / "world", [(kill_at, side)], logs, check_month)


def run_paid_with_kills(
    path: Path,
    kills: list[tuple[int, str]],
    logs: list[Any],
    check: Callable[[World], None] = lambda world: None,
) -> None:
    with fresh_world(path) as world:
        players = TillPlayers(world)
        episodes = begin_paid(world, players)
        witness = Witness(world)
        killed = 0
        for kill_at, side in kills:
            perform = Watched(witness, kill_at, side)
            play_messages_once(world, perform, players)
            killed += perform.is_dead
            world.clock.turn(LEASE_SECONDS + 1)
            sweep(world, Watched(witness))
        go_on(world, witness, players=players)
        sweep(world, Watched(witness))
        check_money(world, players.till, killed)
        check(world)
        assert [played(world, episode) for episode in episodes] == logs


def test_a_budget_for_one_episode_at_a_time_is_kept_whatever_is_killed(
    tmp_path: Path,
) -> None:
    points, _ = unbroken_paid()
    ends: set[str | None] = set()
    for kill_at in range(1, points + 1, 4):
        with fresh_world(tmp_path / "world") as world:
            players = TillPlayers(world)
            suite = world.suites.suite("tiny-1")
            cap = episode_caps(players.find(PAID), suite, None).microusd
            assert cap is not None
            budget = cap + 10_000
            episodes = begin_paid(world, players, budget)
            witness = Witness(world)
            play_messages_once(world, Watched(witness, kill_at, "after"), players)
            held = world.store.money(breaking.EVALUATION)
            assert held.held_microusd + held.spent_microusd <= budget
            go_on(world, witness, 30, players)
            money = world.store.money(breaking.EVALUATION)
            assert money.held_microusd == 0
            assert sum(players.till.bills.values()) <= money.spent_microusd <= budget
            states = [world.store.episode(episode.id) for episode in episodes]
            assert "finished" in {state.status for state in states}
            ends |= {state.end for state in states}
    assert "budget" in ends
