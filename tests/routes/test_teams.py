"""Two teams: what belongs to one is not there for the other, over REST and the socket."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.settings import Settings
from tests.routes.api import Api, Reply, check_problem, opened
from tests.world import World

Json = dict[str, Any]

PEPPER = "a pepper of these tests"
GOOD = {"suite": "tiny-1", "players": ["baseline~random~1"]}
TEAM = {**GOOD, "visibility": "team"}
CHANGES = ("pause", "resume", "cancel", "publish", "retry", "entries")


@dataclass
class Teams:
    """The API as two teams and a visitor use it."""

    api: Api
    blue: dict[str, str]
    red: dict[str, str]
    nobody: dict[str, str]

    @property
    def world(self) -> World:
        return self.api.world

    def begin(self, body: Json, by: dict[str, str]) -> str:
        made = self.api.post("/evaluations", body, by)
        assert made.status == 202, made.text
        evaluation: str = made.body["id"]
        return evaluation

    def ticket(self, by: dict[str, str]) -> str:
        made = self.api.post("/tickets", {}, by)
        assert made.status == 201
        assert made.body["seconds"] == 60
        ticket: str = made.body["ticket"]
        return ticket

    def say(self, connection: str, **frame: Any) -> list[Json]:
        """What a connection is sent for a frame."""
        sent = self.world.feed.sent
        sent.clear()
        self.world.tilts.spectators.receive(connection, json.dumps(frame))
        return [json.loads(text) for to, text in sent if to == connection]

    def change(self, evaluation: str, action: str, by: dict[str, str]) -> Reply:
        body = {"players": ["mock~random~1"]} if action == "entries" else {}
        return self.api.post(f"/evaluations/{evaluation}/{action}", body, by)


@pytest.fixture
def teams(tmp_path: Path) -> Iterator[Teams]:
    settings = Settings(tmp_path, require_keys=True, pepper=PEPPER)
    with opened(settings) as api:

        def key(team: str) -> dict[str, str]:
            _, text = api.world.tilts.access.create("submitter", team, "")
            return {"Authorization": f"Bearer {text}"}

        yield Teams(api, key("blue"), key("red"), {})


def without_names(reply: Reply, *names: str) -> Json:
    """A refusal without what differs between any two requests."""
    body = dict(check_problem(reply))
    del body["request_id"]
    for name in names:
        body["detail"] = body["detail"].replace(name, "NAME")
    return body


def test_a_refusal_does_not_tell_what_is_anothers_from_what_is_not_there(
    teams: Teams,
) -> None:
    made = teams.begin(TEAM, teams.blue)
    teams.world.work()
    path = f"/evaluations/{made}/episodes"
    episode = teams.api.get(path, teams.blue).body["items"][0]["id"]
    reads = [
        *(f"/evaluations/NAME{rest}" for rest in ("", "/episodes", "/results")),
        "/evaluations/NAME/results?format=csv",
        *(f"/episodes/NAME{rest}" for rest in ("", "/events", "/transcript", "/calls")),
    ]
    for path in reads:
        name = episode if path.startswith("/episodes") else made
        assert teams.api.get(path.replace("NAME", name), teams.blue).status == 200
        theirs = teams.api.get(path.replace("NAME", name), teams.red)
        nothing = teams.api.get(path.replace("NAME", "none"), teams.red)
        assert theirs.status == nothing.status == 404
        assert without_names(theirs, name) == without_names(nothing, "none")
    for action in CHANGES:
        theirs = teams.change(made, action, teams.red)
        nothing = teams.change("none", action, teams.red)
        assert theirs.status == nothing.status == 404
        assert without_names(theirs, made) == without_names(nothing, "none")
    move = {"step": 1, "move": {}, "token": "any"}
    theirs = teams.api.post(f"/episodes/{episode}/moves", move, teams.red)
    nothing = teams.api.post("/episodes/none/moves", move, teams.red)
    assert theirs.status == nothing.status == 404
    assert without_names(theirs, episode) == without_names(nothing, "none")


@pytest.mark.parametrize("action", CHANGES)
def test_what_is_public_is_seen_by_all_and_changed_by_its_team(
    action: str, teams: Teams
) -> None:
    made = teams.begin(GOOD, teams.blue)
    teams.world.expand()
    before = teams.api.content()
    assert teams.change(made, action, teams.red).status == 403
    assert teams.change(made, action, teams.nobody).status == 401
    assert teams.api.content() == before
    assert teams.change(made, action, teams.blue).status in (200, 409)
    assert teams.api.get(f"/evaluations/{made}", teams.red).status == 200


def test_the_calls_of_a_public_evaluation_are_for_its_team(teams: Teams) -> None:
    made = teams.begin({**GOOD, "players": ["mock~random~1"]}, teams.blue)
    teams.world.work()
    path = f"/evaluations/{made}/episodes"
    episode = teams.api.get(path).body["items"][0]["id"]
    calls = f"/episodes/{episode}/calls"
    assert teams.api.get(calls, teams.blue).body["items"]
    assert teams.api.get(calls, teams.red).status == 403
    assert teams.api.get(calls).status == 401


def test_lists_hold_what_is_public_and_ones_own(teams: Teams) -> None:
    shown = teams.begin(GOOD, teams.blue)
    blue, red = teams.begin(TEAM, teams.blue), teams.begin(TEAM, teams.red)
    listed = {
        who: [item["id"] for item in teams.api.get("/evaluations", by).body["items"]]
        for who, by in vars(teams).items()
        if who != "api"
    }
    assert listed == {"blue": [blue, shown], "red": [red, shown], "nobody": [shown]}


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_no_page_hides_what_is_public_behind_what_is_anothers(
    limit: int, teams: Teams
) -> None:
    made = []
    for _ in range(4):
        made.append(teams.begin(GOOD, teams.blue))
        teams.begin(TEAM, teams.blue)
        teams.begin(TEAM, teams.blue)
    seen: list[str] = []
    page = teams.api.get(f"/evaluations?limit={limit}").body
    while True:
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        path = f"/evaluations?limit={limit}&cursor={page['next']}"
        page = teams.api.get(path).body
    assert seen == made[::-1]


def test_published_is_seen_by_everyone_whole_and_for_good(teams: Teams) -> None:
    made = teams.begin(TEAM, teams.blue)
    teams.world.work()
    path = f"/evaluations/{made}"
    assert teams.api.get("/leaderboards/tiny-1~MS-I").body["rows"] == []
    published = teams.change(made, "publish", teams.blue)
    assert (published.status, published.body["visibility"]) == (200, "public")
    assert teams.change(made, "publish", teams.blue).status == 200
    assert len(teams.api.get(f"{path}/results").body["items"]) == 8
    episode = teams.api.get(f"{path}/episodes").body["items"][0]["id"]
    assert teams.api.get(f"/episodes/{episode}/transcript").status == 200
    assert teams.api.get("/evaluations").body["items"][0]["id"] == made
    assert len(teams.api.get("/leaderboards/tiny-1~MS-I").body["rows"]) == 1


def test_the_address_of_a_webhook_and_its_secret_are_shown_to_nobody_else(
    teams: Teams,
) -> None:
    url = "https://93.184.215.14/hooks/T0P-5ECRET"
    made = teams.api.post("/evaluations", {**GOOD, "webhook": url}, teams.blue)
    assert made.status == 202, made.text
    assert made.body["has_webhook"]
    secret = made.body["webhook_secret"]
    assert secret.startswith("whsec_")
    path = f"/evaluations/{made.body['id']}"
    for by in (teams.blue, teams.red, teams.nobody):
        for where in ("/evaluations", path):
            text = teams.api.get(where, by).text
            assert "T0P-5ECRET" not in text
            assert secret not in text
    assert teams.api.get(path).body["has_webhook"]
    teams.world.tilts.spectators.connect("c")
    frames = teams.say("c", action="watch", topic=f"evaluation:{made.body['id']}")
    assert "T0P-5ECRET" not in json.dumps(frames)


# Live.


def hold(teams: Teams, evaluation: str) -> str:
    """An episode of the evaluation that is being played."""
    teams.world.expand()
    items = teams.world.store.episodes(evaluation, "waiting", 1, None).items
    teams.world.store.claim(items[0].id, "worker", teams.world.clock.now(), 90.0)
    return items[0].id


def test_what_a_team_plays_is_not_live_for_anyone(teams: Teams) -> None:
    hold(teams, teams.begin(TEAM, teams.blue))
    shown = hold(teams, teams.begin(GOOD, teams.blue))
    for by in (teams.blue, teams.red, teams.nobody):
        live = teams.api.get("/live", by).body["episodes"]
        assert [episode["id"] for episode in live] == [shown]
    teams.world.tilts.spectators.connect("c")
    (frame,) = teams.say("c", action="watch", topic="live")
    assert [episode["id"] for episode in frame["state"]["episodes"]] == [shown]


# The socket.


@pytest.fixture(params=["evaluation", "episode"])
def topic(request: pytest.FixtureRequest, teams: Teams) -> str:
    """A topic of team blue alone."""
    made = teams.begin(TEAM, teams.blue)
    teams.world.work()
    teams.world.tilts.spectators.connect("c")
    if request.param == "evaluation":
        return f"evaluation:{made}"
    path = f"/evaluations/{made}/episodes"
    episode = teams.api.get(path, teams.blue).body["items"][0]["id"]
    return f"episode:{episode}"


def test_a_ticket_of_the_team_opens_its_topic(topic: str, teams: Teams) -> None:
    frames = teams.say(
        "c", action="watch", topic=topic, ticket=teams.ticket(teams.blue)
    )
    assert frames[-1]["type"] == ("state" if "evaluation" in topic else "caught-up")
    assert teams.world.store.watchers(topic) == ["c"]


def test_without_a_ticket_that_opens_it_the_topic_is_not_there(
    topic: str, teams: Teams
) -> None:
    used = teams.ticket(teams.blue)
    teams.world.tilts.spectators.connect("d")
    assert (
        teams.say("d", action="watch", topic=topic, ticket=used)[0]["type"] != "error"
    )
    late = teams.ticket(teams.blue)
    teams.world.clock.turn(61)
    noun = topic.partition(":")[0]
    (nothing,) = teams.say("c", action="watch", topic=f"{noun}:none")
    strange: list[Any] = [None, 5, "", "ticket_0", [], {}]
    for ticket in (*strange, used, late, teams.ticket(teams.red)):
        (refused,) = teams.say("c", action="watch", topic=topic, ticket=ticket)
        assert refused["type"] == "error"
        assert refused["code"] == nothing["code"] == "unknown-topic"
        assert refused["topic"] == topic
        teams.world.store.forget("c")
        teams.world.tilts.spectators.connect("c")
    (refused,) = teams.say("c", action="watch", topic=topic)
    assert refused["code"] == "unknown-topic"
    assert teams.world.store.watchers(topic) == ["d"]


def test_a_refused_topic_reads_as_one_that_is_not_there(
    topic: str, teams: Teams
) -> None:
    noun, _, name = topic.partition(":")
    (theirs,) = teams.say("c", action="watch", topic=topic)
    (nothing,) = teams.say("c", action="watch", topic=f"{noun}:none")
    assert json.dumps(theirs).replace(name, "none") == json.dumps(nothing)


def test_a_ping_tells_nothing_of_a_topic_that_is_not_followed(
    topic: str, teams: Teams
) -> None:
    frames = teams.say("c", action="ping", topics={topic: 0})
    assert [frame["type"] for frame in frames] == ["pong"]


def test_what_is_public_needs_no_ticket(teams: Teams) -> None:
    made = teams.begin(GOOD, teams.blue)
    teams.world.tilts.spectators.connect("c")
    topic = f"evaluation:{made}"
    assert teams.say("c", action="watch", topic=topic)[0]["type"] == "state"
    for ticket in ("any", teams.ticket(teams.red)):
        frames = teams.say("c", action="watch", topic=topic, ticket=ticket)
        assert frames[0]["type"] == "state"


def test_a_ticket_is_kept_only_as_a_hash(teams: Teams) -> None:
    ticket = teams.ticket(teams.blue)
    assert ticket.startswith("ticket_")
    assert not any(ticket in line for line in teams.api.content())
    assert teams.api.post("/tickets", {}).status == 401
