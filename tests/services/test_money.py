"""What evaluations of paid models may cost, and that they never cost more.

The real services and SDKs over the local model server; the clock is turned by hand.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import pytest

from chalicelib.errors import BudgetError, ConflictError, RequestError
from chalicelib.models.catalogue import cost_microusd
from chalicelib.models.model import Tokens
from chalicelib.players.model_player import ModelPlayer
from chalicelib.records import (
    SWITCH,
    Call,
    Episode,
    Evaluation,
    NewEvaluation,
    Result,
)
from chalicelib.settings import Settings
from chalicelib.wiring import RandomIds, Tilts
from tests.modelserver.child import ModelServerHandle, free_port, model_server_process
from tests.services.breaking import close_world, make_worker
from tests.world import World

pytest_plugins = ("tests.modelserver.fixture",)

T = TypeVar("T")
Json = dict[str, Any]
STRONG, WEAK = "compatible~tilts-strong", "compatible~tilts-weak"
GPT, CLAUDE = "openai~gpt-6-luna~low", "anthropic~claude-haiku-5-5~low"
PRICES = "tilts-strong=3/0.3/15, tilts-weak=2/0.2/10, tilts-medium=2/0.2/10"
MONTH_CAP = 1_000_000_000
TEAM = "tests"
MONTH = "2026-11"
EPISODE_CAP = 500_000
"""Enough for any small game here, and for one call at its maximum."""


class Bank(World):
    """A world whose models are the local server's."""

    def __init__(self, path: Path, settings: Settings, server: ModelServerHandle):
        super().__init__(path, settings)
        self.server = server

    def submit(self, *players: str, **changes: Any) -> Evaluation:
        values: Json = {
            "suite": "tiny-1",
            "players": players,
            "budget_microusd": 50_000_000,
            "episode_cap_microusd": EPISODE_CAP,
            **changes,
        }
        return self.tilts.evaluations.create(NewEvaluation(**values), TEAM, None)

    def play_out(self, evaluation: Evaluation, rounds: int = 200) -> Evaluation:
        """Work until it is over, letting time pass for those that wait."""
        for _ in range(rounds):
            self.work()
            found = self.store.evaluation(evaluation.id)
            if found.status == "finished":
                return found
            self.clock.turn(6.0)
            self.tilts.sweep()
        raise AssertionError(f"{evaluation.id} never ended")

    def episodes(self, evaluation: Evaluation) -> list[Episode]:
        return list(self.store.episodes(evaluation.id, None, 1_000, None).items)

    def calls(self, evaluation: Evaluation) -> list[Call]:
        return [
            call
            for episode in self.episodes(evaluation)
            for call in self.store.calls(episode.id)
        ]

    def cost(self, evaluation: Evaluation) -> int:
        """The sum of the ledger, an open intent at its maximum."""
        return sum(
            call.max_microusd if call.status == "intent" else call.cost_microusd
            for call in self.calls(evaluation)
        )

    def stop_calls(self, stopped: bool) -> None:
        was = self.store.document(*SWITCH)
        assert self.store.change_document(*SWITCH, was, {"stopped": stopped})

    def close(self) -> None:
        """Give back the connections, the event loop and the file."""
        for player in (WEAK, GPT, CLAUDE):
            found = self.tilts.players.find(player)
            assert isinstance(found, ModelPlayer)
            self.tilts.run(found.model().aclose)
        close_world(self)


def settings_for(server: ModelServerHandle, data: Path, **changes: Any) -> Settings:
    values: Json = {
        "keys": dict.fromkeys(("openai", "anthropic", "compatible"), server.key),
        "base_urls": {
            "openai": server.openai_url,
            "anthropic": server.origin,
            "compatible": server.openai_url,
        },
        "compatible_models": PRICES,
        "allow_local_models": True,
        "month_cap_microusd": MONTH_CAP,
        **changes,
    }
    return Settings(data, **values)


@pytest.fixture
def bank(tmp_path: Path, model_server: ModelServerHandle) -> Iterator[Bank]:
    made = Bank(
        tmp_path / "bank.db", settings_for(model_server, tmp_path), model_server
    )
    yield made
    made.close()


