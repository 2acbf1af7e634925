"""Connections and the topics they follow.

What a connection follows stands twice, under the connection and under the topic, so
that both are read with strong consistency: whoever has just begun to watch is told of
the very next event. Rows of connections that left without a word expire; they are
ignored from that moment on, whenever DynamoDB deletes them.
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

from chalicelib.aws.base import META, PRESENT, Rows

CONNECTION: Final = "C#"
TOPIC: Final = "T#"


class LiveRows(Rows):
    """The part of the store that knows who watches what."""

    def connect(self, connection: str, until: float) -> None:
        item = {"pk": CONNECTION + connection, "sk": META, "bad": 0}
        self.live_items.put({**item, "expires_at": ceil(until)})

    def watch(self, connection: str, topic: str, until: float) -> None:
        # The connection's row first: `forget` finds by it what is to be forgotten.
        for pk, sk in both_keys(connection, topic):
            self.live_items.put({"pk": pk, "sk": sk, "expires_at": ceil(until)})

    def unwatch(self, connection: str, topic: str) -> None:
        for pk, sk in reversed(both_keys(connection, topic)):
            self.live_items.delete(pk, sk)

    def watchers(self, topic: str) -> Sequence[str]:
        return self._partners(TOPIC + topic, CONNECTION)

    def topics(self, connection: str) -> Sequence[str]:
        return self._partners(CONNECTION + connection, TOPIC)

    def note_bad_frame(self, connection: str) -> int:
        counted = self.live_items.update(
            CONNECTION + connection, META, "ADD bad :one", PRESENT, one=1
        )
        return 0 if counted is None else int(counted["bad"])

    def forget(self, connection: str) -> None:
        pk = CONNECTION + connection
        rows = self.live_items.query(
            "pk = :pk AND begins_with(sk, :kind)", pk=pk, kind=TOPIC
        )
        for row in list(rows):
            self.unwatch(connection, row["sk"].removeprefix(TOPIC))
        self.live_items.delete(pk, META)

    def _partners(self, pk: str, kind: str) -> list[str]:
        rows = self.live_items.query(
            "pk = :pk AND begins_with(sk, :kind)",
            only="expires_at > :now",
            pk=pk,
            kind=kind,
            now=self.clock.now(),
        )
        return [row["sk"].removeprefix(kind) for row in rows]


def both_keys(connection: str, topic: str) -> list[tuple[str, str]]:
    """Where it stands that a connection follows a topic."""
    mine, theirs = CONNECTION + connection, TOPIC + topic
    return [(mine, theirs), (theirs, mine)]
