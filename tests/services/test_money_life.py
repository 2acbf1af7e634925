"""The switch, pauses, going on after the end, and the pre-flight."""

from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.errors import BudgetError, ConflictError, RequestError
from chalicelib.records import (
    Evaluation,
)
from tests.modelserver.child import ModelServerHandle, free_port
from tests.services.bank import (
    CLAUDE,
    GPT,
    MONTH,
    MONTH_CAP,
    PRICES,
    STRONG,
    TEAM,
    WEAK,
    Bank,
    bank,
    named_bank,
    play_watched,
    settings_for,
)

pytest_plugins = ("tests.modelserver.fixture",)


__all__ = ["bank", "named_bank"]


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
