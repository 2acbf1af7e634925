"""Messages: wake-ups with ids, never state. An unknown version is refused."""

from collections.abc import Sequence
from typing import Any, Final

from chalicelib.errors import RequestError
from chalicelib.records import Episode

Json = dict[str, Any]

EXPAND: Final = "expand"
PLAY: Final = "play"
BROADCAST: Final = "broadcast"
VERSION: Final = 1
SLICE: Final = 20
"""How many episodes one worker plays at once."""


def expand_message(evaluation: str, start: int = 0) -> Json:
    """Bring the episodes of an evaluation in line with it, from number `start` on.

    A negative `start` asks for so many more of a large evaluation's.
    """
    return {"v": VERSION, "expand": evaluation, "start": start}


def play_messages(provider: str, episodes: Sequence[str]) -> list[Json]:
    """Play these episodes, in slices."""
    return [
        {
            "v": VERSION,
            "provider": provider,
            "play": list(episodes[start : start + SLICE]),
        }
        for start in range(0, len(episodes), SLICE)
    ]


def reached_message(episode: str, evaluation: str, after: int, n: int) -> Json:
    """The episode's log went from `after` to n."""
    return {
        "v": VERSION,
        "episode": episode,
        "evaluation": evaluation,
        "after": after,
        "n": n,
    }


def state_message(topic: str) -> Json:
    """The state of a topic is to be sent again."""
    return {"v": VERSION, "state": topic}


def check_version(message: Json) -> Json:
    """The message; RequestError when it is of a version this code does not know."""
    if message.get("v") != VERSION:
        raise RequestError(f"A message of version {message.get('v')!r} is not known.")
    return message


def provider_of(episode: Episode) -> str:
    """Who is asked for the moves of an episode."""
    return episode.entry.partition("~")[0]
