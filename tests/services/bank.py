"""A world with models that cost, its account, and ways to spend."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chalicelib.players.model_player import ModelPlayer
from chalicelib.records import (
    SWITCH,
    Call,
    Episode,
    Evaluation,
    NewEvaluation,
)
from chalicelib.settings import Settings
from tests.modelserver.child import ModelServerHandle, model_server_process
from tests.services.breaking import close_world, make_worker
from tests.world import World

T = TypeVar("T")
Json = dict[str, Any]
STRONG, WEAK = "compatible~tilts-strong", "compatible~tilts-weak"
GPT, CLAUDE = "openai~gpt-6-luna~low", "anthropic~claude-haiku-5-5~low"
PRICES = "tilts-strong=3/0.3/15, tilts-weak=2/0.2/10, tilts-medium=2/0.2/10"
MONTH_CAP = 1_000_000_000
TEAM = "tests"
MONTH = "2026-11"
EPISODE_CAP = 500_000
"""Enough for any small game here, and for one call at its maximum."""


class Bank(World):
    """A world whose models are the local server's."""

    def __init__(self, path: Path, settings: Settings, server: ModelServerHandle):
        super().__init__(path, settings)
        self.server = server

    def submit(self, *players: str, **changes: Any) -> Evaluation:
        values: Json = {
            "suite": "tiny-1",
            "players": players,
            "budget_microusd": 50_000_000,
            "episode_cap_microusd": EPISODE_CAP,
            **changes,
        }
        return self.tilts.evaluations.create(NewEvaluation(**values), TEAM, None)

    def play_out(self, evaluation: Evaluation, rounds: int = 200) -> Evaluation:
        """Work until it is over, letting time pass for those that wait."""
        for _ in range(rounds):
            self.work()
            found = self.store.evaluation(evaluation.id)
            if found.status == "finished":
                return found
            self.clock.turn(6.0)
            self.tilts.sweep()
        raise AssertionError(f"{evaluation.id} never ended")

    def episodes(self, evaluation: Evaluation) -> list[Episode]:
        return list(self.store.episodes(evaluation.id, None, 1_000, None).items)

    def calls(self, evaluation: Evaluation) -> list[Call]:
        return [
            call
            for episode in self.episodes(evaluation)
            for call in self.store.calls(episode.id)
        ]

    def cost(self, evaluation: Evaluation) -> int:
        """The sum of the ledger, an open intent at its maximum."""
        return sum(
            call.max_microusd if call.status == "intent" else call.cost_microusd
            for call in self.calls(evaluation)
        )

    def stop_calls(self, stopped: bool) -> None:
        was = self.store.document(*SWITCH)
        assert self.store.change_document(*SWITCH, was, {"stopped": stopped})

    def close(self) -> None:
        """Give back the connections, the event loop and the file."""
        for player in (WEAK, GPT, CLAUDE):
            found = self.tilts.players.find(player)
            assert isinstance(found, ModelPlayer)
            self.tilts.run(found.model().aclose)
        close_world(self)


def settings_for(server: ModelServerHandle, data: Path, **changes: Any) -> Settings:
    values: Json = {
        "keys": dict.fromkeys(("openai", "anthropic", "compatible"), server.key),
        "base_urls": {
            "openai": server.openai_url,
            "anthropic": server.origin,
            "compatible": server.openai_url,
        },
        "compatible_models": PRICES,
        "allow_local_models": True,
        "month_cap_microusd": MONTH_CAP,
        **changes,
    }
    return Settings(data, **values)


@pytest.fixture
def bank(tmp_path: Path, model_server: ModelServerHandle) -> Iterator[Bank]:
    made = Bank(
        tmp_path / "bank.db", settings_for(model_server, tmp_path), model_server
    )
    yield made
    made.close()


@pytest.fixture
def named_bank(tmp_path: Path) -> Iterator[Bank]:
    """Its server lends itself the name of another provider's model, too."""
    with model_server_process("--name", "gpt-6-luna=tilts-weak") as server:
        made = Bank(tmp_path / "bank.db", settings_for(server, tmp_path), server)
        yield made
        made.close()


class Watching:
    """A `perform` that looks after every io point; a call takes a second."""

    def __init__(self, bank: Bank, look: Callable[[str], object]) -> None:
        self._bank = bank
        self._look = look

    async def __call__(self, call: Callable[..., T], *args: Any) -> T:
        result = call(*args)
        if call.__name__ == "intend":
            self._bank.clock.turn(1.0)
        self._look(call.__name__)
        return result


def play_watched(bank: Bank, look: Callable[[str], object]) -> None:
    """Play all messages there are under the eyes of `look`."""
    bank.expand()
    worker = make_worker(bank, Watching(bank, look), bank.clock)
    while messages := bank.queue.receive("play", 10, 900):
        ids = [one for message in messages for one in message.body["play"]]
        bank.tilts.run(
            lambda ids=ids: worker.play(ids, bank.clock.now() + 900)  # type: ignore[misc]  # a default in a lambda has no type
        )
        bank.queue.delete(messages)
