"""Evaluations: created, turned into episodes, paused, resumed, cancelled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from chalicelib.errors import ConflictError, RequestError
from chalicelib.events import canonical_json
from chalicelib.games import find_game
from chalicelib.interfaces import Clock, Ids, Queue, Store
from chalicelib.players.roster import find_player
from chalicelib.records import (
    Episode,
    Evaluation,
    EvaluationEnd,
    EvaluationStatus,
    Page,
    Suite,
    Task,
    entry_player,
    episode_id,
)
from chalicelib.services import messages
from chalicelib.services.moments import write_moment
from chalicelib.services.suites import Suites

Json = dict[str, Any]

PAGE: Final = 500
EPISODE_LIMIT: Final = 100_000
DUE_SECONDS: Final = 60.0
"""When the sweeper may ask again for an episode that nobody has taken up."""

OPEN: Final[tuple[EvaluationStatus, ...]] = (
    "expanding",
    "queued",
    "running",
    "paused",
)


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


class Evaluations:
    """The life of evaluations."""

    def __init__(
        self, store: Store, queue: Queue, clock: Clock, ids: Ids, suites: Suites
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._ids = ids
        self._suites = suites

    def create(
        self, wanted: NewEvaluation, team: str, idempotency_key: str | None
    ) -> Evaluation:
        """Keep it and have it expanded. RequestError, NotFoundError, KeyReusedError."""
        suite = self._suites.suite(wanted.suite)
        entries = name_entries(wanted.players)
        check_size(suite, entries, wanted.repeats)
        body_hash = sha256(canonical_json(asdict(wanted)).encode()).hexdigest()
        evaluation = self._store.create_evaluation(
            Evaluation(
                id=self._ids.new("ev_"),
                name=wanted.name,
                tags=wanted.tags,
                suite=suite.id,
                entries=entries,
                repeats=wanted.repeats,
                visibility=wanted.visibility,
                team=team,
                budget_microusd=wanted.budget_microusd,
                status="expanding",
                created_at=write_moment(self._clock.now()),
                pinned=pin_versions(suite),
            ),
            None if idempotency_key is None else f"{team}|{idempotency_key}",
            body_hash,
            0,
        )
        if evaluation.status == "expanding":
            self._tend(evaluation.id)
        return evaluation

    def get(self, evaluation_id: str) -> Evaluation:
        """NotFoundError."""
        return self._store.evaluation(evaluation_id)

    def list(
        self, filters: Mapping[str, str], limit: int, cursor: str | None
    ) -> Page[Evaluation]:
        """Newest first."""
        return self._store.evaluations(filters, limit, cursor)

    def progress(self, evaluation: Evaluation) -> Json:
        """How many episodes there will be, and how many are in each state."""
        tally = self._store.tally(evaluation.id)
        over = sum(n for state, n in tally.items() if "." in state)
        suite = self._suites.suite(evaluation.suite)
        planned = count_episodes(suite, evaluation.entries, evaluation.repeats)
        return {"episodes": planned, "over": over, "states": tally}

    def pause(self, evaluation_id: str) -> Evaluation:
        """Stop after the moves in flight. ConflictError unless it is under way."""
        return self._change(evaluation_id, ("queued", "running"), "paused")

    def resume(self, evaluation_id: str) -> Evaluation:
        """Go on. ConflictError unless it is paused."""
        return self._change(evaluation_id, ("paused",), "running")

    def cancel(self, evaluation_id: str) -> Evaluation:
        """End it; what was not played stays unplayed. ConflictError when it is over."""
        return self._change(evaluation_id, OPEN, "finished", "cancelled")

    def tend(self, evaluation_id: str, start: int) -> None:
        """Bring its episodes in line with its status, one page from `start` on."""
        evaluation = self._store.evaluation(evaluation_id)
        if evaluation.status == "expanding":
            self._expand(evaluation, start)
        elif evaluation.status == "paused":
            self._for_each_open(evaluation, self._park)
        elif evaluation.status == "finished":
            self._for_each_open(evaluation, self._leave_unplayed)
        else:
            self._for_each_open(evaluation, self._queue_again)

    def _expand(self, evaluation: Evaluation, start: int) -> None:
        suite = self._suites.suite(evaluation.suite)
        now = self._clock.now()
        planned = list(plan_episodes(suite, evaluation))
        page = [
            make_episode(evaluation, entry, task, repeat, now)
            for entry, task, repeat in planned[start : start + PAGE]
        ]
        self._store.create_episodes(page)
        self._queue_play(page)
        if start + PAGE < len(planned):
            self._tend(evaluation.id, start + PAGE)
        else:
            self._store.change_evaluation(evaluation.id, ("expanding",), "queued")

    def _for_each_open(self, evaluation: Evaluation, act: Any) -> None:
        for status in ("waiting", "playing"):
            cursor = None
            while True:
                page = self._store.episodes(evaluation.id, status, PAGE, cursor)
                act(page.items)
                if page.next is None:
                    break
                cursor = page.next

    def _park(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            if episode.owner is None:
                self._store.release(episode.id, episode.epoch, None)

    def _leave_unplayed(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            if episode.owner is None:
                self._store.close(episode.id, "unplayed", "cancelled", None)

    def _queue_again(self, episodes: Sequence[Episode]) -> None:
        free = [episode for episode in episodes if episode.owner is None]
        for episode in free:
            self._store.release(episode.id, episode.epoch, self._clock.now())
        self._queue_play(free)

    def _queue_play(self, episodes: Sequence[Episode]) -> None:
        providers: dict[str, list[str]] = {}
        for episode in episodes:
            providers.setdefault(messages.provider_of(episode), []).append(episode.id)
        for provider, ids in providers.items():
            self._queue.send(messages.PLAY, messages.play_messages(provider, ids))

    def _tend(self, evaluation_id: str, start: int = 0) -> None:
        self._queue.send(
            messages.EXPAND, [messages.expand_message(evaluation_id, start)]
        )

    def _change(
        self,
        evaluation_id: str,
        was: Sequence[EvaluationStatus],
        to: EvaluationStatus,
        end: EvaluationEnd | None = None,
    ) -> Evaluation:
        if not self._store.change_evaluation(evaluation_id, was, to, end):
            status = self._store.evaluation(evaluation_id).status
            raise ConflictError(
                f"The evaluation is {status}; this needs it to be {' or '.join(was)}.",
                evaluation_status=status,
            )
        self._tend(evaluation_id)
        return self._store.evaluation(evaluation_id)


def name_entries(players: Sequence[str]) -> tuple[str, ...]:
    """One entry per player; the k-th further copy has `+k` behind it."""
    if not players:
        raise RequestError("Name at least one player.")
    seen: dict[str, int] = {}
    entries = []
    for player_id in players:
        player = find_player(player_id)
        copy = seen.get(player.id, 0)
        seen[player.id] = copy + 1
        entries.append(f"{player.id}+{copy}" if copy else player.id)
    return tuple(entries)


def check_size(suite: Suite, entries: Sequence[str], repeats: int) -> None:
    """RequestError for an entry without a task, or for too many episodes."""
    codes = {task.game for task in suite.tasks}
    for entry in entries:
        games = find_player(entry_player(entry)).games
        if not codes & set(games):
            raise RequestError(
                f"{entry} plays {', '.join(games)}; {suite.id} has none of it."
            )
    episodes = count_episodes(suite, entries, repeats)
    if episodes > EPISODE_LIMIT:
        raise RequestError(
            f"That is {episodes} episodes; one evaluation has at most {EPISODE_LIMIT}."
        )


def count_episodes(suite: Suite, entries: Sequence[str], repeats: int) -> int:
    """How many episodes these entries play on the suite."""
    tasks: dict[str, int] = {}
    for task in suite.tasks:
        tasks[task.game] = tasks.get(task.game, 0) + 1
    return repeats * sum(
        tasks.get(code, 0)
        for entry in entries
        for code in find_player(entry_player(entry)).games
    )


def plan_episodes(
    suite: Suite, evaluation: Evaluation
) -> Iterator[tuple[str, Task, int]]:
    """(entry, task, repeat) of every episode: task by task, so that a cut stays paired."""
    for repeat in range(evaluation.repeats):
        for task in suite.tasks:
            for entry in evaluation.entries:
                if task.game in find_player(entry_player(entry)).games:
                    yield entry, task, repeat


def make_episode(
    evaluation: Evaluation, entry: str, task: Task, repeat: int, now: float
) -> Episode:
    """A waiting episode."""
    return Episode(
        id=episode_id(evaluation.id, entry, task.id, repeat),
        evaluation=evaluation.id,
        entry=entry,
        task=task.id,
        game=task.game,
        variant=task.variant,
        suite=evaluation.suite,
        repeat=repeat,
        status="waiting",
        created_at=write_moment(now),
        seats=(entry,),
        due_at=now + DUE_SECONDS,
    )


def pin_versions(suite: Suite) -> Json:
    """What the results of an evaluation depend on besides its players."""
    codes = sorted({task.game for task in suite.tasks})
    games = {code: find_game(code) for code in codes}
    return {
        "manifest_hash": suite.manifest_hash,
        "versions": {
            code: {
                "engine": game.engine,
                "oracle": game.oracle,
                "generator": game.generator,
            }
            for code, game in games.items()
        },
    }
