"""An evaluation's budget, an episode's cap, and what every row costs."""

import pytest

from chalicelib.models.catalogue import cost_microusd
from chalicelib.models.model import Tokens
from chalicelib.records import (
    Episode,
    Evaluation,
)
from tests.services.bank import (
    EPISODE_CAP,
    GPT,
    MONTH,
    STRONG,
    TEAM,
    WEAK,
    Bank,
    bank,
    named_bank,
    play_watched,
)

pytest_plugins = ("tests.modelserver.fixture",)


__all__ = ["bank", "named_bank"]


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