@pytest.fixture
def named_bank(tmp_path: Path) -> Iterator[Bank]:
    """Its server lends itself the name of another provider's model, too."""
    with model_server_process("--name", "gpt-6-luna=tilts-weak") as server:
        made = Bank(tmp_path / "bank.db", settings_for(server, tmp_path), server)
        yield made
        made.close()


class Watching:
    """A `perform` that looks after every io point; a call takes a second."""

    def __init__(self, bank: Bank, look: Callable[[str], object]) -> None:
        self._bank = bank
        self._look = look

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        result = call(*args)
        if call.__name__ == "intend":
            self._bank.clock.turn(1.0)
        self._look(call.__name__)
        return result


def play_watched(bank: Bank, look: Callable[[str], object]) -> None:
    """Play all messages there are under the eyes of `look`."""
    bank.expand()
    worker = make_worker(bank, Watching(bank, look), bank.clock)
    while messages := bank.queue.receive("play", 10, 900):
        ids = [one for message in messages for one in message.body["play"]]
        bank.tilts.run(
            lambda ids=ids: worker.play(ids, bank.clock.now() + 900)  # type: ignore[misc]
        )
        bank.queue.delete(messages)


# -- quotes ---------------------------------------------------------------------


@pytest.mark.parametrize("cap", [None, 1, 5_000, 200_000, 10**9])
@pytest.mark.parametrize("repeats", [1, 3])
def test_a_quote_is_low_then_expected_then_maximum(
    bank: Bank, cap: int | None, repeats: int
) -> None:
    players = [player.id for player in bank.tilts.players.on_offer()]
    assert len(players) > 3
    wanted = NewEvaluation(
        "tiny-1", tuple(players), repeats=repeats, episode_cap_microusd=cap
    )
    quote = bank.tilts.evaluations.quote(wanted)
    for part in (quote, *quote["entries"]):
        low, expected = part["low_microusd"], part["expected_microusd"]
        assert 0 <= low <= expected <= part["maximum_microusd"]
    for entry in quote["entries"]:
        assert entry["basis"] == "estimate"
        assert cap is None or entry["episode_cap_microusd"] <= cap
        most = entry["episodes"] * entry["episode_cap_microusd"]
        assert entry["maximum_microusd"] == most
        assert entry["episodes"] == repeats * len(bank.suites.suite("tiny-1").tasks)


def test_scripted_players_are_free_and_need_no_budget(bank: Bank) -> None:
    quote = bank.tilts.evaluations.quote(
        NewEvaluation("tiny-1", ("baseline~safest~1",))
    )
    assert quote["maximum_microusd"] == 0
    assert quote["entries"][0]["basis"] == "free"
    done = bank.play_out(bank.submit("baseline~safest~1", budget_microusd=0))
    assert bank.store.month_total(TEAM, MONTH) == 0
    assert (done.end, bank.calls(done)) == ("complete", [])


def test_a_paid_model_needs_a_budget_for_one_episode_at_least(bank: Bank) -> None:
    with pytest.raises(RequestError):
        bank.submit(WEAK, budget_microusd=0)
    with pytest.raises(BudgetError):
        bank.submit(WEAK, budget_microusd=EPISODE_CAP - 1)
    assert bank.store.month_total(TEAM, MONTH) == 0
    bank.submit(WEAK, budget_microusd=EPISODE_CAP)
    assert bank.store.month_total(TEAM, MONTH) == EPISODE_CAP


def keep_past(bank: Bank, costs: list[int]) -> str:
    """Past episodes of a player on every variant of tiny-1; the player's id."""
    evaluation = bank.submit(WEAK)
    player = bank.tilts.players.find(WEAK)
    variants = {
        (task.game, task.variant): task for task in bank.suites.suite("tiny-1").tasks
    }
    for task in variants.values():
        for number, cost in enumerate(costs):
            bank.store.finish(
                Result(
                    episode=f"past-{task.id}-{number}",
                    evaluation=evaluation.id,
                    entry=player.id,
                    task=task.id,
                    game=task.game,
                    variant=task.variant,
                    suite="tiny-1",
                    repeat=number,
                    log_hash="",
                    oracle="",
                    end="won",
                    started_at="",
                    scores={"cost_microusd": cost},
                )
            )
    return player.id


