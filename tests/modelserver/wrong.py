"""Requests that the services refuse: what is wrong, and a word of the complaint."""

import json
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
APIS = ("responses", "chat", "messages")
Change = Callable[[Json], Any]


def loosen(body: Json) -> None:
    tool = body["tools"][0]
    schema = tool.get("parameters") or tool.get("input_schema")
    schema = schema or tool["function"]["parameters"]
    schema = json.loads(json.dumps(schema))
    schema["additionalProperties"] = True
    if "input_schema" in tool:
        tool["input_schema"] = schema
    elif "parameters" in tool:
        tool["parameters"] = schema
    else:
        tool["function"]["parameters"] = schema


def drop_results(body: Json) -> None:
    body["input" if "input" in body else "messages"].pop()


def edit_thinking(body: Json) -> None:
    if "input" in body:
        body["input"][1]["summary"][0]["text"] += "!"
    else:
        body["messages"][1]["content"][0]["thinking"] += "!"


def drop_thinking(body: Json) -> None:
    del body["input"][1]


def force_thinking(body: Json) -> None:
    body["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    body["tool_choice"] = {"type": "any"}


REFUSED: list[tuple[str, str, Change, str]] = [
    *(
        (api, "unknown field", lambda body: body.update(wish=1), "wish")
        for api in APIS
    ),
    *((api, "loose schema", loosen, "additionalProperties") for api in APIS),
    *(
        (api, "no such choice", lambda body: body.update(tool_choice="maybe"), "")
        for api in APIS
    ),
    *(
        (api, "no such tool", lambda body: body.update(tools=[]), "not found")
        for api in APIS[:2]
    ),
    *((api, "lost model", lambda body: body.update(model="gpt-1"), "gpt-1")
      for api in APIS),
    *((api, "retired", lambda body: body.update(model="tilts-retired"), "retired")
      for api in APIS),
    ("responses", "effort", lambda body: body["reasoning"].update(effort="huge"),
     "'none'"),
    ("chat", "effort", lambda body: body.update(reasoning_effort="huge"), "'none'"),
    ("messages", "effort", lambda body: body.update(output_config={"effort": "none"}),
     "'low'"),
    ("messages", "temperature", lambda body: body.update(temperature=1), "Extra"),
    ("messages", "no limit", lambda body: body.pop("max_tokens"), "max_tokens: Field"),
    ("responses", "small limit", lambda body: body.update(max_output_tokens=3), "16"),
    ("responses", "no result", drop_results, "No tool output found"),
    ("chat", "no result", drop_results, "did not have response messages"),
    ("messages", "no result", drop_results, "prefill"),
    ("responses", "wrong result", lambda body: body["input"][-1].update(call_id="x"),
     "No tool call found"),
    ("chat", "wrong result",
     lambda body: body["messages"][-1].update(tool_call_id="x"), "preceding message"),
    ("messages", "wrong result",
     lambda body: body["messages"][-1]["content"][0].update(tool_use_id="x"),
     "unexpected `tool_use_id`"),
    ("messages", "no results in between",
     lambda body: body["messages"][-1].update(content="go on"), "without `tool_result`"),
    ("responses", "changed reasoning", edit_thinking, "could not be verified"),
    ("messages", "changed thinking", edit_thinking, "Invalid `signature`"),
    ("responses", "reasoning left out", drop_thinking, "required 'reasoning' item"),
    ("responses", "null status", lambda body: body["input"][1].update(status=None),
     "status"),
    ("messages", "forced thinking", force_thinking, "forces tool use"),
    *((api, "lone surrogate", lambda body: body.update(user="\ud800"), "JSON")
      for api in APIS),
]  # fmt: skip
