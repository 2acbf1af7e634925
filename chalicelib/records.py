"""Records: what Tilts keeps. Frozen; their JSON is what every back end stores."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Generic, Literal, TypeVar

Json = dict[str, Any]
T = TypeVar("T")

EvaluationStatus = Literal["expanding", "queued", "running", "paused", "finished"]
EvaluationEnd = Literal["complete", "capped", "cancelled", "failed"]
EpisodeStatus = Literal["waiting", "playing", "finished", "unplayed", "failed"]

TERMINAL: tuple[EpisodeStatus, ...] = ("finished", "unplayed", "failed")
SHOWN_OF_EPISODES = (
    "id", "evaluation", "entry", "task", "game", "variant", "suite", "repeat",
    "status", "end", "note", "created_at",
)  # fmt: skip
SWITCH = ("switch", "calls")
"""The kill switch is the document of this kind and key: {"stopped": true}."""

VISITS = "visits"
"""Stands for the evaluation of episodes that people and bots play themselves."""


@dataclass(frozen=True, slots=True)
class Task:
    """One immutable problem; the id is `<CODE>-<16 hex of its commitment>`."""

    id: str
    game: str
    kind: str
    variant: str
    seed: str
    generator: str


@dataclass(frozen=True, slots=True)
class Suite:
    """A named, frozen set of tasks; `manifest` holds metrics, weights and limits."""

    id: str
    split: str
    tasks: tuple[Task, ...]
    manifest_hash: str
    manifest: Json
    retires_at: str | None = None


@dataclass(frozen=True, slots=True)
class NewEvaluation:
    """What is asked for; naming a player twice adds a twin."""

    suite: str
    players: tuple[str, ...]
    name: str = ""
    tags: tuple[str, ...] = ()
    repeats: int = 1
    visibility: str = "public"
    budget_microusd: int = 0
    episode_cap_microusd: int | None = None
    webhook: str | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One request: these players on this suite, with a budget."""

    id: str
    name: str
    tags: tuple[str, ...]
    suite: str
    entries: tuple[str, ...]
    repeats: int
    visibility: str
    team: str
    budget_microusd: int
    status: EvaluationStatus
    created_at: str
    pinned: Json
    end: EvaluationEnd | None = None
    note: str | None = None
    retries: bool = False
    """Whether its failed episodes are to be played again once its models are there."""
    untended: bool = False
    """Whether its episodes are still to be brought in line with its status."""

    def to_json(self) -> Json:
        """The record as stored."""
        return {**asdict(self), "tags": list(self.tags), "entries": list(self.entries)}

    @staticmethod
    def from_json(body: Json) -> "Evaluation":
        """The record that `to_json` wrote."""
        fixed = {"tags": tuple(body["tags"]), "entries": tuple(body["entries"])}
        return Evaluation(**{**body, **fixed})


@dataclass(frozen=True, slots=True)
class Episode:
    """One task played once by one entry.

    `epoch` counts claims; `reached` is the length of the log when progress was last
    noted, and `barren` counts the claims since then.
    """

    id: str
    evaluation: str
    entry: str
    task: str
    game: str
    variant: str
    suite: str
    repeat: int
    status: EpisodeStatus
    created_at: str
    seats: tuple[str, ...]
    end: str | None = None
    epoch: int = 0
    owner: str | None = None
    lease_until: float = 0.0
    due_at: float | None = None
    reached: int = 0
    barren: int = 0
    note: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether the episode has reached its one terminal state."""
        return self.status in TERMINAL

    def show(self) -> Json:
        """What everyone who may see the episode sees of it."""
        return {name: getattr(self, name) for name in SHOWN_OF_EPISODES}


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a model; the id is `n.epoch.try`, unique in its episode."""

    episode: str
    id: str
    status: Literal["intent", "settled", "failed"]
    max_microusd: int
    cost_microusd: int = 0
    tokens: Json = field(default_factory=dict)
    provider_request: str | None = None
    body: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """The numbers of one episode under one oracle version; one row, unique key."""

    episode: str
    evaluation: str
    entry: str
    task: str
    game: str
    variant: str
    suite: str
    repeat: int
    log_hash: str
    oracle: str
    end: str
    started_at: str
    scores: Json


@dataclass(frozen=True, slots=True)
class Money:
    """What the running episodes of an evaluation may still cost, and the others did."""

    held_microusd: int
    spent_microusd: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of many, and where the next ones begin (None at the end)."""

    items: Sequence[T]
    next: str | None


def episode_id(evaluation: str, entry: str, task: str, repeat: int) -> str:
    """The id that makes creating an episode twice harmless."""
    key = f"{evaluation}|{entry}|{task}|{repeat}"
    return "ep_" + sha256(key.encode()).hexdigest()[:20]


def entry_player(entry: str) -> str:
    """The player of an entry; a twin is the same player with `+<copy>` behind it."""
    return entry.partition("+")[0]
