"""The life of an evaluation over HTTP, its episodes, and its results."""

import csv
import io
import json
from hashlib import sha256
from typing import Any

import pytest

from chalicelib.records import Result
from chalicelib.routes.tables import guard, write_csv
from tests.routes.api import Api, check_problem

Json = dict[str, Any]

GOOD = {"suite": "tiny-1", "players": ["baseline~random~1"]}


def collect(api: Api, path: str) -> list[Json]:
    """The items of all pages."""
    page = api.get(path).body
    items: list[Json] = page["items"]
    while page["next"]:
        page = api.get(f"{path}&cursor={page['next']}").body
        assert page["items"], "an empty page that is not the last"
        items += page["items"]
    return items


def test_an_evaluation_is_accepted_and_then_played_to_its_end(api: Api) -> None:
    made = api.post("/evaluations", {**GOOD, "name": "First", "tags": ["a", "b"]})
    assert made.status == 202
    assert (made.body["status"], made.body["end"]) == ("expanding", None)
    assert (made.body["name"], made.body["tags"]) == ("First", ["a", "b"])
    assert set(made.body["pinned"]["versions"]) == {"MS-I", "MM-I"}
    path = f"/evaluations/{made.body['id']}"
    assert (made.body["note"], made.body["has_webhook"]) == (None, False)
    assert made.body["webhook_secret"] is None
    assert api.get(path).body["progress"] == {
        "episodes": 8,
        "over": 0,
        "states": {},
        "money": {"budget_microusd": 0, "held_microusd": 0, "spent_microusd": 0},
        "gates": {},
    }
    api.world.expand()
    queued = api.get(path).body
    assert queued["status"] == "queued"
    assert queued["progress"]["states"] == {"waiting": 8}
    api.world.work()
    over = api.get(path).body
    assert (over["status"], over["end"]) == ("finished", "complete")
    assert over["progress"]["over"] == over["progress"]["episodes"] == 8
    (listed,) = api.get("/evaluations").body["items"]
    assert listed == over


def test_a_player_is_only_asked_for_the_games_it_plays(api: Api) -> None:
    evaluation = api.evaluate("baseline~safest~1", "baseline~entropy~1")
    assert evaluation["progress"]["episodes"] == 6 + 2
    items = collect(api, f"/evaluations/{evaluation['id']}/episodes?limit=3")
    played = {(item["entry"], item["game"]) for item in items}
    assert played == {("baseline~safest~1", "MS-I"), ("baseline~entropy~1", "MM-I")}


def test_a_player_named_twice_has_a_twin_with_episodes_of_its_own(api: Api) -> None:
    evaluation = api.evaluate("baseline~random~1", "baseline~random~1", repeats=2)
    assert evaluation["entries"] == ["baseline~random~1", "baseline~random~1+1"]
    items = collect(api, f"/evaluations/{evaluation['id']}/episodes?limit=7")
    keys = {(item["entry"], item["task"], item["repeat"]) for item in items}
    assert len(keys) == len(items) == 2 * 8 * 2
    assert len({item["id"] for item in items}) == 32


def test_the_same_key_and_body_give_the_same_evaluation(api: Api) -> None:
    first = api.post("/evaluations", GOOD, {"Idempotency-Key": "k1"})
    again = api.post("/evaluations", GOOD, {"Idempotency-Key": "k1"})
    assert again.status == 202
    assert again.body == first.body
    assert len(api.get("/evaluations").body["items"]) == 1
    other = api.post("/evaluations", GOOD, {"Idempotency-Key": "k2"})
    assert other.body["id"] != first.body["id"]


def test_the_same_key_is_the_same_after_the_evaluation_is_over(api: Api) -> None:
    made = api.post("/evaluations", GOOD, {"Idempotency-Key": "k1"}).body["id"]
    api.world.work()
    rows = api.rows()
    again = api.post("/evaluations", GOOD, {"Idempotency-Key": "k1"})
    assert (again.status, again.body["id"]) == (202, made)
    assert again.body["status"] == "finished"
    assert api.rows() == rows


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"tags": ["x"]},
        {"repeats": 2},
        {"budget_microusd": 1},
        {"players": ["baseline~random~1", "baseline~random~1"]},
    ],
)
def test_the_same_key_with_another_body_is_refused(changes: Json, api: Api) -> None:
    api.post("/evaluations", GOOD, {"Idempotency-Key": "k1"})
    before = api.content()
    reply = api.post("/evaluations", {**GOOD, **changes}, {"Idempotency-Key": "k1"})
    assert reply.status == 409
    assert "new key" in check_problem(reply)["detail"]
    assert api.content() == before


def test_evaluations_are_listed_newest_first_in_pages_without_gaps(api: Api) -> None:
    made = [api.post("/evaluations", GOOD).body["id"] for _ in range(7)]
    for limit in (1, 2, 3, 7, 100):
        items = collect(api, f"/evaluations?limit={limit}")
        assert [item["id"] for item in items] == made[::-1]


def test_a_page_stays_right_while_evaluations_are_added(api: Api) -> None:
    made = [api.post("/evaluations", GOOD).body["id"] for _ in range(4)]
    first = api.get("/evaluations?limit=2").body
    api.post("/evaluations", GOOD)
    second = api.get(f"/evaluations?limit=2&cursor={first['next']}").body
    seen = [item["id"] for item in first["items"] + second["items"]]
    assert seen == made[::-1]


