"""The server: three formats, the list of models, and a way to control it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, TextIO

from aiohttp import web

from tests.modelserver.catalogue import list_models, show_model
from tests.modelserver.delivery import Delivery, whole
from tests.modelserver.ledger import Account, Prices, Seen, measure_output
from tests.modelserver.minds import MINDS, Mind
from tests.modelserver.refusals import refuse_as, refuse_model, refuse_with
from tests.modelserver.scenarios import SCENARIOS, Scenario
from tests.modelserver.shaping import answer, fit, shape
from tests.modelserver.wire import (
    KEY,
    SNAPSHOT,
    Json,
    Question,
    RefusedError,
    Stamp,
    Usage,
    Wire,
)
from tests.modelserver.wire_chat import CHAT
from tests.modelserver.wire_messages import MESSAGES
from tests.modelserver.wire_responses import RESPONSES

WIRES: Final[Mapping[str, Wire]] = {
    wire.path: wire for wire in (RESPONSES, CHAT, MESSAGES)
}
HOST: Final = "127.0.0.1"
LARGEST_BODY: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Options:
    """How a server is started. `port` + 1 is the other origin of redirects."""

    port: int
    latency: float = 0.0
    pace: float = 0.4
    late: float = 3.0
    rate: int | None = None
    key: str = KEY
    prices: Prices = field(default_factory=Prices)
    names: Mapping[str, str] = field(default_factory=dict)
    log: TextIO | None = None


class ModelServer:
    """One server and its account."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.account = Account(options.prices, options.log)
        self.delivery = Delivery(options.pace, options.late)
        self.busy = 0
        self.foreign: list[Json] = []
        self.ordered: Scenario | None = None
        self.ordered_left = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request to the server itself."""
        wire = WIRES.get(request.path)
        if wire is not None and request.method == "POST":
            return await self._complete(wire, request)
        if request.path.startswith("/control/"):
            return await self._control(request)
        if request.path.startswith("/v1/models") and request.method == "GET":
            return self._show_models(request)
        return whole(b'{"error": {"message": "Not found"}}', {}, 404)

    async def handle_foreign(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request to the other origin: write down what leaked."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        hit = {"path": request.path, "headers": headers, "bytes": len(body)}
        self.foreign.append(hit)
        return whole(b'{"id": "foreign"}', {})

    async def _complete(
        self, wire: Wire, request: web.BaseRequest
    ) -> web.StreamResponse:
        """One call of a model."""
        raw = await request.read()
        sent = list(request.headers.items())
        number = self.account.take(Seen(request.path, sent, raw))
        stamp = Stamp(number, sha256(raw).hexdigest())
        request_id = stamp.id("req_")
        headers = {wire.request_id_header: request_id, "x-tilts-number": str(number)}
        self.busy += 1
        try:
            return await self._play(wire, request, raw, stamp, headers)
        except RefusedError as error:
            body = json.dumps(wire.refuse(error, request_id)).encode()
            return whole(body, {**headers, **error.headers}, error.status)
        finally:
            self.busy -= 1

    async def _play(
        self,
        wire: Wire,
        request: web.BaseRequest,
        raw: bytes,
        stamp: Stamp,
        headers: Mapping[str, str],
    ) -> web.StreamResponse:
        """Validate, choose a scenario, think, bill, wait, and deliver."""
        wire.authorize(request.headers, self.options.key)
        question = wire.read(parse(wire, raw), request.headers)
        mind = self._find_mind(wire, question.model)
        if self.options.rate is not None and self.busy > self.options.rate:
            raise refuse_with(wire.name, 429, {"Retry-After": "1"})
        conversation = question.conversation or name_conversation(question)
        turn = self.account.turn(question.conversation or question.model)
        scenario = self._choose(wire, question.model, turn)
        if scenario is not None and scenario.status is not None:
            await asyncio.sleep(self.options.latency)
            elsewhere = f"http://{HOST}:{self.options.port + 1}{request.path}"
            raise refuse_as(scenario, wire.name, elsewhere)
        names = {
            "conversation": conversation,
            "request_sha256": stamp.digest,
            "call": request.headers.get("x-tilts-call"),
            "scenario": scenario.name if scenario else None,
        }
        body = self._compose(wire, question, mind, scenario, stamp, names)
        if self.options.latency:
            await asyncio.sleep(self.options.latency)
        if scenario is None or scenario.deliver == "whole":
            return whole(body, headers)
        return await self.delivery.send(request, scenario.deliver, body, headers)

    def _compose(
        self,
        wire: Wire,
        question: Question,
        mind: Mind,
        scenario: Scenario | None,
        stamp: Stamp,
        names: Json,
    ) -> bytes:
        """Think, shape, measure and bill; the reply as it would go out."""
        reply = answer(mind, question, stamp.digest)
        if scenario is not None and scenario.shape is not None:
            reply = shape(scenario.shape, question, reply)
        else:
            needed, _ = measure_output(question, reply, stamp.digest)
            reply = fit(question, reply, needed)
        conversation = names["conversation"]
        total, cached, written = self.account.cache.measure(conversation, question)
        output, reasoning = measure_output(question, reply, stamp.digest)
        usage = Usage(total, cached, written, output, reasoning)
        if scenario is None or scenario.billed:
            self.account.bill(stamp.number, wire.name, question, names, usage)
        shown = wire.write(question, reply, usage, stamp)
        if scenario is not None and scenario.spoil is not None:
            wire.spoil[scenario.spoil](shown)
        return json.dumps(shown).encode()

    def _find_mind(self, wire: Wire, model: str) -> Mind:
        """The mind of a model; RefusedError where there is none, or no longer."""
        name = model.partition(":")[0]
        name = self.options.names.get(name, name).removesuffix(SNAPSHOT)
        mind = MINDS.get(name)
        if mind is None or mind.lifecycle == "retired":
            raise refuse_model(wire.name, model)
        return mind

    def _choose(self, wire: Wire, model: str, turn: int) -> Scenario | None:
        """The scenario of this call: the one ordered, or that of the model's name."""
        if self.ordered is not None and self.ordered_left > 0:
            self.ordered_left -= 1
            return self.ordered if wire.name in self.ordered.apis else None
        wanted = model.partition(":scenario=")[2]
        if not wanted:
            return None
        name, _, every = wanted.partition("@")
        scenario = SCENARIOS.get(name)
        fits = scenario is not None and wire.name in scenario.apis
        if not fits or not (every or "1").isdigit() or every == "0":
            raise refuse_model(wire.name, model)
        return scenario if turn % int(every or 1) == 0 else None

    def _show_models(self, request: web.BaseRequest) -> web.Response:
        """The list of models, or one of them, in the shape that is asked for."""
        wire = MESSAGES if "anthropic-version" in request.headers else RESPONSES
        try:
            wire.authorize(request.headers, self.options.key)
            name = request.path.removeprefix("/v1/models").strip("/")
            names = {**{name: name for name in MINDS}, **self.options.names}
            shown = show_model(wire.name, name, names) if name else None
            shown = shown or list_models(wire.name, names)
        except RefusedError as error:
            body = wire.refuse(error, "req_models")
            return whole(json.dumps(body).encode(), error.headers, error.status)
        return whole(json.dumps(shown).encode(), {})

    async def _control(self, request: web.BaseRequest) -> web.Response:
        """What tests ask of the server itself."""
        path = request.path.removeprefix("/control").strip("/")
        if request.method == "POST":
            known = path in ("", "reset")
            order = await request.json() if path == "" else {}
            shown = self._order(order) if known else None
        else:
            shown = self._tell(path)
        if shown is None:
            return whole(b'{"error": "There is no such thing here."}', {}, 404)
        return whole(json.dumps(shown).encode(), {})

    def _tell(self, path: str) -> Any:
        """The account, a request, what leaked, or which scenarios there are."""
        if path == "account":
            return self.account.to_json()
        if path == "foreign":
            return self.foreign
        if path == "scenarios":
            return [
                {"number": each.number, "name": each.name, "about": each.about}
                for each in SCENARIOS.values()
            ]
        number = path.removeprefix("requests/")
        return self.account.show_request(int(number)) if number.isdigit() else None

    def _order(self, order: Json) -> Json | None:
        """Order a scenario for the next calls; no scenario at all resets the server."""
        if not order:
            self.account.reset()
            self.foreign.clear()
            self.ordered, self.ordered_left = None, 0
            return {"reset": True}
        if order.get("scenario") not in SCENARIOS:
            return None
        self.ordered = SCENARIOS[order["scenario"]]
        self.ordered_left = int(order.get("next", 1))
        return {"scenario": self.ordered.name, "next": self.ordered_left}


