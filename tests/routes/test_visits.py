"""Playing a task yourself: sealed while it lasts, then open like any other episode."""

import json
from hashlib import sha256
from typing import Any

import pytest

from chalicelib.games import find_game
from chalicelib.records import VISITS
from chalicelib.services.visits import OPEN_PER_SOURCE, VISIT_SECONDS
from tests.routes.api import Api, check_problem
from tests.routes.visit import CODES, Visit

Json = dict[str, Any]
SEALED_WORDS = ("regret", "p_min", "insight", "risk", "grade", "verdict", "truth")
"""What tells more of a position than its player may know."""


@pytest.mark.parametrize("code", CODES)
def test_playing_to_the_end_shows_how_it_went(code: str, api: Api) -> None:
    visit = Visit.start(api, code, number=-1)
    assert (visit.position["step"], visit.position["outcome"]) == (1, None)
    steps = 0
    for move in visit.good_moves():
        if visit.position["outcome"] is not None:
            break
        assert visit.position["status"] == "playing"
        assert visit.position["scores"] is None
        assert (
            visit.move({"reasoning": "It is safe.", **move, "claims": None}).status
            == 200
        )
        steps += 1
        assert visit.position["step"] == steps + 1
    over = visit.position
    assert over["status"] == "finished"
    assert over["outcome"]["won"] is True
    assert over["scores"]["won"] is True
    assert over["scores"]["moves"] == steps
    assert "token" not in over
    shown = api.get(f"/episodes/{visit.id}").body
    assert (shown["status"], shown["end"]) == ("finished", "won")
    assert shown["evaluation"] == VISITS


def test_losing_is_an_outcome_that_shows_where_the_mines_were(api: Api) -> None:
    visit = Visit.start(api, "MS-I")
    game = find_game("MS-I")
    truth = game.reveal(game.new(visit.task["variant"], visit.task["seed"]))
    row, column = truth["mines"][0]
    reply = visit.move({"reveal": [{"row": row, "column": column}]})
    assert reply.status == 200
    assert visit.position["outcome"]["won"] is False
    assert visit.position["view"]["rows"][row][column] == "*"
    events = api.get(f"/episodes/{visit.id}/events").body["items"]
    assert [event["type"] for event in events] == ["started", "moved", "ended"]
    assert events[-1]["truth"] == truth
    assert events[-1]["outcome"] == "lost"


@pytest.mark.parametrize("code", CODES)
def test_an_episode_is_sealed_until_it_ends(code: str, api: Api) -> None:
    visit = Visit.start(api, code, number=-1)
    spectators = api.world.tilts.spectators
    spectators.connect("c1")
    watch = json.dumps({"action": "watch", "topic": f"episode:{visit.id}"})
    ping = json.dumps({"action": "ping", "topics": {f"episode:{visit.id}": 0}})
    for move in visit.good_moves():
        if visit.position["outcome"] is not None:
            break
        for part in ("events", "transcript", "calls"):
            reply = api.get(f"/episodes/{visit.id}/{part}")
            assert reply.status == 403, part
            assert "sealed" in check_problem(reply)["detail"]
        assert api.get("/live").body["episodes"] == []
        spectators.receive("c1", watch)
        spectators.receive("c1", ping)
        own = json.dumps({**visit.position, "tool": None})
        assert not [word for word in SEALED_WORDS if word in own]
        assert visit.move(move).status == 200
        api.world.work()
    frames = [json.loads(frame) for _, frame in api.world.feed.sent]
    assert {frame["type"] for frame in frames} <= {"error", "pong"}
    assert "sealed" in {frame.get("code") for frame in frames}
    for part in ("events", "transcript", "calls"):
        assert api.get(f"/episodes/{visit.id}/{part}").status == 200, part
    api.world.feed.sent.clear()
    spectators.receive("c1", watch)
    assert json.loads(api.world.feed.sent[-1][1])["type"] == "caught-up"


def test_a_watcher_gets_the_whole_log_once_it_is_over(api: Api) -> None:
    visit = Visit.start(api, "MS-I")
    visit.win()
    api.world.tilts.spectators.connect("c1")
    api.world.tilts.spectators.receive(
        "c1", json.dumps({"action": "watch", "topic": f"episode:{visit.id}"})
    )
    frames = [json.loads(frame) for _, frame in api.world.feed.sent]
    events = api.get(f"/episodes/{visit.id}/events").body["items"]
    assert [frame["event"] for frame in frames[:-1]] == events
    assert frames[-1] == {
        "type": "caught-up",
        "topic": f"episode:{visit.id}",
        "n": len(events),
    }


@pytest.mark.parametrize("code", CODES)
def test_the_transcript_is_what_the_log_hash_covers(code: str, api: Api) -> None:
    visit = Visit.start(api, code)
    visit.win()
    transcript = api.get(f"/episodes/{visit.id}/transcript")
    assert transcript.header("Content-Type") == "application/x-ndjson"
    assert "attachment" in (transcript.header("Content-Disposition") or "")
    (result,) = api.world.store.results(VISITS, 10, None).items
    assert sha256(transcript.text.encode()).hexdigest() == result.log_hash
    events = [json.loads(line) for line in transcript.text.splitlines()]
    assert events == api.get(f"/episodes/{visit.id}/events").body["items"]
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize("code", CODES)
def test_the_token_is_in_no_other_reply_and_not_in_the_database(
    code: str, api: Api
) -> None:
    visit = Visit.start(api, code)
    secrets = (visit.token, sha256(visit.token.encode()).hexdigest())
    crawled = []
    for moment in ("playing", "over"):
        paths = (
            "/health", "/openapi.json", "/games", "/players", "/suites", "/live",
            "/evaluations", "/leaderboards", f"/leaderboards/tiny-1~{code}",
            f"/tasks/{visit.task['id']}", f"/episodes/{visit.id}",
            f"/episodes/{visit.id}/events", f"/episodes/{visit.id}/transcript",
            f"/episodes/{visit.id}/calls",
        )  # fmt: skip
        crawled += [api.get(path).text for path in paths]
        crawled.append(visit.move({}, token="wrong").text)
        crawled.append(visit.move({}, step=99).text)
        if moment == "playing":
            visit.win()
    assert not [text for text in crawled if any(s in text for s in secrets)]
    assert not [line for line in api.content() if visit.token in line]


