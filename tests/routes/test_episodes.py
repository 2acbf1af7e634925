"""Logs, transcripts and ledgers of episodes over HTTP."""

import json
from typing import Any

import pytest

from tests.routes.api import Api, check_problem

Json = dict[str, Any]


def play(api: Api, player: str = "mock~stumbling~1", code: str = "MM-I") -> Json:
    """An episode that is over."""
    evaluation = api.evaluate(player)["id"]
    items = api.get(f"/evaluations/{evaluation}/episodes").body["items"]
    found: Json = next(item for item in items if item["game"] == code)
    return found


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_events_come_in_order_without_gaps(limit: int, api: Api) -> None:
    path = f"/episodes/{play(api)['id']}/events"
    items: list[Json] = []
    after, more = 0, True
    while more:
        page = api.get(f"{path}?after={after}&limit={limit}").body
        assert len(page["items"]) <= limit
        assert page["last"] == page["items"][-1]["n"]
        items += page["items"]
        after, more = page["last"], page["more"]
    assert [event["n"] for event in items] == list(range(1, len(items) + 1))
    assert (items[0]["type"], items[-1]["type"]) == ("started", "ended")
    beyond = api.get(f"{path}?after={after}").body
    assert (beyond["items"], beyond["last"], beyond["more"]) == ([], after, False)


def test_the_transcript_is_the_events_one_a_line(api: Api) -> None:
    episode = play(api)["id"]
    events: list[Json] = []
    page: Json = {"last": 0, "more": True}
    while page["more"]:
        page = api.get(f"/episodes/{episode}/events?after={page['last']}").body
        events += page["items"]
    text = api.get(f"/episodes/{episode}/transcript").text
    assert [json.loads(line) for line in text.splitlines()] == events
    assert text.endswith("\n")


def test_there_is_no_transcript_before_the_end(api: Api) -> None:
    body = {"suite": "tiny-1", "players": ["mock~random~1"]}
    evaluation = api.post("/evaluations", body).body["id"]
    api.world.expand()
    item = api.get(f"/evaluations/{evaluation}/episodes?limit=1").body["items"][0]
    reply = api.get(f"/episodes/{item['id']}/transcript")
    assert reply.status == 404
    assert "events" in check_problem(reply)["detail"]
    assert api.get(f"/episodes/{item['id']}/events").body["items"] == []


def test_the_ledger_has_a_row_for_every_attempt(api: Api) -> None:
    episode = play(api)["id"]
    calls = api.get(f"/episodes/{episode}/calls").body["items"]
    text = api.get(f"/episodes/{episode}/transcript").text
    events = [json.loads(line) for line in text.splitlines()]
    asked = [event for event in events if event["type"] in ("attempted", "moved")]
    assert [call["id"] for call in calls] == [event["call"] for event in asked]
    assert {call["status"] for call in calls} == {"settled"}


def test_a_baseline_has_no_ledger(api: Api) -> None:
    episode = play(api, "baseline~random~1")["id"]
    assert api.get(f"/episodes/{episode}/calls").body["items"] == []


def test_what_someone_plays_is_live_until_it_is_over(api: Api) -> None:
    episode = play(api, "baseline~random~1")
    assert api.get("/live").body["episodes"] == []
    body = {"suite": "tiny-1", "players": ["baseline~random~1"]}
    api.post("/evaluations", body)
    api.world.expand()
    (waiting,) = api.world.store.episodes(None, "waiting", 1, None).items
    assert waiting.id != episode["id"]
    api.world.store.claim(waiting.id, "worker", api.world.clock.now(), 90.0)
    assert [e["id"] for e in api.get("/live").body["episodes"]] == [waiting.id]
