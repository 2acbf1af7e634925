"""What a model says, and what it says instead in each scenario."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from tests.modelserver.minds import Mind, think
from tests.modelserver.wire import Call, Json, Question, Reply

HOSTILE: Final = (
    "\x00 nul, \x1b[31mred, \u202egnirts, <script>alert('x')</script>, \ud800 alone."
)
MEGABYTES: Final = 5
TOKENS_KEPT: Final = 24
WAIT: Final = "I should look at the corner again. "


def answer(mind: Mind, question: Question, digest: str) -> Reply:
    """What the mind answers: a call of the first tool that may be called, or words."""
    names = question.callable
    schema = question.tools[names[0]] if names else None
    thought = think(mind, question.texts, schema, digest)
    thinking = thought.said if mind.speaks and question.effort != "none" else None
    if thought.arguments is None:
        return Reply(thinking, thought.said, ())
    return Reply(thinking, None, (Call(names[0], dump(thought.arguments)),))


def fit(question: Question, reply: Reply, tokens: int) -> Reply:
    """The reply, cut off where the request allows fewer tokens."""
    if question.limit is None or tokens <= question.limit:
        return reply
    return cut(question, reply)


def shape(name: str, question: Question, reply: Reply) -> Reply:
    """The reply as a scenario wants it."""
    return SHAPES[name](question, reply)


def dump(arguments: Any) -> str:
    return json.dumps(arguments, separators=(",", ":"))


def first(reply: Reply) -> Call:
    """The call of a reply, or one made up where it has none."""
    return reply.calls[0] if reply.calls else Call("play", "{}")


def with_arguments(reply: Reply, arguments: str) -> Reply:
    return replace(reply, calls=(replace(first(reply), arguments=arguments),))


def change(reply: Reply, changed: Callable[[Json], Json]) -> Reply:
    """The reply with its arguments changed."""
    return with_arguments(reply, dump(changed(json.loads(first(reply).arguments))))


def speak(text: str) -> Callable[[Question, Reply], Reply]:
    """The reply with this text as its reasoning and its words."""

    def spoken(question: Question, reply: Reply) -> Reply:
        said = change(reply, lambda arguments: {**arguments, "reasoning": text})
        return replace(said, text=text)

    return spoken


def mistype(question: Question, reply: Reply) -> Reply:
    def wrong(arguments: Json) -> Json:
        return {**dict.fromkeys(arguments, 7), "reveal": "B4", "guess": "red"}

    return change(reply, wrong)


def stray(question: Question, reply: Reply) -> Reply:
    """A move outside the board, or with too many pegs."""
    moves: Mapping[str, Any] = {
        "reveal": [{"row": 99, "column": 99}],
        "guess": ["red"] * 7,
    }

    def illegal(arguments: Json) -> Json:
        return {name: moves.get(name, part) for name, part in arguments.items()}

    return change(reply, illegal)


def cut(question: Question, reply: Reply) -> Reply:
    if not reply.calls:
        return Reply(reply.thinking, None, (), "length")
    part = first(reply).arguments[:TOKENS_KEPT].rstrip("}")
    return replace(with_arguments(reply, part), end="length")


def huge(question: Question, reply: Reply) -> Reply:
    text = WAIT * (MEGABYTES * 1_000_000 // len(WAIT))
    return change(reply, lambda arguments: {**arguments, "reasoning": text})


SHAPES: Final[Mapping[str, Callable[[Question, Reply], Reply]]] = {
    "wrong-types": mistype,
    "broken-arguments": lambda q, r: with_arguments(r, '{"reveal": [{"row": 1, "colu'),
    "unknown-tool": lambda q, r: replace(
        r, calls=(replace(first(r), name="resign_and_go_home"),)
    ),
    "two-calls": lambda q, r: replace(r, calls=(first(r), first(r))),
    "text-only": lambda q, r: Reply(r.thinking, "I would open the corner next.", ()),
    "truncated": cut,
    "only-reasoning": lambda q, r: Reply(r.thinking or WAIT, None, (), "length"),
    "refusal": lambda q, r: Reply(None, "I can't help with that.", (), "refusal"),
    "incomplete": lambda q, r: Reply(r.thinking, "The first", (), "filter"),
    "failed": lambda q, r: Reply(None, None, (), "failed"),
    "hostile-text": speak(HOSTILE),
    "lone-surrogate": speak("A lone \udfff surrogate."),
    "huge-output": huge,
    "illegal-move": stray,
    "empty-arguments": lambda q, r: with_arguments(r, "{}"),
}