def quote_past(bank: Bank, costs: list[int], cap: int | None = None) -> Json:
    player = keep_past(bank, costs)
    wanted = NewEvaluation("tiny-1", (player,), episode_cap_microusd=cap)
    found: Json = bank.tilts.evaluations.quote(wanted)["entries"][0]
    return found


def test_a_quote_follows_past_episodes_where_there_are_enough(bank: Bank) -> None:
    costs = [900, 1_000, 1_000, 1_100, 1_200, 1_400]
    quote = quote_past(bank, costs)
    assert quote["basis"] == "past episodes"
    each = fmean(costs)
    assert quote["expected_microusd"] == pytest.approx(quote["episodes"] * each, abs=1)
    assert 0 <= quote["low_microusd"] <= quote["expected_microusd"]


def test_a_few_past_episodes_are_no_basis(bank: Bank) -> None:
    assert quote_past(bank, [10, 10, 10, 10])["basis"] == "estimate"


def test_no_past_cost_goes_over_the_cap_in_a_quote(bank: Bank) -> None:
    quote = quote_past(bank, [10**9] * 6, cap=1_000)
    assert quote["expected_microusd"] == quote["maximum_microusd"]


@pytest.mark.parametrize("costs", [[10, *[100] * 4], [0, *[100] * 19]])
def test_a_quote_from_uneven_past_episodes_is_in_order(
    bank: Bank, costs: list[int]
) -> None:
    quote = quote_past(bank, costs)
    low, expected = quote["low_microusd"], quote["expected_microusd"]
    assert 0 <= low <= expected <= quote["maximum_microusd"]


def test_a_quote_after_play_is_what_play_cost(bank: Bank) -> None:
    done = bank.play_out(bank.submit(WEAK, repeats=5))
    assert done.end == "complete"
    quote = bank.tilts.evaluations.quote(
        NewEvaluation("tiny-1", (WEAK,), repeats=5, episode_cap_microusd=EPISODE_CAP)
    )
    assert quote["entries"][0]["basis"] == "past episodes"
    assert quote["expected_microusd"] == pytest.approx(bank.cost(done), abs=10)


# -- the month --------------------------------------------------------------------


def at_once(count: int, act: Callable[[int], T]) -> list[T | BaseException]:
    """What came of doing it in so many threads at once."""
    found: list[T | BaseException] = []
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        try:
            found.append(act(number))
        except BudgetError as error:
            found.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def make_tilts(bank: Bank, month_cap: int) -> Tilts:
    """Services over the same file whose ids threads may draw at once."""
    settings = replace(bank.tilts.settings, month_cap_microusd=month_cap)
    return Tilts(
        bank.store,
        bank.queue,
        bank.feed,
        bank.clock,
        RandomIds(),
        settings,
        bank.suites,
    )


def test_of_fifty_submissions_at_once_the_ten_that_fit_the_month_are_admitted(
    bank: Bank,
) -> None:
    tilts = make_tilts(bank, 10 * EPISODE_CAP)
    wanted = NewEvaluation(
        "tiny-1", (WEAK,), budget_microusd=EPISODE_CAP, episode_cap_microusd=EPISODE_CAP
    )

    def submit(number: int) -> str:
        try:
            return tilts.evaluations.create(wanted, TEAM, f"key {number}").id
        finally:
            bank.database.close()

    found = at_once(50, submit)
    admitted = [one for one in found if isinstance(one, str)]
    refused = [one for one in found if isinstance(one, BudgetError)]
    assert (len(admitted), len(refused)) == (10, 40)
    assert bank.store.month_total(TEAM, MONTH) == 10 * EPISODE_CAP
    assert {error.details["left_microusd"] for error in refused} == {0}
    kept = bank.store.evaluations({}, 100, None).items
    assert {evaluation.id for evaluation in kept} == set(admitted)


