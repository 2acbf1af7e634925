"""The server's own account: every request, what it billed, and what its cache holds."""

import json
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TextIO

from tests.modelserver.wire import Json, Question, Reply, Usage

BYTES_PER_TOKEN: Final = 4
CONVERSATIONS_KEPT: Final = 4096
LAST_TOKENS: Final = 4
"""What a cache mark on the whole request leaves outside the cache."""

EFFORT_TOKENS: Final[Mapping[str | None, int]] = {
    "none": 0,
    "minimal": 16,
    "low": 64,
    "medium": 192,
    None: 192,
    "high": 512,
    "xhigh": 1024,
    "max": 2048,
}


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars per million tokens, which are micro-dollars per token."""

    table: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @staticmethod
    def load(path: Path | None) -> "Prices":
        """The prices in a file: model -> in, cached, cache_write, out."""
        return Prices(json.loads(path.read_text("utf-8")) if path else {})

    def bill(self, model: str, usage: Usage) -> int:
        """What a call costs, in whole micro-dollars, rounded up."""
        row = self.table.get(model, self.table.get(model.partition(":")[0], {}))
        plain = row.get("in", 0.0)
        total = (
            (usage.input - usage.cached - usage.cache_write) * plain
            + usage.cached * row.get("cached", plain)
            + usage.cache_write * row.get("cache_write", plain)
            + usage.output * row.get("out", 0.0)
        )
        # Rounded first, so that 3 x 0.1 is not one micro-dollar more.
        return -int(-round(total, 6) // 1)


def count_tokens(value: Any) -> int:
    """A number of tokens that grows with the text."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return len(text) // BYTES_PER_TOKEN + 1


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the last request of a conversation left in the cache."""

    head: tuple[Any, ...]
    head_tokens: int
    items: Sequence[Any]
    tokens: Sequence[int]
    cacheable: int


class Cache:
    """The last request of each conversation, and what the next shares with it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Prefix] = OrderedDict()
        self._heads: deque[tuple[Any, ...]] = deque(maxlen=64)

    def measure(self, conversation: str, question: Question) -> tuple[int, int, int]:
        """All input tokens, those read from the cache, those written to it.

        Requests that name no conversation share their heads: such a one cannot be
        followed once it leaves out its beginning.
        """
        old = self._kept.pop(conversation, None)
        common = 0
        if old is not None and old.head == question.head:
            head_tokens = old.head_tokens
            for mine, yours in zip(question.items, old.items, strict=False):
                if mine != yours:
                    break
                common += 1
            known = [*old.tokens[:common]]
        else:
            old, known, head_tokens = None, [], count_tokens(question.head)
        tokens = known + [count_tokens(item) for item in question.items[common:]]
        reach = len(tokens) - question.uncached_items if question.cached else 0
        new = Prefix(question.head, head_tokens, question.items, tokens, reach)
        self._kept[conversation] = new
        if len(self._kept) > CONVERSATIONS_KEPT:
            self._kept.popitem(last=False)
        knows_head = old is not None
        if question.conversation is None:
            knows_head = question.head in self._heads
            if not knows_head:
                self._heads.append(question.head)
        shared = 0 if old is None else min(common, old.cacheable)
        if question.at_marks:
            # An entry ends at a mark: a part of it is no use, except for a marked head.
            whole = old is not None and common >= old.cacheable
            shared = shared if whole else 0
            knows_head = whole or (knows_head and question.head_marked)
        read = new.head_tokens + sum(tokens[:shared]) if knows_head else 0
        return split(new, read, question.cached)


def split(new: Prefix, read: int, cached: bool) -> tuple[int, int, int]:
    """All input tokens, those read from the cache, those written to it."""
    total = new.head_tokens + sum(new.tokens)
    if not cached:
        return total, 0, 0
    reach = new.head_tokens + sum(new.tokens[: new.cacheable])
    write = max(0, min(reach, total - LAST_TOKENS) - read)
    return total, min(read, total), write


def measure_output(question: Question, reply: Reply, digest: str) -> tuple[int, int]:
    """Output tokens and, among them, those of reasoning."""
    effort = EFFORT_TOKENS.get(question.effort, EFFORT_TOKENS["medium"])
    spread = int(digest[:4], 16) % (effort // 2 + 1)
    reasoning = 0 if reply.thinking is None else effort + spread
    shown = sum(count_tokens(call.arguments) for call in reply.calls)
    shown += count_tokens(reply.text or "")
    if reply.end == "length" and question.limit is not None:
        return question.limit, min(reasoning, question.limit) if reply.calls else (
            question.limit
        )
    return reasoning + shown, reasoning


@dataclass(slots=True)
class Seen:
    """A request as it came."""

    path: str
    headers: list[tuple[str, str]]
    body: bytes


class Account:
    """Requests by number, and a row for each that was billed."""

    def __init__(self, prices: Prices, log: TextIO | None = None, keep: int = 4096):
        self.prices = prices
        self.cache = Cache()
        self.requests: OrderedDict[int, Seen] = OrderedDict()
        self.rows: list[Json] = []
        self.calls: dict[str, int] = {}
        self.count = 0
        self._log = log
        self._keep = keep

    def take(self, seen: Seen) -> int:
        """Number a request and keep it for a while."""
        self.count += 1
        self.requests[self.count] = seen
        if len(self.requests) > self._keep:
            self.requests.popitem(last=False)
        return self.count

    def turn(self, conversation: str) -> int:
        """The how-manieth call of its conversation this is, from 1."""
        turn = self.calls.get(conversation, 0) + 1
        self.calls[conversation] = turn
        return turn

    def bill(
        self, number: int, api: str, question: Question, names: Json, usage: Usage
    ) -> None:
        """Write down what a call costs; it is owed whether or not its reply arrives."""
        row = {
            "n": number,
            "api": api,
            "model": question.model,
            **names,
            "input": usage.input,
            "cached": usage.cached,
            "cache_write": usage.cache_write,
            "output": usage.output,
            "reasoning": usage.reasoning,
            "billed_microusd": self.prices.bill(question.model, usage),
        }
        self.rows.append(row)
        if self._log is not None:
            self._log.write(json.dumps(row, separators=(",", ":")) + "\n")
            self._log.flush()

    def to_json(self) -> Json:
        """All rows, and their totals."""
        sums = ("input", "cached", "cache_write", "output", "billed_microusd")
        totals = {name: sum(row[name] for row in self.rows) for name in sums}
        return {
            "rows": self.rows,
            "totals": {"requests": self.count, "calls": len(self.rows), **totals},
        }

    def show_request(self, number: int) -> Json | None:
        """A request as it came: its headers and its very bytes, in Latin-1."""
        seen = self.requests.get(number)
        if seen is None:
            return None
        return {
            **asdict(seen),
            "body": seen.body.decode("latin-1"),
            "sha256": sha256(seen.body).hexdigest(),
        }

    def reset(self) -> None:
        """Forget everything; the log file keeps what it has."""
        self.cache = Cache()
        self.requests.clear()
        self.rows.clear()
        self.calls.clear()
        self.count = 0