@pytest.mark.parametrize("code", CODES)
def test_what_is_not_finished_within_a_day_is_a_forfeit(code: str, api: Api) -> None:
    visit = Visit.start(api, code, number=-1)
    assert visit.move(next(visit.good_moves())).status == 200
    assert visit.position["outcome"] is None
    api.world.clock.turn(VISIT_SECONDS - 1)
    api.world.tilts.sweep()
    assert api.get(f"/episodes/{visit.id}").body["status"] == "playing"
    api.world.clock.turn(2)
    api.world.tilts.sweep()
    assert api.get(f"/episodes/{visit.id}").body["end"] == "forfeited"
    events = api.get(f"/episodes/{visit.id}/events").body["items"]
    assert [event["type"] for event in events][-2:] == ["forfeited", "ended"]
    assert events[-1]["scores"]["forfeited"] is True
    assert visit.move(next(visit.good_moves())).status == 409
    assert api.rows()["results"] == 1


def test_one_visit_that_cannot_be_read_does_not_stop_the_sweep(api: Api) -> None:
    broken, sound = Visit.start(api, "MM-I"), Visit.start(api, "MM-I")
    broken.move({"guess": ["red", "red", "red"]})
    connection = api.world.database.connection()
    connection.execute(
        "UPDATE events SET line=replace(line, '\"guess\":', '\"guest\":')"
        " WHERE episode=? AND n=2",
        (broken.id,),
    )
    api.world.clock.turn(VISIT_SECONDS + 1)
    for _ in range(2):
        api.world.tilts.sweep()
    assert api.get(f"/episodes/{sound.id}").body["end"] == "forfeited"
    shown = api.get(f"/episodes/{broken.id}").body
    assert (shown["status"], shown["end"]) == ("failed", "infra")


def test_a_source_has_so_many_unfinished_episodes_and_no_more(api: Api) -> None:
    visits = [Visit.start(api, "MM-I") for _ in range(OPEN_PER_SOURCE)]
    task = {"task": visits[0].task["id"]}
    before = api.content()
    refused = api.post("/episodes", task, {"x-forwarded-for": "10.0.0.1"})
    assert refused.status == 429
    check_problem(refused)
    assert api.content() == before
    Visit.start(api, "MM-I", source="10.0.0.2")
    visits[7].win()
    Visit.start(api, "MM-I")


def test_open_visits_do_not_hide_what_is_live(api: Api) -> None:
    api.post("/evaluations", {"suite": "tiny-1", "players": ["baseline~random~1"]})
    api.world.expand()
    (episode, *_) = api.world.store.episodes(None, "waiting", 1, None).items
    api.world.store.claim(episode.id, "worker", api.world.clock.now(), 90.0)
    assert [e["id"] for e in api.get("/live").body["episodes"]] == [episode.id]
    for number in range(101):
        Visit.start(api, "MM-I", source=f"10.0.1.{number}")
    assert [e["id"] for e in api.get("/live").body["episodes"]] == [episode.id]


def test_each_play_of_a_task_is_an_episode_of_its_own(api: Api) -> None:
    first, second = Visit.start(api, "MM-I"), Visit.start(api, "MM-I")
    third = Visit.start(api, "MM-I", source="10.0.0.2")
    assert len({first.id, second.id, third.id}) == 3
    assert len({first.token, second.token, third.token}) == 3
    assert api.get(f"/episodes/{second.id}").body["repeat"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"task": ""}, 400),
        ({"task": "MS-I-0000000000000000"}, 404),
        ({"task": 5}, 400),
        ({"task": "x", "kind": "model"}, 400),
        ({"task": "x", "seed": "00"}, 400),
    ],
)
def test_a_visit_of_what_is_not_there_is_refused(
    body: Json, status: int, api: Api
) -> None:
    before = api.content()
    reply = api.post("/episodes", body)
    assert reply.status == status
    check_problem(reply)
    assert api.content() == before


def test_a_visit_is_on_no_leaderboard_and_in_no_evaluation(api: Api) -> None:
    Visit.start(api, "MM-I").win()
    assert api.get("/leaderboards/tiny-1~MM-I").body["rows"] == []
    for path in ("", "/results", "/episodes"):
        assert api.get(f"/evaluations/{VISITS}{path}").status == 404


def test_an_address_is_not_kept_in_a_form_that_can_be_guessed(api: Api) -> None:
    """There are few addresses: a bare hash of one tells it to whoever tries all."""
    visit = Visit.start(api, "MM-I", source="192.0.2.7")
    guessed = sha256(b"192.0.2.7").hexdigest()
    shown = api.get(f"/episodes/{visit.id}").text
    assert "192.0.2.7" not in shown
    assert guessed[:12] not in shown