def test_of_fifty_submissions_of_one_key_at_once_one_is_paid_for(bank: Bank) -> None:
    tilts = make_tilts(bank, 10 * EPISODE_CAP)
    wanted = NewEvaluation(
        "tiny-1", (WEAK,), budget_microusd=EPISODE_CAP, episode_cap_microusd=EPISODE_CAP
    )

    def submit(number: int) -> str:
        try:
            return tilts.evaluations.create(wanted, TEAM, "one key").id
        finally:
            bank.database.close()

    assert len(set(map(str, at_once(50, submit)))) == 1
    assert bank.store.month_total(TEAM, MONTH) == EPISODE_CAP


def test_what_was_not_spent_comes_back_to_the_month(bank: Bank) -> None:
    done = bank.play_out(bank.submit(WEAK))
    cost = bank.cost(done)
    assert 0 < cost < done.budget_microusd
    assert bank.store.month_total(TEAM, MONTH) == cost
    money = bank.store.money(done.id)
    assert (money.held_microusd, money.spent_microusd) == (0, cost)


# -- an evaluation's budget, an episode's cap ----------------------------------------


@pytest.mark.parametrize("caps", [1, 2, 5])
def test_what_is_held_and_spent_never_exceeds_the_budget(bank: Bank, caps: int) -> None:
    budget = caps * EPISODE_CAP + 1
    evaluation = bank.submit(STRONG, WEAK, budget_microusd=budget)
    seen = []

    def look(name: str) -> None:
        money = bank.store.money(evaluation.id)
        seen.append(money.held_microusd)
        assert money.held_microusd + money.spent_microusd <= budget
        assert bank.cost(evaluation) <= budget

    for _ in range(200):
        play_watched(bank, look)
        if bank.store.evaluation(evaluation.id).status == "finished":
            break
        bank.clock.turn(6.0)
    done = bank.store.evaluation(evaluation.id)
    assert done.status == "finished"
    assert max(seen) == caps * EPISODE_CAP
    assert bank.store.money(done.id).spent_microusd == bank.cost(done)


def play_capped(
    bank: Bank, *players: str, repeats: int = 1
) -> tuple[Evaluation, list[Episode]]:
    """An evaluation whose budget covers a part of it."""
    whole = bank.play_out(bank.submit(*players, repeats=repeats))
    budget = EPISODE_CAP + bank.cost(whole) // 3
    done = bank.play_out(bank.submit(*players, repeats=repeats, budget_microusd=budget))
    assert (done.status, done.end) == ("finished", "capped")
    assert bank.cost(done) <= budget
    episodes = bank.episodes(done)
    states = {(episode.status, episode.end) for episode in episodes}
    assert ("unplayed", "budget") in states
    assert {status for status, _ in states} == {"finished", "unplayed"}
    assert {end for status, end in states if status == "unplayed"} == {"budget"}
    money = bank.store.money(done.id)
    assert (money.held_microusd, money.spent_microusd) == (0, bank.cost(done))
    return done, episodes


def count_unpaired(episodes: list[Episode]) -> int:
    """Tasks that one entry has played to the end and another has not."""
    states: dict[tuple[str, int], set[str]] = {}
    for episode in episodes:
        states.setdefault((episode.task, episode.repeat), set()).add(episode.status)
    return sum(len(statuses) > 1 for statuses in states.values())


def test_a_capped_evaluation_leaves_the_rest_unplayed_and_keeps_pairs(
    bank: Bank,
) -> None:
    done, episodes = play_capped(bank, WEAK, "compatible~tilts-medium")
    assert count_unpaired(episodes) <= 1
    assert bank.tilts.evaluations.progress(done)["over"] == len(episodes)


def test_a_capped_evaluation_of_many_slices_keeps_pairs(bank: Bank) -> None:
    _, episodes = play_capped(bank, WEAK, "compatible~tilts-medium", repeats=3)
    assert count_unpaired(episodes) <= 1


def test_a_capped_evaluation_of_two_providers_keeps_pairs(
    named_bank: Bank,
) -> None:
    _, episodes = play_capped(named_bank, WEAK, GPT)
    assert count_unpaired(episodes) <= 1


