"""Keys that are kept elsewhere: read when they are needed, and anew when they change."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from chalicelib.errors import StartError, StoreBusyError
from chalicelib.interfaces import Store
from chalicelib.players.model_player import ModelPlayer
from chalicelib.services.access import Pepper
from chalicelib.services.offers import KeptServices, Offers
from chalicelib.services.players import Players
from chalicelib.wiring import show_gate
from tests.world import CountingIds, TestClock, World

PLAYER = "openai~gpt-6-luna~low"


@dataclass
class Changing:
    """Where a key of openai is kept that is what it is now."""

    key: str | None

    @property
    def services(self) -> KeptServices:
        return KeptServices(
            ("openai", "anthropic"),
            lambda secret: self.key if secret == "openai-api-key" else None,
            lambda secret: f"/tilts/dev/{secret}",
            {},
        )


def make_players(kept: Changing) -> tuple[Offers, Players]:
    clock = TestClock()
    offers = Offers(clock, kept.services, "")
    return offers, Players(clock, offers, lambda provider, limit: None, False)


def test_a_changed_key_gets_a_connection_of_its_own() -> None:
    kept = Changing("sk-first")
    player = cast(ModelPlayer, make_players(kept)[1].find(PLAYER))
    first: Any = player.model()
    assert player.model() is first
    kept.key = "sk-second"
    second: Any = player.model()
    assert second is not first
    assert player.model() is second


def test_a_provider_is_usable_as_soon_as_its_key_is_set() -> None:
    kept = Changing(None)
    offers, _ = make_players(kept)
    row = offers.row("openai~gpt-6-luna")
    refusal = offers.refusal(row)
    assert refusal
    assert "the parameter /tilts/dev/openai-api-key" in refusal
    assert list(kept.services) == ["openai", "anthropic"]
    assert "compatible" not in kept.services
    kept.key = "sk-now"
    assert offers.refusal(row) is None


def test_a_pepper_that_is_kept_elsewhere_is_never_made_up(world: World) -> None:
    def read() -> str:
        raise StartError("Set the parameter /tilts/dev/key-pepper (SecureString).")

    pepper = Pepper(world.store, CountingIds(), read=read)
    with pytest.raises(StartError, match="key-pepper"):
        pepper.hash("secret")
    assert world.store.document("secret", "pepper") is None


def test_a_pepper_that_could_be_guessed_is_refused_when_it_is_read(
    world: World,
) -> None:
    with pytest.raises(StartError, match="16 characters"):
        Pepper(world.store, CountingIds(), read=lambda: "salt").hash("secret")


def test_a_pepper_is_read_once(world: World) -> None:
    reads: list[str] = []

    def read() -> str:
        reads.append("read")
        return "p" * 32

    pepper = Pepper(world.store, CountingIds(), read=read)
    assert pepper.hash("secret") == pepper.hash("secret")
    assert pepper.hash("secret") == Pepper(world.store, CountingIds(), "p" * 32).hash(
        "secret"
    )
    assert reads == ["read"]


class BusyStore:
    """A store that cannot do anything now."""

    def document(self, kind: str, key: str) -> None:
        raise StoreBusyError("not now")


def test_a_gate_that_cannot_be_shown_stops_no_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    show_gate(cast(Store, BusyStore()), "openai", 4)
    assert "not shown" in caplog.text
