"""Our evaluator as a contender of `bench.overhead`: the real services over SQLite."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.overhead_games import SUITE, Api, slices_of, write_suite
from chalicelib.local.database import Database
from chalicelib.local.queue import SqliteQueue
from chalicelib.local.store import SqliteStore
from chalicelib.models.model import ModelRequest
from chalicelib.players.model_player import ModelPlayer
from chalicelib.records import NewEvaluation
from chalicelib.services.suites import Suites
from chalicelib.settings import Settings
from chalicelib.wiring import SilentFeed, SystemClock, Tilts

BUDGET_MICROUSD = 10**12
SLICE_SECONDS = 900.0


class CountingIds:
    """Ids in order, so that the same requests are made every time."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


class Evaluator:
    """One evaluation of one model on `boards` boards, expanded and ready to play."""

    def __init__(self, folder: Path, api: Api, boards: int, port: int, key: str):
        origin = f"http://127.0.0.1:{port}"
        settings = Settings(
            folder,
            keys={api.provider: key},
            base_urls={
                api.provider: origin if api.name == "messages" else f"{origin}/v1"
            },
            compatible_models=f"{api.model}=0.1/0.01/0.5",
            allow_local_models=True,
            month_cap_microusd=BUDGET_MICROUSD,
        )
        write_suite(folder / "suites", boards)
        clock = SystemClock()
        database = Database(folder / "bench.db")
        self.store = SqliteStore(database)
        self.queue = SqliteQueue(database, clock)
        self.tilts = Tilts(
            self.store,
            self.queue,
            SilentFeed(),
            clock,
            CountingIds(),
            settings,
            Suites(folder / "suites"),
        )
        wanted = NewEvaluation(
            SUITE, (api.player,), budget_microusd=BUDGET_MICROUSD, visibility="private"
        )
        self.evaluation = self.tilts.evaluations.create(wanted, "bench", None).id
        self._expand()
        found = self.store.episodes(self.evaluation, None, boards, None)
        self.episodes = [episode.id for episode in found.items]
        entry = self.tilts.evaluations.get(self.evaluation).entries[0]
        player = self.tilts.players.find(entry)
        assert isinstance(player, ModelPlayer)
        self.player = player
        # A worker that has played before has loaded what plays.
        self.tilts.play([], SLICE_SECONDS)

    def _expand(self) -> None:
        """Do what the expand queue asks for; the pre-flight asks for the model."""
        while messages := self.queue.receive("expand", 10, SLICE_SECONDS):
            for message in messages:
                self.tilts.tend(message.body["expand"], message.body["start"])
                self.queue.delete([message])

    def open_gate(self, limit: int) -> None:
        """As if so many calls at once had been learnt to be welcome."""
        self.player.gate.limit = limit

    def play(self, concurrency: int) -> None:
        """Play all episodes, `concurrency` at once."""
        for portion in slices_of(len(self.episodes), concurrency):
            ids = [self.episodes[number] for number in portion]
            self.tilts.play(ids, SLICE_SECONDS)

    def count_calls(self) -> list[int]:
        """The calls of each episode; RuntimeError unless all were played well."""
        tally = self.store.tally(self.evaluation)
        if sum(n for state, n in tally.items() if state.startswith("finished")) != len(
            self.episodes
        ):
            raise RuntimeError(f"Not every episode was played: {tally}")
        ledgers = [self.store.calls(episode) for episode in self.episodes]
        if any(call.status != "settled" for ledger in ledgers for call in ledger):
            raise RuntimeError("A call failed.")
        return [len(ledger) for ledger in ledgers]

    def record(self) -> list[list[bytes]]:
        """Play all, and keep the bodies of the requests, episode by episode."""
        model: Any = self.player.model()
        bodies: dict[str, list[bytes]] = {episode: [] for episode in self.episodes}
        model.write = partial(write_and_keep, model.write, bodies)
        self.play(len(self.episodes))
        return list(bodies.values())


def write_and_keep(
    write: Callable[[ModelRequest], bytes],
    kept: dict[str, list[bytes]],
    request: ModelRequest,
) -> bytes:
    """What `write` writes, kept under the name of its conversation."""
    body = write(request)
    kept[request.conversation].append(body)
    return body


def sizes(games: Sequence[Sequence[bytes]]) -> tuple[int, int]:
    """The mean and the largest size of a request."""
    all_sizes = [len(body) for bodies in games for body in bodies]
    return sum(all_sizes) // len(all_sizes), max(all_sizes)
