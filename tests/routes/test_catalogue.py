"""What is here: health, games, players, suites and tasks, with ETags and pages."""

import pytest

from chalicelib.games import GAMES
from chalicelib.players.roster import PLAYERS
from chalicelib.routes.endpoints import ENDPOINTS
from tests.routes.api import Api


def test_health_says_ok(api: Api) -> None:
    assert api.get("/health").body["status"] == "ok"


def test_every_game_is_listed_with_its_variants_and_versions(api: Api) -> None:
    games = {game["code"]: game for game in api.get("/games").body["items"]}
    assert list(games) == list(GAMES)
    assert games["MS-I"]["variants"]["expert"] == {
        "height": 16, "width": 30, "mines": 99,
    }  # fmt: skip
    assert games["MM-I"]["variants"]["classic"]["limit"] == 10
    for game in games.values():
        assert game["engine"]
        assert game["oracle"]
        assert game["generator"]


def test_every_player_is_listed_once(api: Api) -> None:
    ids = [player["id"] for player in api.get("/players").body["items"]]
    assert sorted(ids) == sorted(PLAYERS)


def test_a_suite_counts_its_tasks_by_game_and_variant(api: Api) -> None:
    suite = api.get("/suites/tiny-1").body
    assert suite["tasks"] == 8
    assert suite["games"] == {
        "MS-I": {"5x5": 4, "6x6-noguess": 2},
        "MM-I": {"small": 2},
    }
    assert api.get("/suites").body["items"] == [suite]


def test_tasks_come_in_pages_without_gaps(api: Api) -> None:
    whole = api.get("/suites/tiny-1/tasks?limit=100").body
    assert whole["next"] is None
    assert len(whole["items"]) == 8
    for limit in (1, 3, 4, 7, 8):
        items, path = [], f"/suites/tiny-1/tasks?limit={limit}"
        page = api.get(path).body
        items += page["items"]
        while page["next"]:
            page = api.get(f"{path}&cursor={page['next']}").body
            assert page["items"]
            items += page["items"]
        assert items == whole["items"]


def test_every_task_of_a_suite_is_found_by_its_id(api: Api) -> None:
    for task in api.get("/suites/tiny-1/tasks").body["items"]:
        assert api.get(f"/tasks/{task['id']}").body == task


JSON_READS = [
    endpoint.path
    for endpoint in ENDPOINTS
    if endpoint.method == "GET" and endpoint.reply is not None
]


@pytest.mark.parametrize("template", JSON_READS)
def test_what_has_not_changed_is_304(template: str, api: Api) -> None:
    evaluation = api.evaluate("mock~random~1")["id"]
    episode = api.get(f"/evaluations/{evaluation}/episodes").body["items"][0]
    path = template.format(
        evaluation_id=evaluation,
        episode_id=episode["id"],
        suite_id="tiny-1",
        task_id=episode["task"],
        board_id="tiny-1~MS-I",
    )
    first = api.get(path)
    tag = first.header("ETag")
    assert first.status == 200
    assert tag is not None
    assert tag.startswith('"')
    assert tag.endswith('"')
    again = api.get(path, {"If-None-Match": tag})
    assert (again.status, again.text) == (304, "")
    assert again.header("ETag") == tag
    assert api.get(path, {"If-None-Match": '"other"'}).body == first.body


def test_an_etag_changes_when_the_reply_does(api: Api) -> None:
    tag = api.get("/evaluations").header("ETag") or ""
    api.post("/evaluations", {"suite": "tiny-1", "players": ["baseline~random~1"]})
    changed = api.get("/evaluations", {"If-None-Match": tag})
    assert changed.status == 200
    assert changed.header("ETag") != tag