@pytest.mark.parametrize("cap", [1, 500, 40_000])
def test_a_call_whose_maximum_does_not_fit_is_never_made(bank: Bank, cap: int) -> None:
    done = bank.play_out(bank.submit(WEAK, episode_cap_microusd=cap))
    assert done.end == "capped"
    assert bank.calls(done) == []
    assert bank.server.account()["totals"]["requests"] == 0
    assert {(e.status, e.end) for e in bank.episodes(done)} == {("unplayed", "budget")}
    assert bank.store.month_total(TEAM, MONTH) == 0


def test_an_episode_stops_before_the_call_that_might_go_over_its_cap(
    bank: Bank,
) -> None:
    first = bank.play_out(bank.submit(WEAK))
    most = [
        max(call.max_microusd for call in bank.store.calls(episode.id))
        for episode in bank.episodes(first)
    ]
    cap = max(most)
    done = bank.play_out(bank.submit(WEAK, episode_cap_microusd=cap))
    ends = set()
    for episode in bank.episodes(done):
        spent = 0
        for call in bank.store.calls(episode.id):
            assert spent + call.max_microusd <= cap
            spent += call.cost_microusd
        ends.add((episode.status, episode.end))
    assert ("unplayed", "budget") in ends
    assert bank.store.month_total(TEAM, MONTH) == bank.cost(first) + bank.cost(done)


def test_every_row_names_its_price_version_and_costs_what_it_says(bank: Bank) -> None:
    done = bank.play_out(bank.submit(STRONG, WEAK))
    calls = bank.calls(done)
    assert {call.status for call in calls} == {"settled"}
    for call in calls:
        request = call.body["request"]
        row = bank.tilts.offers.row(request["model"])
        assert request["price_version"] == row.price_version
        names = ("in", "cached", "cache_write", "out", "reasoning")
        tokens = Tokens(*(call.tokens[name] for name in names))
        assert call.cost_microusd == cost_microusd(row, tokens)
        assert 0 < call.cost_microusd <= call.max_microusd
    versions = {call.body["request"]["price_version"] for call in calls}
    assert versions == {"tilts-strong@3/0.3/15", "tilts-weak@2/0.2/10"}


# -- the switch, a pause, a cancellation ---------------------------------------------


def test_the_kill_switch_stops_new_calls_and_play_goes_on_when_it_is_released(
    bank: Bank,
) -> None:
    evaluation = bank.submit(WEAK)
    intents: list[float] = []
    stopped_at: list[float] = []

    def look(name: str) -> None:
        if name == "intend":
            intents.append(bank.clock.now())
            if len(intents) == 5:
                bank.stop_calls(True)
                stopped_at.append(bank.clock.now())

    play_watched(bank, look)
    assert intents[-1] <= stopped_at[0] + 5.0
    made = len(intents)
    # As long as it stands, nothing is asked, nothing fails, and nothing is given up.
    for _ in range(8):
        bank.clock.turn(6.0)
        bank.work()
    assert len(bank.calls(evaluation)) == made
    assert not any(episode.end == "infra" for episode in bank.episodes(evaluation))
    bank.stop_calls(False)
    done = bank.play_out(evaluation)
    assert done.end == "complete"
    assert {episode.status for episode in bank.episodes(done)} == {"finished"}
    assert bank.store.money(done.id).spent_microusd == bank.cost(done)
    billed = bank.server.account()["totals"]["calls"]
    assert len(bank.calls(done)) == billed


@pytest.mark.parametrize("act", ["pause", "cancel"])
@pytest.mark.parametrize("at", [1, 3, 8])
def test_no_call_is_made_after_a_pause_or_a_cancellation_but_those_under_way(
    bank: Bank, act: str, at: int
) -> None:
    evaluation = bank.submit(WEAK)
    intents: list[str] = []
    left: list[int] = []

    def look(name: str) -> None:
        if name == "intend":
            intents.append(name)
        if name == "settle" and len(intents) >= at and not left:
            getattr(bank.tilts.evaluations, act)(evaluation.id)
            rows = bank.calls(evaluation)
            left.append(sum(call.status == "intent" for call in rows) + len(intents))

    play_watched(bank, look)
    # At most one more for each episode, whose permit is a second old at most.
    playing = len(bank.suites.suite("tiny-1").tasks)
    assert len(intents) <= left[0] + playing
    made = len(intents)
    for _ in range(3):
        bank.clock.turn(6.0)
        bank.work()
    assert len(bank.calls(evaluation)) == made
    if act == "pause":
        assert bank.store.evaluation(evaluation.id).status == "paused"
        bank.tilts.evaluations.resume(evaluation.id)
        done = bank.play_out(evaluation)
        assert done.end == "complete"
        assert {e.status for e in bank.episodes(done)} == {"finished"}
    else:
        done = bank.play_out(evaluation)
        assert done.end == "cancelled"
        ends = {(e.status, e.end) for e in bank.episodes(done)}
        assert ("unplayed", "cancelled") in ends
        assert {status for status, _ in ends} <= {"finished", "unplayed"}
    assert bank.store.money(done.id).held_microusd == 0
    assert bank.store.month_total(TEAM, MONTH) == bank.cost(done)
    assert bank.server.account()["totals"]["requests"] == len(bank.calls(done))


