"""Connections, topics and documents in memory."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

Json = dict[str, Any]


class MemoryLive:
    """The part of the store that knows who watches what, and small documents."""

    def __init__(self) -> None:
        self.connections: dict[str, int] = {}
        self.followed: dict[tuple[str, str], float] = {}
        self.documents: dict[tuple[str, str], Json] = {}

    def connect(self, connection: str, until: float) -> None:
        self.connections[connection] = 0

    def watch(self, connection: str, topic: str, until: float) -> None:
        self.followed[(connection, topic)] = until

    def unwatch(self, connection: str, topic: str) -> None:
        self.followed.pop((connection, topic), None)

    def watchers(self, topic: str) -> Sequence[str]:
        return [who for who, what in self.followed if what == topic]

    def topics(self, connection: str) -> Sequence[str]:
        return [what for who, what in self.followed if who == connection]

    def note_bad_frame(self, connection: str) -> int:
        if connection not in self.connections:
            return 0
        self.connections[connection] += 1
        return self.connections[connection]

    def forget(self, connection: str) -> None:
        self.connections.pop(connection, None)
        for topic in self.topics(connection):
            self.unwatch(connection, topic)

    def document(self, kind: str, key: str) -> Json | None:
        return deepcopy(self.documents.get((kind, key)))

    def put_document(self, kind: str, key: str, body: Json) -> Json:
        self.documents.setdefault((kind, key), deepcopy(body))
        return deepcopy(self.documents[(kind, key)])

    def change_document(self, kind: str, key: str, was: Json | None, to: Json) -> bool:
        if self.documents.get((kind, key)) != was:
            return False
        self.documents[(kind, key)] = deepcopy(to)
        return True
