"""A conversation: the calls of one episode whose answers the log has taken up."""

from collections.abc import Iterable, Sequence

from chalicelib.events import canonical_json
from chalicelib.models.model import Exchange
from chalicelib.records import Call


class Conversation:
    """What was asked and answered so far, and how many bytes of it there are."""

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        self._exchanges: list[Exchange] = []
        self._sizes: list[int] = []
        for call in calls:
            self.add(call)

    def add(self, call: Call) -> None:
        """Take up a settled call. Calls of scripted players say nothing and are left out."""
        items = call.body.get("reply", {}).get("items")
        prompt = call.body.get("request", {}).get("prompt")
        if items is None or prompt is None:
            return
        self._exchanges.append(Exchange(prompt, items))
        self._sizes.append(len(prompt.encode()) + len(canonical_json(items).encode()))

    def last(self, turns: int | None) -> tuple[Sequence[Exchange], int]:
        """The last turns (None: all) and their bytes."""
        if turns is None:
            return self._exchanges, sum(self._sizes)
        if turns == 0:
            return (), 0
        return self._exchanges[-turns:], sum(self._sizes[-turns:])
