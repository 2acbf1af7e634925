"""The models there are, as GET /v1/models shows them in both shapes."""

from collections.abc import Mapping
from typing import Final

from tests.modelserver.minds import MINDS, Mind
from tests.modelserver.refusals import refuse_model
from tests.modelserver.wire import CREATED, Json

RELEASED: Final = "2026-10-01T00:00:00Z"
DEPRECATED: Final = "2026-10-15T00:00:00Z"
RETIRES: Final[Mapping[str, str | None]] = {
    "active": None,
    "deprecated": "2027-03-31",
    "retired": "2026-11-01",
}
EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
THINKING: Final = ("adaptive", "between_tools", "disabled", "enabled")
CONTEXT: Final = (
    "clear_thinking_20251015",
    "clear_tool_uses_20250919",
    "compact_20260112",
)


def show_model(api: str, name: str, names: Mapping[str, str]) -> Json:
    """One model; RefusedError where there is none."""
    if name not in names:
        raise refuse_model(api, name)
    return describe(api, name, MINDS[names[name]])


def list_models(api: str, names: Mapping[str, str]) -> Json:
    """All models. The OpenAI shape leaves out what is retired."""
    data = [
        describe(api, name, MINDS[mind])
        for name, mind in names.items()
        if api == "messages" or MINDS[mind].lifecycle != "retired"
    ]
    if api != "messages":
        return {"object": "list", "data": data}
    first, last = data[0]["id"], data[-1]["id"]
    return {"data": data, "has_more": False, "first_id": first, "last_id": last}


def describe(api: str, name: str, mind: Mind) -> Json:
    """A model in the shape of an API."""
    retires = RETIRES[mind.lifecycle]
    if api != "messages":
        return {
            "id": name,
            "object": "model",
            "created": CREATED,
            "owned_by": "tilts",
            "shutdown_date": retires,
        }
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": RELEASED,
        "lifecycle": mind.lifecycle,
        "deprecated_at": DEPRECATED if retires else None,
        "retires_at": f"{retires}T00:00:00Z" if retires else None,
        "line": None,
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
        "capabilities": capabilities(),
    }


def capabilities() -> Json:
    """What every model here can do: tools, thinking, effort; no pictures, no batches."""
    yes, no = {"supported": True}, {"supported": False}
    return {
        "batch": no,
        "citations": no,
        "code_execution": no,
        "context_management": {**no, **dict.fromkeys(CONTEXT, no)},
        "effort": {**yes, **dict.fromkeys(EFFORTS, yes)},
        "image_input": no,
        "pdf_input": no,
        "server_tools": {**no, "web_search": no, "code_execution": no},
        "structured_outputs": yes,
        "thinking": {**yes, "types": dict.fromkeys(THINKING, yes)},
    }