def test_evaluations_can_be_filtered_by_status_and_suite(api: Api) -> None:
    api.evaluate("baseline~random~1")
    waiting = api.post("/evaluations", GOOD).body["id"]
    listed = api.get("/evaluations?status=expanding&suite=tiny-1").body["items"]
    assert [item["id"] for item in listed] == [waiting]
    assert api.get("/evaluations?suite=core-1").body["items"] == []


def test_pausing_stops_and_resuming_goes_on(api: Api) -> None:
    made = api.post("/evaluations", GOOD).body["id"]
    api.world.expand()
    assert api.post(f"/evaluations/{made}/pause").body["status"] == "paused"
    api.world.work()
    paused = api.get(f"/evaluations/{made}").body
    assert paused["status"] == "paused"
    assert paused["progress"]["over"] == 0
    assert api.post(f"/evaluations/{made}/resume").status == 200
    api.world.work()
    assert api.get(f"/evaluations/{made}").body["end"] == "complete"


def test_cancelling_leaves_what_was_not_played_unplayed(api: Api) -> None:
    made = api.post("/evaluations", GOOD).body["id"]
    api.world.expand()
    cancelled = api.post(f"/evaluations/{made}/cancel").body
    assert (cancelled["status"], cancelled["end"]) == ("finished", "cancelled")
    api.world.work()
    progress = api.get(f"/evaluations/{made}").body["progress"]
    assert progress["states"] == {"unplayed.cancelled": 8}
    assert api.post(f"/evaluations/{made}/cancel").status == 409


def test_episodes_can_be_filtered_by_status(api: Api) -> None:
    made = api.evaluate("baseline~random~1")["id"]
    path = f"/evaluations/{made}/episodes?limit=3"
    assert len(collect(api, f"{path}&status=finished")) == 8
    assert collect(api, f"{path}&status=waiting") == []


def test_results_come_in_pages_without_gaps_and_cover_their_transcripts(
    api: Api,
) -> None:
    made = api.evaluate("baseline~random~1", "mock~stumbling~1")["id"]
    whole = collect(api, f"/evaluations/{made}/results?limit=100")
    assert len({row["episode"] for row in whole}) == len(whole) == 16
    for limit in (1, 5, 8):
        assert collect(api, f"/evaluations/{made}/results?limit={limit}") == whole
    for row in whole:
        transcript = api.get(f"/episodes/{row['episode']}/transcript").text
        assert sha256(transcript.encode()).hexdigest() == row["log_hash"]


def test_results_as_lines_are_the_results_as_json(api: Api) -> None:
    made = api.evaluate("mock~stumbling~1")["id"]
    whole = api.get(f"/evaluations/{made}/results").body["items"]
    reply = api.get(f"/evaluations/{made}/results?format=jsonl")
    assert reply.header("Content-Type") == "application/x-ndjson"
    assert [json.loads(line) for line in reply.text.splitlines()] == whole


def test_results_as_a_table_have_a_row_for_each_and_the_same_columns(api: Api) -> None:
    made = api.evaluate("mock~stumbling~1", "mock~illegal~1")["id"]
    whole = api.get(f"/evaluations/{made}/results").body["items"]
    reply = api.get(f"/evaluations/{made}/results?format=csv")
    assert (reply.header("Content-Type") or "").startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(reply.text, newline="")))
    assert reply.text.count("\r\n") == reply.text.count("\n") == 1 + len(whole)
    assert [row["episode"] for row in rows] == [row["episode"] for row in whole]
    assert [row["scores.won"] for row in rows] == [
        str(row["scores"]["won"]) for row in whole
    ]
    assert all(None not in row and None not in row.values() for row in rows)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_long_table_says_where_it_goes_on(form: str, api: Api) -> None:
    made = api.evaluate("baseline~random~1")["id"]
    path = f"/evaluations/{made}/results?format={form}"
    whole = api.get(path).text.splitlines()
    head = 1 if form == "csv" else 0
    first = api.get(f"{path}&limit=3")
    link = first.header("Link") or ""
    assert link.endswith('>; rel="next"')
    lines = first.text.splitlines()
    # One page of all that is left: the columns are those of its rows.
    rest = api.get(link.partition(">")[0].removeprefix("</v1")).text.splitlines()
    assert len(lines) - head == 3
    assert len(rest) - head == 5
    if form == "jsonl":
        assert lines + rest == whole


def test_text_that_a_spreadsheet_would_run_is_made_plain() -> None:
    starts = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", '=HYPERLINK("x")']
    harmless = ["x=1", "1-1", "", "ep_1"]
    results = [
        Result(text, "e", "n", "t", "g", "v", "s", 0, "h", "o", "won", "", {"x": -1})
        for text in starts + harmless
    ]
    cells = [
        row["episode"]
        for row in csv.DictReader(io.StringIO(write_csv(results), newline=""))
    ]
    assert cells == [f"'{text}" for text in starts] + harmless
    assert guard("\r=1") == "'\r=1"
    assert "\n-1" not in write_csv(results)
    assert write_csv(results).splitlines()[1].endswith(",-1"), "numbers stay numbers"


def test_a_hostile_name_comes_back_as_it_is_and_harms_nothing(api: Api) -> None:
    name = "<script>alert(1)</script>'; DROP TABLE evaluations; -- \u202e"
    made = api.post("/evaluations", {**GOOD, "name": name}).body
    shown = api.get(f"/evaluations/{made['id']}")
    assert shown.body["name"] == name
    assert shown.header("Content-Type") == "application/json"


def test_an_evaluation_of_a_team_is_on_no_board(api: Api) -> None:
    api.evaluate("baseline~random~1", visibility="team")
    assert api.get("/leaderboards/tiny-1~MS-I").body["rows"] == []
