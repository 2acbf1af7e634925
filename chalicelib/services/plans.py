"""Plans: which episodes an evaluation has."""

from collections.abc import Iterator, Sequence
from typing import Final

from chalicelib.errors import RequestError
from chalicelib.players.player import Player
from chalicelib.records import (
    Episode,
    Evaluation,
    Suite,
    Task,
    entry_player,
    episode_id,
)
from chalicelib.services.moments import write_moment
from chalicelib.services.players import Players

EPISODE_LIMIT: Final = 100_000
DUE_SECONDS: Final = 60.0
"""When the sweeper may ask again for an episode that nobody has taken up."""


class Plans:
    """Turns players and suites into entries and episodes."""

    def __init__(self, players: Players) -> None:
        self.players = players

    def name_entries(
        self, player_ids: Sequence[str], there: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """One entry per player; the k-th further copy has `+k` behind it.

        `there` are the entries that the evaluation has already. RequestError,
        NotFoundError.
        """
        if not player_ids:
            raise RequestError("Name at least one player.")
        copies: dict[str, int] = {}
        for entry in there:
            copies[entry_player(entry)] = copies.get(entry_player(entry), 0) + 1
        entries = []
        for player_id in player_ids:
            name = self.players.find_usable(player_id).id
            copy = copies.get(name, 0)
            copies[name] = copy + 1
            entries.append(f"{name}+{copy}" if copy else name)
        return tuple(entries)

    def player(self, entry: str) -> Player:
        """The player of an entry. NotFoundError."""
        return self.players.find(entry_player(entry))

    def check_size(self, suite: Suite, entries: Sequence[str], repeats: int) -> None:
        """RequestError for an entry without a task, or for too many episodes."""
        for entry in entries:
            if not self.count(suite, [entry], 1):
                games = ", ".join(self.player(entry).games)
                raise RequestError(f"{entry} plays {games}; {suite.id} has none of it.")
        episodes = self.count(suite, entries, repeats)
        if episodes > EPISODE_LIMIT:
            raise RequestError(
                f"That is {episodes} episodes; one evaluation has at most "
                f"{EPISODE_LIMIT}."
            )

    def count(self, suite: Suite, entries: Sequence[str], repeats: int) -> int:
        """How many episodes these entries play on the suite."""
        tasks: dict[str, int] = {}
        for task in suite.tasks:
            tasks[task.game] = tasks.get(task.game, 0) + 1
        return repeats * sum(
            tasks.get(code, 0) for entry in entries for code in self.player(entry).games
        )

    def episodes(
        self, suite: Suite, evaluation: Evaluation
    ) -> Iterator[tuple[str, Task, int]]:
        """(entry, task, repeat): task by task, so that a cut stays paired."""
        games = {entry: self.player(entry).games for entry in evaluation.entries}
        for repeat in range(evaluation.repeats):
            for task in suite.tasks:
                for entry in evaluation.entries:
                    if task.game in games[entry]:
                        yield entry, task, repeat


def make_episode(
    evaluation: Evaluation,
    entry: str,
    task: Task,
    repeat: int,
    now: float,
    is_asked: bool = True,
) -> Episode:
    """A waiting episode; one that is not asked for is due at no time."""
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
        due_at=now + DUE_SECONDS if is_asked else None,
    )