# -- going on after the end -------------------------------------------------------------


def test_episodes_that_failed_are_played_again(bank: Bank) -> None:
    evaluation = bank.submit(WEAK)
    bank.expand()
    bank.server.order("400", 3)
    first = bank.play_out(evaluation)
    failed = [e.id for e in bank.episodes(first) if e.status == "failed"]
    assert len(failed) == 3
    finished = {r.episode: r for r in bank.store.results(first.id, 100, None).items}
    bank.tilts.evaluations.retry(first.id, 0)
    assert bank.store.month_total(TEAM, MONTH) == evaluation.budget_microusd
    done = bank.play_out(first)
    assert done.end == "complete"
    assert {e.status for e in bank.episodes(done)} == {"finished"}
    results = {r.episode: r for r in bank.store.results(done.id, 100, None).items}
    assert finished.items() <= results.items()
    assert set(results) - set(finished) == set(failed)
    for episode in failed:
        rows = bank.store.calls(episode)
        assert [call.status for call in rows].count("failed") == 1
    assert bank.store.money(done.id).spent_microusd == bank.cost(done)
    assert bank.store.month_total(TEAM, MONTH) == bank.cost(done)


def test_a_model_that_the_owner_must_see_to_pauses_and_a_resume_goes_on(
    bank: Bank,
) -> None:
    evaluation = bank.submit(WEAK)
    bank.expand()
    bank.server.order("insufficient-quota", 1)
    bank.work()
    paused = bank.store.evaluation(evaluation.id)
    assert paused.status == "paused"
    assert "quota" in str(paused.note)
    bank.tilts.evaluations.resume(evaluation.id)
    done = bank.play_out(evaluation)
    assert (done.end, done.note) == ("complete", None)
    assert {e.status for e in bank.episodes(done)} == {"finished"}
    assert bank.store.month_total(TEAM, MONTH) == bank.cost(done)


def test_players_are_added_to_a_finished_evaluation(bank: Bank) -> None:
    first = bank.play_out(bank.submit(WEAK))
    spent = bank.cost(first)
    before = {e.id: e for e in bank.episodes(first)}
    added = bank.tilts.evaluations.add_entries(first.id, [STRONG], 20_000_000)
    assert added.budget_microusd == spent + 20_000_000
    assert bank.store.month_total(TEAM, MONTH) == added.budget_microusd
    done = bank.play_out(first)
    episodes = {e.id: e for e in bank.episodes(done)}
    assert done.end == "complete"
    assert len(episodes) == 2 * len(before)
    assert {key: episodes[key] for key in before} == before
    assert {e.status for e in episodes.values()} == {"finished"}
    assert bank.store.money(done.id).spent_microusd == bank.cost(done) > spent
    assert bank.store.month_total(TEAM, MONTH) == bank.cost(done)


def test_added_players_need_money_of_their_own(bank: Bank) -> None:
    first = bank.play_out(bank.submit(WEAK))
    with pytest.raises(RequestError):
        bank.tilts.evaluations.add_entries(first.id, [STRONG], 0)
    with pytest.raises(BudgetError):
        bank.tilts.evaluations.add_entries(first.id, [STRONG], MONTH_CAP)
    assert bank.store.evaluation(first.id) == first
    assert bank.store.month_total(TEAM, MONTH) == bank.cost(first)
    running = bank.submit(WEAK)
    with pytest.raises(ConflictError):
        bank.tilts.evaluations.add_entries(running.id, [STRONG], 20_000_000)


