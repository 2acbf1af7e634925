"""Quotes, and what a month lets in: the real services and SDKs, a clock turned by hand."""

import threading
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean
from typing import Any, TypeVar

import pytest

from chalicelib.errors import BudgetError, RequestError
from chalicelib.records import (
    NewEvaluation,
    Result,
)
from chalicelib.wiring import RandomIds, Tilts
from tests.services.bank import (
    EPISODE_CAP,
    MONTH,
    TEAM,
    WEAK,
    Bank,
    bank,
    named_bank,
)

pytest_plugins = ("tests.modelserver.fixture",)

T = TypeVar("T")
Json = dict[str, Any]

__all__ = ["bank", "named_bank"]


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