def parse(wire: Wire, raw: bytes) -> Json:
    """The body as an object that is whole Unicode."""
    if len(raw) > LARGEST_BODY:
        raise refuse_with(wire.name, 413)
    try:
        body = json.loads(raw)
        if b"\\ud" in raw or b"\\uD" in raw:
            json.dumps(body, ensure_ascii=False).encode()
    except ValueError as error:
        if wire.name == "messages":
            raise RefusedError(400, "The request body is not valid JSON.") from error
        raise RefusedError(
            400,
            "We could not parse the JSON body of your request. (HINT: This likely "
            "means you aren't using your HTTP library correctly.)",
        ) from error
    if not isinstance(body, dict):
        raise RefusedError(400, "The body must be a JSON object.")
    return body


def name_conversation(question: Question) -> str:
    """A name for a conversation without one: by the way it begins."""
    start = json.dumps([question.model, question.items[:1]])
    return "unnamed-" + sha256(start.encode()).hexdigest()[:16]


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[ModelServer]:
    """A server that listens on its port and the next."""
    server = ModelServer(options)
    loop = asyncio.get_running_loop()
    listening = []
    for handle, port in (
        (server.handle, options.port),
        (server.handle_foreign, options.port + 1),
    ):
        protocol = web.Server(
            handle, access_log=None, handler_cancellation=True, keepalive_timeout=600.0
        )
        listening.append(await loop.create_server(protocol, HOST, port, backlog=1024))
    try:
        yield server
    finally:
        for each in listening:
            each.close()
