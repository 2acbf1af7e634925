"""What every contender of `bench.overhead` plays: boards, models, recorded requests."""

import json
import mmap
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from chalicelib.services.suites import commitment_root, derive_tasks

Json = dict[str, Any]

SUITE: Final = "bench-1"
PROMPT: Final = "p2"
MIND: Final = "tilts-medium"
LATENCY: Final = 0.2


@dataclass(frozen=True, slots=True)
class Api:
    """A wire format: the player that speaks it here, and its model's name."""

    name: str
    provider: str
    model: str
    effort: str
    path: str

    @property
    def player(self) -> str:
        """The id of the player, without its hash."""
        return "~".join((self.provider, self.model, self.effort, PROMPT))


APIS: Final[Mapping[str, Api]] = {
    api.name: api
    for api in (
        Api("responses", "openai", "gpt-6-luna", "low", "/responses"),
        Api("messages", "anthropic", "claude-haiku-5-5", "low", "/v1/messages"),
        Api("chat", "compatible", MIND, "default", "/chat/completions"),
    )
}
OLDER_CLAUDE: Final = "claude-opus-4-6"
"""For inspect-ai, which sends newer ones a beta field that the server does not know."""
NAMES: Final = tuple(
    f"{name}={MIND}"
    for name in (APIS["responses"].model, APIS["messages"].model, OLDER_CLAUDE)
)


def write_suite(folder: Path, boards: int) -> None:
    """A suite of so many beginner boards."""
    manifest: Json = {
        "id": SUITE,
        "title": SUITE,
        "about": "Beginner boards.",
        "split": "public",
        "key": sha256(SUITE.encode()).hexdigest(),
        "rounds": 1,
        "tasks": [{"game": "MS-I", "variant": "beginner", "count": boards}],
        "metrics": {"MS-I": {"metric": "win_rate", "weights": {"beginner": 1}}},
        "limits": {"tokens_per_episode": 400_000},
    }
    manifest["root"] = commitment_root(
        [commitment for _, commitment in derive_tasks(manifest)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{SUITE}.json").write_text(json.dumps(manifest), "utf-8")


def slices_of(boards: int, concurrency: int) -> list[range]:
    """The boards in the portions that are played at once."""
    return [
        range(start, min(start + concurrency, boards))
        for start in range(0, boards, concurrency)
    ]


def ideal_seconds(lengths: Sequence[int], concurrency: int) -> float:
    """The time of all games if nothing took any but the model: portion by portion."""
    portions = slices_of(len(lengths), concurrency)
    return LATENCY * sum(max(lengths[game] for game in portion) for portion in portions)


# -- recorded requests --------------------------------------------------------


def write_recording(path: Path, games: Sequence[Sequence[bytes]]) -> None:
    """Keep the bodies of all games: the bytes in one file, where they lie in another."""
    at, index = 0, []
    with path.open("wb") as file:
        for bodies in games:
            places = []
            for body in bodies:
                places.append((at, at + len(body)))
                at += file.write(body)
            index.append(places)
    path.with_suffix(".json").write_text(json.dumps(index), "utf-8")


def recorded_lengths(path: Path) -> list[int]:
    """How many requests each game has."""
    return [len(places) for places in json.loads(path.with_suffix(".json").read_text())]


class Recording:
    """The bodies of all games, read from the file when they are wanted."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        file = stack.enter_context(path.open("rb"))
        self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        stack.enter_context(self._bytes)
        self._places: list[list[tuple[int, int]]] = json.loads(
            path.with_suffix(".json").read_text()
        )

    def __len__(self) -> int:
        return len(self._places)

    def length(self, game: int) -> int:
        """How many requests a game has."""
        return len(self._places[game])

    def body(self, game: int, number: int) -> bytes:
        """One request of a game, numbered from 0."""
        start, end = self._places[game][number]
        return self._bytes[start:end]