# -- the pre-flight ------------------------------------------------------------------


def check_failed_flight(bank: Bank, evaluation: Evaluation, word: str) -> None:
    """It ended before anything was spent, says why, and gave all of it back."""
    bank.work()
    done = bank.store.evaluation(evaluation.id)
    assert (done.status, done.end) == ("finished", "failed")
    assert word in str(done.note)
    assert bank.episodes(done) == []
    assert bank.store.month_total(TEAM, MONTH) == 0
    assert bank.server.account()["totals"]["requests"] == 0


@pytest.mark.parametrize(
    ("fault", "player"),
    [
        *[("key", player) for player in (WEAK, GPT, CLAUDE)],
        *[("model", player) for player in (GPT, CLAUDE)],
        *[("server", player) for player in (WEAK, GPT, CLAUDE)],
    ],
)
def test_a_model_that_cannot_be_asked_ends_the_evaluation_before_it_costs(
    tmp_path: Path, model_server: ModelServerHandle, player: str, fault: str
) -> None:
    settings = settings_for(model_server, tmp_path)
    words = {"key": "401", "model": "404", "server": "could not be reached"}
    if fault == "key":
        wrong = dict.fromkeys(settings.keys, "sk-of-somebody-else-0123")
        settings = replace(settings, keys=wrong)
    if fault == "server":
        origin = f"http://127.0.0.1:{free_port()}"
        settings = replace(settings, base_urls=dict.fromkeys(settings.keys, origin))
    bank = Bank(tmp_path / "bank.db", settings, model_server)
    try:
        check_failed_flight(bank, bank.submit(player), words[fault])
    finally:
        bank.close()


def test_a_failed_preflight_of_added_players_keeps_what_was_spent(bank: Bank) -> None:
    first = bank.play_out(bank.submit(WEAK))
    spent = bank.cost(first)
    # The server lends no such name: the pre-flight of the added player fails.
    bank.tilts.evaluations.add_entries(first.id, [GPT], 20_000_000)
    bank.work()
    assert bank.store.evaluation(first.id).end == "failed"
    assert bank.store.month_total(TEAM, MONTH) == spent


def test_a_model_that_an_own_server_has_not_pauses_at_its_first_call(
    tmp_path: Path, model_server: ModelServerHandle
) -> None:
    """Not every such server has a list of its models: it is asked for a move."""
    settings = settings_for(
        model_server, tmp_path, compatible_models=f"{PRICES}, tilts-gone=1/1/1"
    )
    bank = Bank(tmp_path / "bank.db", settings, model_server)
    try:
        evaluation = bank.submit("compatible~tilts-gone")
        bank.work()
        paused = bank.store.evaluation(evaluation.id)
        assert paused.status == "paused"
        assert "404" in str(paused.note)
        bank.tilts.evaluations.cancel(evaluation.id)
        assert bank.play_out(evaluation).end == "cancelled"
        assert bank.store.month_total(TEAM, MONTH) == 0
        assert bank.cost(evaluation) == 0
    finally:
        bank.close()


def test_a_retry_whose_preflight_fails_can_be_tried_again(bank: Bank) -> None:
    evaluation = bank.submit(WEAK)
    bank.expand()
    bank.server.order("400", 3)
    first = bank.play_out(evaluation)
    wrong = dict.fromkeys(bank.tilts.settings.keys, "sk-of-somebody-else-0123")
    settings = replace(bank.tilts.settings, keys=wrong)
    other = Bank(bank.database.path, settings, bank.server)
    try:
        other.tilts.evaluations.retry(first.id, 0)
        other.work()
    finally:
        other.close()
    bank.clock.turn(400.0)
    bank.tilts.sweep()
    bank.work()
    assert bank.store.evaluation(first.id).end == "failed"
    bank.tilts.evaluations.retry(first.id, 0)
    done = bank.play_out(first)
    assert {e.status for e in bank.episodes(done)} == {"finished"}
