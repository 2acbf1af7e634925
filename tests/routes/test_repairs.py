"""Models that play, against a server of this machine; retries and further entries."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.settings import Settings
from tests.modelserver.child import ModelServerHandle, model_server_process
from tests.routes.api import Api, cap_of, check_problem, opened, wanted

Json = dict[str, Any]

WEAK = "compatible~tilts-weak"
MONTH = 1_000_000_000
ONCE = {"Idempotency-Key": "once"}


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServerHandle]:
    with model_server_process() as handle:
        yield handle


@pytest.fixture
def reach(tmp_path: Path, server: ModelServerHandle) -> Callable[[str], Settings]:
    """Settings under which the server is asked with a key."""
    server.reset()
    return lambda key: Settings(
        tmp_path,
        keys={"compatible": key},
        base_urls={"compatible": server.openai_url},
        compatible_models="tilts-weak=0.1/0.01/0.5",
        allow_local_models=True,
        month_cap_microusd=MONTH,
    )


@pytest.fixture
def playing(
    reach: Callable[[str], Settings], server: ModelServerHandle
) -> Iterator[Api]:
    with opened(reach(server.key)) as api:
        yield api


def begin(api: Api) -> str:
    """An evaluation of a model, with money for one episode at a time and more."""
    body = wanted(WEAK, budget_microusd=4 * cap_of(api, WEAK))
    made = api.post("/evaluations", body, ONCE)
    assert made.status == 202, made.text
    evaluation: str = made.body["id"]
    return evaluation


def spent_on(api: Api, evaluation: str) -> int:
    """What the ledgers of all episodes of an evaluation add up to."""
    episodes = api.get(f"/evaluations/{evaluation}/episodes").body["items"]
    calls = [
        call
        for episode in episodes
        for call in api.get(f"/episodes/{episode['id']}/calls").body["items"]
    ]
    assert all(call["status"] == "settled" for call in calls)
    assert all(call["cost_microusd"] <= call["max_microusd"] for call in calls)
    return sum(call["cost_microusd"] for call in calls)


def test_a_model_plays_and_every_micro_dollar_is_accounted_for(playing: Api) -> None:
    made = begin(playing)
    playing.world.work()
    for _ in range(20):
        playing.world.clock.turn(6)
        playing.world.work()
    shown = playing.get(f"/evaluations/{made}").body
    assert (shown["status"], shown["end"], shown["note"]) == (
        "finished",
        "complete",
        None,
    )
    money = shown["progress"]["money"]
    assert money["held_microusd"] == 0
    assert 0 < money["spent_microusd"] == spent_on(playing, made)
    assert money["spent_microusd"] <= money["budget_microusd"]
    assert set(shown["progress"]["gates"]) <= {"compatible"}
    results = playing.get(f"/evaluations/{made}/results").body["items"]
    assert len(results) == 8
    costs = [row["scores"]["cost_microusd"] for row in results]
    assert sum(costs) == money["spent_microusd"]
    assert playing.get("/leaderboards/tiny-1~MM-I").body["rows"][0]["cost_microusd"] > 0
    (entry,) = playing.post("/quotes", wanted(WEAK)).body["entries"]
    assert entry["expected_microusd"] <= entry["maximum_microusd"]

    # Entries: a free one needs no money, a twin of the model needs some.
    path = f"/evaluations/{made}/entries"
    before = playing.content()
    assert playing.post(path, {"players": [WEAK]}).status == 400
    body = {"players": [WEAK], "budget_microusd": 1}
    assert playing.post(path, body).status == 402
    assert playing.post(path, {"players": ["nobody"]}).status == 404
    assert playing.post(path, {"players": []}).status == 400
    assert playing.post(path, {}).status == 400
    assert playing.content() == before
    added = playing.post(path, {"players": ["mock~random~1"]})
    assert (added.status, added.body["status"]) == (200, "expanding")
    assert added.body["entries"] == [*shown["entries"], "mock~random~1"]
    assert playing.post(path, {"players": ["mock~random~1"]}).status == 409
    playing.world.work()
    over = playing.get(f"/evaluations/{made}").body
    assert (over["status"], over["progress"]["over"]) == ("finished", 16)
    assert over["progress"]["money"]["spent_microusd"] == money["spent_microusd"]


def test_while_the_switch_is_on_no_model_is_asked(
    playing: Api, server: ModelServerHandle
) -> None:
    assert playing.post("/kill-switch", {"stopped": True}).status == 200
    made = begin(playing)
    playing.world.work()
    shown = playing.get(f"/evaluations/{made}").body
    assert shown["progress"]["over"] == 0
    assert spent_on(playing, made) == 0
    playing.post("/kill-switch", {"stopped": False})
    for _ in range(20):
        playing.world.clock.turn(6)
        playing.world.work()
    assert playing.get(f"/evaluations/{made}").body["end"] == "complete"


def test_a_key_that_is_refused_ends_it_and_a_retry_with_another_goes_on(
    reach: Callable[[str], Settings], server: ModelServerHandle
) -> None:
    with opened(reach("sk-wrong-0123456789")) as api:
        made = begin(api)
        api.world.work()
        reply = api.get(f"/evaluations/{made}")
        assert (reply.body["status"], reply.body["end"]) == ("finished", "failed")
        assert reply.body["note"].startswith(WEAK)
        assert "sk-wrong" not in reply.text
    with opened(reach(server.key)) as api:
        retried = api.post(
            f"/evaluations/{made}/retry", {"budget_microusd": 4 * cap_of(api, WEAK)}
        )
        assert (retried.status, retried.body["status"]) == (200, "expanding")
        assert api.post(f"/evaluations/{made}/retry", {}).status == 409
        for _ in range(20):
            api.world.work()
            api.world.clock.turn(6)
        over = api.get(f"/evaluations/{made}").body
        assert (over["status"], over["end"]) == ("finished", "complete")
        assert over["note"] is None


# Repairs.


@pytest.mark.parametrize(
    "body", [{"budget_microusd": -1}, {"budget_microusd": "1"}, {"players": []}, []]
)
def test_a_retry_that_cannot_be_meant_is_refused(body: Any, api: Api) -> None:
    made = api.evaluate("baseline~random~1")["id"]
    before = api.content()
    reply = api.post(f"/evaluations/{made}/retry", body)
    assert reply.status == 400
    check_problem(reply)
    assert api.content() == before


def test_a_retry_plays_what_failed_and_nothing_else(api: Api) -> None:
    made = api.post("/evaluations", wanted("baseline~random~1")).body["id"]
    api.world.expand()
    path = f"/evaluations/{made}"
    reply = api.post(f"{path}/retry", {})
    assert reply.status == 409
    assert "finished" in check_problem(reply)["detail"]
    first = api.get(f"{path}/episodes?limit=1").body["items"][0]["id"]
    api.world.store.close(first, "failed", "infra", "The cable was cut.")
    api.world.work()
    assert api.get(path).body["progress"]["states"] == {
        "failed.infra": 1,
        "finished.lost": 8 - 1 - won(api, made),
        **({"finished.won": won(api, made)} if won(api, made) else {}),
    }
    assert api.get(f"/episodes/{first}").body["note"] == "The cable was cut."
    assert api.post(f"{path}/retry", {}).status == 200
    api.world.work()
    shown = api.get(path).body
    assert (shown["end"], shown["progress"]["over"]) == ("complete", 8)
    assert api.get(f"/episodes/{first}").body["status"] == "finished"
    assert api.get(f"/episodes/{first}").body["note"] is None
    assert len(api.get(f"{path}/results").body["items"]) == 8


def won(api: Api, evaluation: str) -> int:
    rows = api.get(f"/evaluations/{evaluation}/results").body["items"]
    return sum(row["end"] == "won" for row in rows)


def test_what_was_cancelled_is_not_gone_on_with(api: Api) -> None:
    made = api.post("/evaluations", wanted("baseline~random~1")).body["id"]
    api.post(f"/evaluations/{made}/cancel")
    api.world.work()
    before = api.content()
    bodies: dict[str, Json] = {"retry": {}, "entries": {"players": ["mock~random~1"]}}
    for action, body in bodies.items():
        reply = api.post(f"/evaluations/{made}/{action}", body)
        assert reply.status == 409
        check_problem(reply)
    assert api.content() == before


@pytest.mark.parametrize("action", ["retry", "entries", "publish"])
def test_an_unknown_evaluation_is_not_mended(action: str, api: Api) -> None:
    body = {"players": ["mock~random~1"]} if action == "entries" else {}
    reply = api.post(f"/evaluations/ev_0/{action}", body)
    assert reply.status == 404
    check_problem(reply)
