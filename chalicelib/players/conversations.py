"""A conversation: the calls of one episode whose answers the log has taken up."""

from collections.abc import Iterable, Sequence

from chalicelib.models.model import Exchange
from chalicelib.records import Call


class Conversation:
    """What was asked and answered so far."""

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        self._exchanges: list[Exchange] = []
        for call in calls:
            self.add(call)

    def add(self, call: Call) -> None:
        """Take up a settled call. Calls of scripted players say nothing and are left out."""
        items = call.body.get("reply", {}).get("items")
        prompt = call.body.get("request", {}).get("prompt")
        if items is not None and prompt is not None:
            self._exchanges.append(Exchange(prompt, items))

    def last(self, turns: int | None) -> Sequence[Exchange]:
        """The last turns (None: all)."""
        if turns is None:
            return self._exchanges
        return self._exchanges[-turns:] if turns else ()
