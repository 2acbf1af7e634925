"""An evaluation through the real handlers: request, queues, sockets, schedule."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.errors import StartError
from chalicelib.services.heartbeats import LEASE_SECONDS
from chalicelib.services.sweeps import ASK_AGAIN_SECONDS
from chalicelib.settings import Settings, read_settings
from tests.handlers.cloud import Stage, captured, stage_over_moto

Json = dict[str, Any]
WANTED = {"suite": "tiny-1", "players": ["baseline~random~1"]}
EPISODES = 8
SECONDS_THAT_SUFFICE_FOR_LITTLE = 10.6
ROOT = Path(__file__).parents[2]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with stage_over_moto() as made:
        yield made


@pytest.fixture
def key(stage: Stage) -> str:
    _, text = stage.tilts.access.create("submitter", "blue", "for tests")
    return text


def begin(stage: Stage, key: str) -> str:
    status, made = stage.request("POST", "/evaluations", WANTED, key)
    assert status == 202, made
    return str(made["id"])


def results(stage: Stage, evaluation: str) -> list[Json]:
    status, page = stage.request(
        "GET", "/evaluations/{evaluation_id}/results", evaluation_id=evaluation
    )
    assert status == 200, page
    rows: list[Json] = page["items"]
    return rows


def test_an_evaluation_is_played_over_several_warm_invocations(
    stage: Stage, key: str
) -> None:
    evaluation = begin(stage, key)
    assert stage.deliver("expand") == 1
    committed = [0]
    while stage.deliver("play", seconds=SECONDS_THAT_SUFFICE_FOR_LITTLE):
        committed.append(events_of(stage, evaluation))
        assert len(committed) < 100
    assert len(committed) > 3
    assert committed == sorted(committed)
    rows = results(stage, evaluation)
    assert len(rows) == EPISODES
    _, shown = stage.request(
        "GET", "/evaluations/{evaluation_id}", evaluation_id=evaluation
    )
    assert (shown["status"], shown["end"]) == ("finished", "complete")
    for row in rows:
        assert stage.tilts.store.transcript(row["episode"])


def events_of(stage: Stage, evaluation: str) -> int:
    store = stage.tilts.store
    episodes = store.episodes(evaluation, None, 100, None).items
    return sum(len(store.events(one.id, 0, 1_000)) for one in episodes)


def test_a_spectator_sees_what_is_committed(stage: Stage, key: str) -> None:
    evaluation = begin(stage, key)
    stage.deliver("expand")
    assert stage.say("connect") == []
    (state,) = stage.say(
        "message", {"action": "watch", "topic": f"evaluation:{evaluation}"}
    )
    assert state["state"]["status"] == "queued"
    (episode, *_) = stage.tilts.store.episodes(evaluation, None, 1, None).items
    topic = f"episode:{episode.id}"
    (caught_up,) = stage.say("message", {"action": "watch", "topic": topic, "after": 0})
    assert caught_up == {"type": "caught-up", "topic": topic, "n": 0}
    stage.work()
    frames = [json.loads(text) for _, text in stage.feed.sent]
    seen = {frame["n"] for frame in frames if frame["type"] == "event"}
    count = len(stage.tilts.store.events(episode.id, 0, 1_000))
    assert seen == set(range(1, count + 1))
    assert {to for to, _ in stage.feed.sent} == {"a1b2c3d4e5/v1/c1="}
    assert stage.tilts.spectators.count() == 1
    stage.say("disconnect")
    assert stage.tilts.spectators.count() == 0


def test_a_socket_that_is_gone_is_forgotten(stage: Stage, key: str) -> None:
    evaluation = begin(stage, key)
    stage.say("connect")
    stage.say("message", {"action": "watch", "topic": f"evaluation:{evaluation}"})
    stage.feed.gone.add("a1b2c3d4e5/v1/c1=")
    stage.work()
    assert stage.tilts.spectators.count() == 0


def test_a_sweep_finds_what_a_dead_worker_left(stage: Stage, key: str) -> None:
    evaluation = begin(stage, key)
    stage.deliver("expand")
    stage.lose("play")
    store = stage.tilts.store
    (left, *_) = store.episodes(evaluation, None, 1, None).items
    assert store.claim(left.id, "dead", stage.clock.now(), LEASE_SECONDS)
    stage.call("sweep", captured("schedule"))
    assert stage.deliver("play") == 0
    stage.clock.turn(ASK_AGAIN_SECONDS)
    stage.call("sweep", captured("schedule"))
    stage.work()
    assert store.episode(left.id).is_over
    assert len(results(stage, evaluation)) == EPISODES


def test_a_fresh_process_goes_on_where_the_last_one_was(stage: Stage, key: str) -> None:
    evaluation = begin(stage, key)
    stage.deliver("expand")
    stage.deliver("play", seconds=11.0)
    stage.tilts.close()
    stage.tilts = stage.wire()
    wiring.install(stage.tilts)
    stage.work()
    assert len(results(stage, evaluation)) == EPISODES


def test_what_is_played_and_sent_is_counted_for_the_dashboards(
    stage: Stage, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(stage, key)
    stage.work()
    stage.call("sweep", captured("schedule"))
    lines = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    emf = [line for line in lines if "_aws" in line]
    started = sum(sum(line.get("EpisodesStarted", [])) for line in emf)
    assert started == EPISODES
    assert any("DueEpisodes" in line for line in emf)


def test_a_message_of_another_version_is_passed_over_and_counted(
    stage: Stage,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for function in ("play_episodes", "expand_evaluation", "broadcast", "notify"):
        stage.call(function, captured("sqs-of-another-version"))
    refused = capsys.readouterr().out.count('"MessagesRefused": [1.0]')
    assert refused == len(caplog.records) == 4


# Access.


def test_nobody_writes_without_a_key(stage: Stage) -> None:
    status, problem = stage.request("POST", "/evaluations", WANTED)
    assert (status, problem["title"]) == (401, "A key is needed")


def test_a_model_whose_key_is_not_set_says_which_parameter_to_set(
    stage: Stage,
) -> None:
    status, page = stage.request("GET", "/models")
    assert status == 200
    row = next(one for one in page["items"] if one["id"].startswith("openai~"))
    assert not row["usable"]
    assert "the parameter /tilts/dev/openai-api-key" in json.dumps(row)


def test_secrets_of_the_environment_are_not_those_of_the_cloud(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TILTS_STAGE", "dev")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "KEY_PEPPER"):
        monkeypatch.setenv(name, "of the environment")
    monkeypatch.setenv("ALLOW_LOCAL_MODELS", "1")
    settings = read_settings()
    assert (settings.stage, settings.require_keys) == ("dev", True)
    assert "of the environment" not in repr(
        [*settings.keys.values(), settings.pepper, settings.allow_local_models]
    )
    assert not settings.allow_local_models


@pytest.mark.parametrize(
    "stage", ["Prod", "1", "a b", "x" * 13, "dev-1", "dév", "dev\n"]
)
def test_a_stage_that_cannot_be_part_of_a_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setenv("TILTS_STAGE", stage)
    with pytest.raises(StartError, match="TILTS_STAGE"):
        read_settings()


def test_without_a_region_the_cloud_cannot_start() -> None:
    with pytest.raises(StartError, match="AWS_REGION"):
        wiring.wire(Settings(Path(), "dev"))


def test_queues_are_named_by_the_stage_wherever_the_app_is_loaded() -> None:
    code = (
        "import app; print(*sorted(s.queue for s in app.app.event_sources"
        " if hasattr(s, 'queue')))"
    )
    for stage, prefix in (("", "tilts"), ("prod", "tilts-prod")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PATH": "", "TILTS_STAGE": stage},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [
            f"{prefix}-{name}" for name in ("broadcast", "expand", "play", "webhook")
        ]
