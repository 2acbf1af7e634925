"""Every scenario of the model server, met once in a game that the evaluator plays.

The real SDKs ask, the real services keep the ledger; only time is handed in.
"""

import json

import pytest

from chalicelib.events import BODY_LIMIT
from tests.modelserver.scenarios import SCENARIOS
from tests.modelserver.wire import snapshot
from tests.services.scenario_forms import (
    APIS,
    EVALUATION,
    FORMS,
    HURRIED,
    MET,
    PAIRS,
    PATIENT,
    PRICE,
    Table,
    check_clean,
    check_ledger,
    check_row,
    check_stopped,
    form_of,
    names_of,
    runner,
    table,
)

pytest_plugins = ("tests.modelserver.fixture",)


__all__ = ["runner", "table"]


def test_the_table_has_a_line_for_every_scenario() -> None:
    assert set(FORMS) == set(SCENARIOS)


@pytest.mark.parametrize(("name", "provider"), PAIRS)
def test_scenario_met_once_in_a_game(table: Table, name: str, provider: str) -> None:
    form = form_of(name, provider)
    hurried = name in ("never-answers", "slow-trickle")
    episode = table.play(provider, name, HURRIED if hurried else PATIENT)
    calls, events = table.calls(episode), table.events(episode)
    account = table.server.account()
    assert table.server.foreign() == []
    assert len(calls) >= MET, "the game was over before the scenario"

    # What stands on the ledger for the call that met it, and for all others.
    met, others = calls[MET - 1], [*calls[: MET - 1], *calls[MET:]]
    check_row(met, form)
    refused = [call for call in others if call.status != "settled"]
    assert not refused, refused[0].body["reply"]
    check_ledger(calls, account)
    money = table.world.store.money(EVALUATION)
    cost = sum(call.cost_microusd for call in calls)
    goes_on = form.paused or form.waits
    assert money.held_microusd == 0 or goes_on
    assert money.spent_microusd == (0 if goes_on else cost)

    # Whether it was tried again, for the same event.
    same = [call for call in calls if call.id.split(".")[0] == met.id.split(".")[0]]
    assert len(same) == (2 if form.again else 1)
    assert [call.id.split(".")[2] for call in same] == ["1", "2"][: len(same)]
    assert bool(table.timer.slept) == form.again

    # What the log says.
    shown = [names_of(event) for event in events]
    assert shown[:2] == ["started", "moved"]
    check_clean([event.to_json() for event in events])
    if form.is_lost:
        assert shown == ["started", "moved"]
        assert len(calls) == MET
        check_stopped(table, episode, form)
        return
    assert shown[2] == (form.event or "moved")
    assert shown[-1] == "ended"
    assert set(shown[3:-1]) == {"moved" if form.end == "won" else form.end}
    assert (episode.status, episode.end) == ("finished", form.end)
    scores = events[-1].body["scores"]
    failed = {form.event: 1} if form.event not in (None, "moved") else {}
    assert scores["attempts_failed"] == failed
    assert scores["forfeited"] == (form.end == "forfeited")
    assert scores["calls"] == len(calls)
    assert scores["cost_microusd"] == cost
    assert scores["models"] == [snapshot(PATIENT)]
    # A model that failed is told what was wrong, and that nothing has changed.
    if failed:
        complaint = events[2].body["complaint"]
        told = calls[MET].body["request"]["prompt"]
        assert told.startswith(f"That was no move: {complaint}")


@pytest.mark.parametrize("provider", APIS)
def test_what_waited_for_the_provider_is_played_on(table: Table, provider: str) -> None:
    episode = table.play(provider, "429-after-3600")
    early = table.play_on(episode)
    assert early.status == "playing"
    assert len(table.calls(early)) == MET, "it was asked before the time it named"
    table.timer.moment += 3_600
    late = table.play_on(episode)
    assert (late.status, late.end) == ("finished", "won")
    check_ledger(table.calls(late), table.server.account())


@pytest.mark.parametrize("provider", APIS)
def test_a_cache_that_is_read_lowers_the_cost(table: Table, provider: str) -> None:
    episode = table.play(provider, None)
    calls = table.calls(episode)
    check_ledger(calls, table.server.account())
    cached = [call for call in calls if call.tokens["cached"]]
    assert cached
    for call in cached:
        tokens = call.tokens
        plain = tokens["in"] * PRICE.input + tokens["out"] * PRICE.output
        assert call.cost_microusd < plain
    scores = table.events(episode)[-1].body["scores"]
    sums = {name: sum(call.tokens[name] for call in calls) for name in calls[0].tokens}
    assert scores["tokens"] == sums


@pytest.mark.parametrize("provider", APIS)
def test_mastermind_is_played_to_its_end(table: Table, provider: str) -> None:
    episode = table.play(provider, None, game="MM-I", variant="small")
    assert (episode.status, episode.end) == ("finished", "won")
    check_ledger(table.calls(episode), table.server.account())


@pytest.mark.parametrize("provider", APIS)
@pytest.mark.parametrize("name", ["illegal-move", "text-only", "refusal", "truncated"])
def test_three_failed_answers_are_a_forfeit(
    table: Table, name: str, provider: str
) -> None:
    episode = table.play(provider, name, count=3)
    form = form_of(name, provider)
    shown = [names_of(event) for event in table.events(episode)]
    assert shown == ["started", "moved", *[form.event] * 3, "forfeited", "ended"]
    assert (episode.status, episode.end) == ("finished", "forfeited")
    calls = table.calls(episode)
    assert {call.status for call in calls} == {"settled"}
    check_ledger(calls, table.server.account())


@pytest.mark.parametrize("provider", APIS)
@pytest.mark.parametrize("name", ["500", "503", "lost-reply", "429-after-1"])
def test_four_tries_without_an_answer_are_nobodys_loss(
    table: Table, name: str, provider: str
) -> None:
    episode = table.play(provider, name, count=5)
    assert [names_of(event) for event in table.events(episode)] == ["started", "moved"]
    assert (episode.status, episode.end) == ("failed", "infra")
    _, *tries = table.calls(episode)
    assert [call.id for call in tries] == [f"3.1.{number}" for number in range(1, 5)]
    for call in tries:
        check_row(call, form_of(name, provider))
    check_ledger(table.calls(episode), table.server.account())


@pytest.mark.parametrize("provider", APIS)
@pytest.mark.parametrize("name", ["hostile-text", "lone-surrogate"])
def test_hostile_text_is_kept_as_plain_text(
    table: Table, name: str, provider: str
) -> None:
    episode = table.play(provider, name)
    said = table.events(episode)[2].body["said"]
    if name == "hostile-text":
        assert "<script>alert('x')</script>" in said
    assert not any(mark < " " and mark not in "\n\t" for mark in said)
    said.encode()
    for call in table.calls(episode):
        check_clean(call.body["request"])


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_huge_reply_leaves_events_of_the_usual_size(
    table: Table, provider: str
) -> None:
    episode = table.play(provider, "huge-output")
    for event in table.events(episode):
        assert len(event.line().encode()) <= BODY_LIMIT


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_huge_reply_leaves_ledger_rows_that_any_store_can_keep(
    table: Table, provider: str
) -> None:
    episode = table.play(provider, "huge-output")
    for call in table.calls(episode):
        assert len(json.dumps(call.body)) <= 300_000
