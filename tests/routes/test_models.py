"""Models as players: which are on offer, what they cost, and that no more is spent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.players.prompts import prompt_versions
from chalicelib.players.roster import PLAYERS
from chalicelib.settings import Settings
from tests.routes.api import Api, cap_of, check_problem, opened, wanted

Json = dict[str, Any]

KEY = "sk-a-key-that-nobody-shows"
LUNA = "openai~gpt-6-luna"
MONTH = 1_000_000_000
ONCE = {"Idempotency-Key": "once"}


@pytest.fixture
def paid(tmp_path: Path) -> Iterator[Api]:
    """Models can be named and priced; none is ever asked."""
    settings = Settings(
        tmp_path,
        keys={"openai": KEY, "anthropic": None, "compatible": None},
        base_urls={"compatible": "https://models.example/v1"},
        compatible_models="cheap=1/0.1/2, free",
        month_cap_microusd=MONTH,
    )
    with opened(settings) as api:
        yield api


# What is on offer.


def test_every_model_says_whether_it_can_be_used_and_else_why_not(paid: Api) -> None:
    reply = paid.get("/models")
    models = {model["id"]: model for model in reply.body["items"]}
    assert len(models) == len(reply.body["items"])
    for model in models.values():
        assert model["usable"] == (model["reason"] is None)
        if model["usable"]:
            assert model["prices"], model["id"]
    assert models[LUNA]["usable"]
    assert "low" in models[LUNA]["efforts"]
    assert models["compatible~free"]["prices"][0]["out"] == 0
    assert models["compatible~cheap"]["prices"][0]["cached"] == 0.1
    assert "ANTHROPIC_API_KEY" in models["anthropic~claude-opus-5"]["reason"]
    assert "2026-10-23" in models["openai~gpt-4.1-nano"]["reason"]
    assert "no price" in models["openai~gpt-5.5"]["reason"]
    assert set(reply.body["prompts"]) == set(prompt_versions())
    assert KEY not in reply.text


def test_without_keys_no_model_is_usable_and_each_says_what_to_set(
    tmp_path: Path,
) -> None:
    with opened(Settings(tmp_path, compatible_models="own")) as api:
        for model in api.get("/models").body["items"]:
            assert not model["usable"]
            provider = model["provider"].upper()
            variable = "BASE_URL" if provider == "COMPATIBLE" else "API_KEY"
            assert f"{provider}_{variable}" in model["reason"]
        ids = {player["id"] for player in api.get("/players").body["items"]}
        assert ids == set(PLAYERS)


def test_every_usable_model_is_a_player_with_every_prompt(paid: Api) -> None:
    players = paid.get("/players").body["items"]
    usable = {m["id"] for m in paid.get("/models").body["items"] if m["usable"]}
    offered = {player["id"] for player in players} - set(PLAYERS)
    named = {tuple(one.split("~")) for one in offered}
    assert {"~".join(name[:2]) for name in named} == usable
    assert len(named) == len(usable) * len(prompt_versions())
    for player in sorted(offered):
        assert paid.post("/quotes", wanted(player)).status == 200
    assert all(set(player) == {"id", "kind", "games", "about"} for player in players)


# Quotes.


def test_a_quote_has_a_line_for_each_entry_and_their_sums(paid: Api) -> None:
    before = paid.content()
    body = wanted(LUNA, "baseline~random~1", LUNA, repeats=2)
    quote = paid.post("/quotes", body).body
    luna, free, twin = quote["entries"]
    assert luna["entry"].startswith(f"{LUNA}~medium~p1~")
    assert twin == {**luna, "entry": luna["entry"] + "+1"}
    assert (free["maximum_microusd"], free["basis"]) == (0, "free")
    assert [entry["episodes"] for entry in quote["entries"]] == [16, 16, 16]
    for name in ("low_microusd", "expected_microusd", "maximum_microusd", "episodes"):
        assert quote[name] == sum(entry[name] for entry in quote["entries"])
    assert 0 < luna["low_microusd"] <= luna["expected_microusd"]
    assert luna["expected_microusd"] <= luna["maximum_microusd"]
    assert luna["maximum_microusd"] == 16 * luna["episode_cap_microusd"]
    assert luna["basis"] == "estimate"
    assert paid.content() == before


def test_a_cap_bounds_all_that_is_quoted(paid: Api) -> None:
    whole = paid.post("/quotes", wanted(LUNA)).body
    for cap in (1, 100, whole["entries"][0]["episode_cap_microusd"], 10**12):
        quote = paid.post("/quotes", wanted(LUNA, episode_cap_microusd=cap)).body
        (entry,) = quote["entries"]
        most = min(cap, whole["entries"][0]["episode_cap_microusd"])
        assert entry["episode_cap_microusd"] == most
        assert quote["expected_microusd"] <= quote["maximum_microusd"] == 8 * most


def test_who_costs_nothing_is_quoted_at_nothing(paid: Api) -> None:
    quote = paid.post("/quotes", wanted("compatible~free", "mock~random~1")).body
    assert quote["maximum_microusd"] == 0
    assert paid.post("/evaluations", wanted("compatible~free")).status == 202


BAD_PLAYERS = {
    "no key": ("anthropic~claude-opus-5", 400, "ANTHROPIC_API_KEY"),
    "shut down": ("openai~gpt-4.1-nano", 400, "2026-10-23"),
    "no price": ("openai~gpt-5.5", 400, "price"),
    "an unknown effort": (f"{LUNA}~extreme", 400, "medium"),
    "an effort for a model without": ("compatible~cheap~low", 400, "default"),
    "an unknown prompt": (f"{LUNA}~low~p99", 404, "p1, p2"),
    "a prompt elsewhere": (f"{LUNA}~low~../p1", 404, "p1, p2"),
    "a changed hash": (f"{LUNA}~low~p1~000000", 404, f"Today's is '{LUNA}~low~p1~"),
    "a twin's name": (f"{LUNA}~low+1", 400, "medium"),
    "an unknown model": ("openai~gpt-0", 404, "/v1/models"),
    "a provider alone": ("openai", 404, "/v1/models"),
    "an unknown provider": ("nobody~gpt-6-luna", 404, "/v1/players"),
    "a part too many": (f"{LUNA}~low~p1~~x", 404, ""),
}


@pytest.mark.parametrize("path", ["/quotes", "/evaluations"])
@pytest.mark.parametrize("what", BAD_PLAYERS)
def test_a_player_that_cannot_be_asked_is_refused_with_advice(
    what: str, path: str, paid: Api
) -> None:
    player, status, advice = BAD_PLAYERS[what]
    before = paid.content()
    body = wanted("baseline~random~1", player, budget_microusd=10**8)
    reply = paid.post(path, body, ONCE)
    assert reply.status == status, reply.text
    assert advice in check_problem(reply)["detail"]
    assert KEY not in reply.text
    assert paid.content() == before


BAD_SUMS: dict[str, Json] = {
    "a cap of nothing": {"episode_cap_microusd": 0},
    "a cap below nothing": {"episode_cap_microusd": -1},
    "a cap as text": {"episode_cap_microusd": "5"},
    "a cap as a fraction": {"episode_cap_microusd": 0.5},
    "a cap beyond all money": {"episode_cap_microusd": 10**13},
    "a budget beyond all money": {"budget_microusd": 10**13},
    "a budget as a truth": {"budget_microusd": True},
    "a webhook without TLS": {"webhook": "http://example.org/x"},
    "a webhook at this machine": {"webhook": "https://127.0.0.1/x"},
    "a webhook in a private network": {"webhook": "https://10.0.0.1/x"},
    "a webhook at the metadata": {"webhook": "https://169.254.169.254/x"},
    "a webhook that is none": {"webhook": "https://"},
    "a webhook without end": {"webhook": "https://example.org/" + "x" * 500},
}


@pytest.mark.parametrize("path", ["/quotes", "/evaluations"])
@pytest.mark.parametrize("what", BAD_SUMS)
def test_a_sum_or_a_webhook_that_cannot_be_meant_is_refused(
    what: str, path: str, paid: Api
) -> None:
    before = paid.content()
    reply = paid.post(path, wanted(LUNA, **BAD_SUMS[what]), ONCE)
    assert reply.status == 400, reply.text
    check_problem(reply)
    assert paid.content() == before


# Budgets.


def test_a_paid_model_needs_a_budget_and_is_told_where_to_ask(paid: Api) -> None:
    before = paid.content()
    detail = check_problem(paid.post("/evaluations", wanted(LUNA)))["detail"]
    assert "budget_microusd" in detail
    assert "/v1/quotes" in detail
    assert paid.content() == before


def test_a_budget_below_one_episode_is_too_small(paid: Api) -> None:
    cap = cap_of(paid, LUNA)
    before = paid.content()
    for budget in (1, cap - 1):
        reply = paid.post("/evaluations", wanted(LUNA, budget_microusd=budget), ONCE)
        assert reply.status == 402
        assert check_problem(reply)["episode_cap_microusd"] == cap
    assert paid.content() == before
    body = wanted(LUNA, budget_microusd=1, episode_cap_microusd=1)
    assert paid.post("/evaluations", body, {"Idempotency-Key": "a"}).status == 202
    made = paid.post("/evaluations", wanted(LUNA, budget_microusd=cap), ONCE)
    assert made.status == 202
    shown = paid.get(f"/evaluations/{made.body['id']}").body
    assert shown["progress"]["money"] == {
        "budget_microusd": cap,
        "held_microusd": 0,
        "spent_microusd": 0,
    }
    assert shown["pinned"]["quote"]["maximum_microusd"] == 8 * cap


def test_the_dearest_player_decides_what_is_enough(paid: Api) -> None:
    dear = "openai~gpt-6-astra"
    cheap, most = cap_of(paid, LUNA), cap_of(paid, dear)
    assert cheap < most
    body = wanted(LUNA, dear, budget_microusd=cheap)
    reply = paid.post("/evaluations", body, ONCE)
    assert (reply.status, check_problem(reply)["episode_cap_microusd"]) == (402, most)


def test_what_costs_needs_a_key_of_its_own(paid: Api) -> None:
    before = paid.content()
    body = wanted(LUNA, budget_microusd=MONTH)
    reply = paid.post("/evaluations", body)
    assert reply.status == 400
    assert "Idempotency-Key" in check_problem(reply)["detail"]
    assert paid.content() == before
    first = paid.post("/evaluations", body, ONCE)
    # All of the month is set aside, and the same request is not a second one.
    again = paid.post("/evaluations", body, ONCE)
    assert (first.status, again.status) == (202, 202)
    assert again.body["id"] == first.body["id"]


def test_no_more_than_a_month_allows_is_set_aside(paid: Api) -> None:
    half = wanted(LUNA, budget_microusd=600_000_000)
    assert paid.post("/evaluations", half, ONCE).status == 202
    before = paid.content()
    reply = paid.post("/evaluations", half, {"Idempotency-Key": "twice"})
    assert reply.status == 402
    assert check_problem(reply)["left_microusd"] == 400_000_000
    assert paid.content() == before
    (first,) = paid.get("/evaluations").body["items"]
    paid.post(f"/evaluations/{first['id']}/cancel")
    paid.world.expand()
    assert paid.post("/evaluations", half, {"Idempotency-Key": "twice"}).status == 202


def test_an_idempotency_key_belongs_to_its_team(paid: Api) -> None:
    body = wanted(LUNA, budget_microusd=MONTH)
    made = set()
    for team in ("blue", "red"):
        _, text = paid.world.tilts.access.create("submitter", team, "")
        headers = {**ONCE, "Authorization": f"Bearer {text}"}
        reply = paid.post("/evaluations", body, headers)
        assert (reply.status, reply.body["team"]) == (202, team)
        made.add(reply.body["id"])
    assert len(made) == 2


# The kill switch.


def test_the_switch_is_off_until_it_is_set(api: Api) -> None:
    off = {"stopped": False, "reason": ""}
    assert api.get("/kill-switch").body == off
    on = {"stopped": True, "reason": "The bill looks wrong."}
    assert api.post("/kill-switch", on).body == on
    assert api.post("/kill-switch", on).body == on
    assert api.get("/kill-switch").body == on
    assert api.post("/kill-switch", {"stopped": False}).body == off
    assert api.get("/kill-switch").body == off


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": "why"},
        {"stopped": "yes"},
        {"stopped": 1},
        {"stopped": None},
        {"stopped": True, "reason": "x" * 201},
        {"stopped": True, "reason": None},
        {"stopped": True, "until": "tomorrow"},
    ],
)
def test_a_switch_that_cannot_be_meant_is_not_set(body: Json, api: Api) -> None:
    before = api.content()
    reply = api.post("/kill-switch", body)
    assert reply.status == 400
    check_problem(reply)
    assert api.content() == before
