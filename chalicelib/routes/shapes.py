"""The shapes of replies: what the OpenAPI document says and the routes send."""

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Json = dict[str, Any]
T = TypeVar("T")


class Reply(BaseModel):
    """A reply: exactly the declared fields."""

    model_config = ConfigDict(
        extra="forbid", defer_build=True, from_attributes=True, populate_by_name=True
    )


class Page(Reply, Generic[T]):
    """Some of many; `next` is the cursor of the following page, null at the end."""

    items: list[T]
    next: str | None


class Health(Reply):
    """Whether this installation works."""

    status: Literal["ok"]
    version: str


class GameShape(Reply):
    """A game and its variants."""

    code: str
    name: str
    kind: str
    seats: int
    engine: str
    oracle: str
    generator: str
    variants: Json
    strategies: list[str]


class Games(Reply):
    """All games."""

    items: list[GameShape]


class PlayerShape(Reply):
    """Someone who can be asked to play."""

    id: str
    kind: str
    games: list[str]
    about: str


class ModelShape(Reply):
    """A model: what it can do, what it costs in dollars per million tokens."""

    id: str
    provider: str
    usable: bool
    reason: str | None
    context: int | None
    output_tokens: int | None
    efforts: list[str]
    default_effort: str | None
    has_temperature: bool
    has_caching: bool
    has_batch: bool
    prices: list[dict[str, Any]] | None
    price_version: str | None
    source: str | None
    as_of: str | None
    shutdown: str | None


class Models(Reply):
    """All models."""

    items: list[ModelShape]
    prompts: dict[str, str]


class EntryQuote(Reply):
    """What one entry will cost, in micro-dollars."""

    entry: str
    episodes: int
    low_microusd: int
    expected_microusd: int
    maximum_microusd: int
    episode_cap_microusd: int
    basis: str


class Quote(Reply):
    """What an evaluation will cost; it cannot cost more than its maximum."""

    low_microusd: int
    expected_microusd: int
    maximum_microusd: int
    episodes: int
    entries: list[EntryQuote]


class Switch(Reply):
    """The kill switch: whether all calls to models are stopped."""

    stopped: bool
    reason: str


class Players(Reply):
    """All players."""

    items: list[PlayerShape]


class SuiteShape(Reply):
    """A frozen set of tasks."""

    id: str
    title: str
    about: str
    split: str
    tasks: int
    games: dict[str, dict[str, int]]
    metrics: Json
    limits: Json
    root: str
    key: str | None
    manifest_hash: str
    retires_at: str | None


class Suites(Reply):
    """All suites."""

    items: list[SuiteShape]


class TaskShape(Reply):
    """One immutable problem."""

    id: str
    game: str
    kind: str
    variant: str
    seed: str
    generator: str
    suite: str


class MoneyShape(Reply):
    """An evaluation's budget, what running episodes may still cost, what others did."""

    budget_microusd: int
    held_microusd: int
    spent_microusd: int


class Progress(Reply):
    """How far an evaluation has come; `states` counts its episodes.

    `gates` says how many calls at once each provider takes now.
    """

    episodes: int
    over: int
    states: dict[str, int]
    money: MoneyShape
    gates: dict[str, int]


class EvaluationShape(Reply):
    """One request to evaluate players on a suite."""

    id: str
    name: str
    tags: list[str]
    suite: str
    entries: list[str]
    repeats: int
    visibility: str
    team: str
    budget_microusd: int
    status: str
    end: str | None
    note: str | None
    created_at: str
    pinned: Json
    has_webhook: bool
    webhook_secret: str | None
    progress: Progress | None = None


class EpisodeShape(Reply):
    """One task played once by one entry."""

    id: str
    evaluation: str
    entry: str
    task: str
    game: str
    variant: str
    suite: str
    repeat: int
    status: str
    end: str | None
    note: str | None
    created_at: str


class EventShape(BaseModel):
    """One entry of an episode's log; the further fields depend on its type."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    n: int
    type: Literal["started", "attempted", "moved", "forfeited", "ended"]


class Events(Reply):
    """Events after a number; ask again after `last` while `more`."""

    episode: str
    items: list[EventShape]
    last: int
    more: bool


class CallShape(Reply):
    """One call to a model."""

    id: str
    status: str
    max_microusd: int
    cost_microusd: int
    tokens: Json
    provider_request: str | None
    body: Json


class Calls(Reply):
    """The ledger rows of an episode."""

    items: list[CallShape]


class ResultShape(Reply):
    """The numbers of one episode."""

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


class Live(Reply):
    """Episodes in progress, newest first."""

    episodes: list[EpisodeShape]


class Position(Reply):
    """What someone who plays sees; `scores` once it is over."""

    id: str
    task: str
    status: str
    step: int
    view: Json
    text: str
    tool: Json
    outcome: Json | None
    scores: Json | None


class StartedPosition(Position):
    """The first position, and the secret token that moves the episode."""

    token: str


class IntervalShape(Reply):
    """An estimate with its interval; low and high are null while not settled."""

    estimate: float
    low: float | None
    high: float | None
    n: int
    method: str
    level: float


class Row(Reply):
    """One player on a leaderboard."""

    player: str
    kind: str
    status: Literal["complete", "incomplete"]
    n: int
    missing: int
    primary: IntervalShape
    forfeits: IntervalShape
    variants: dict[str, IntervalShape]
    cost_microusd: int


class BoardShape(Reply):
    """What a leaderboard is about."""

    id: str
    suite: str
    game: str
    kind: str
    tasks: int
    metric: str
    better: Literal["higher", "lower"]
    about: str
    weights: dict[str, float]
    provisional: bool


class Board(BoardShape):
    """A leaderboard with its rows, best first."""

    rows: list[Row]


class Boards(Reply):
    """All leaderboards."""

    items: list[BoardShape]


class Problem(BaseModel):
    """What went wrong (RFC 9457), with further fields where they help."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    type: str
    title: str
    status: int
    detail: str = Field(description="One sentence that says what to do.")
    request_id: str
