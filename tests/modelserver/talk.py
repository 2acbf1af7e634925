"""Conversations with the server through the real SDKs, as plainly as they can be had."""

from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
from anthropic import AsyncAnthropic
from anthropic import DefaultAsyncHttpxClient as AnthropicHttpClient
from anthropic.types import Message
from openai import AsyncOpenAI
from openai import DefaultAsyncHttpxClient as OpenAIHttpClient
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from tests.modelserver.child import ModelServerHandle

Json = dict[str, Any]

TOKENS = 4_000


class Talk(Protocol):
    """One conversation: what was said, and the body of the next request."""

    api: str
    model: str

    def body(self, prompt: str) -> Json:
        """The next request."""

    async def send(self, body: Json, **settings: Any) -> Any:
        """What the SDK makes of the reply."""

    def keep(self, body: Json, reply: Any) -> Any:
        """Take the reply into the history; the arguments of its call."""

    def outline(self, reply: Any) -> str:
        """A reply in a few words."""


class Clients:
    """A client of each SDK, without retries and redirects unless asked for."""

    def __init__(self, server: ModelServerHandle, follow: bool = False) -> None:
        self.openai = AsyncOpenAI(
            api_key=server.key,
            base_url=server.openai_url,
            max_retries=0,
            http_client=OpenAIHttpClient(follow_redirects=follow),
        )
        self.anthropic = AsyncAnthropic(
            api_key=server.key,
            base_url=server.origin,
            max_retries=0,
            http_client=AnthropicHttpClient(follow_redirects=follow),
        )

    def talks(self, schema: Json, **extra: Any) -> list[Talk]:
        """A new conversation over each API."""
        return [
            ResponsesTalk(self.openai, schema, **extra),
            ChatTalk(self.openai, schema, **extra),
            MessagesTalk(self.anthropic, schema, **extra),
        ]

    async def close(self) -> None:
        await self.openai.close()
        await self.anthropic.close()


class ResponsesTalk:
    """OpenAI Responses, stateless, with its reasoning carried along."""

    api = "responses"

    def __init__(
        self,
        client: AsyncOpenAI,
        schema: Json,
        model: str = "tilts-strong",
        name: str = "talk",
    ) -> None:
        self.client, self.schema, self.model, self.name = client, schema, model, name
        self.items: list[Json] = []
        self.call: str | None = None

    def body(self, prompt: str) -> Json:
        asked: Json = {"role": "user", "content": prompt}
        if self.call:
            asked = {
                "type": "function_call_output",
                "call_id": self.call,
                "output": prompt,
            }
        tool = {"type": "function", "name": "play", "parameters": self.schema}
        return {
            "model": self.model,
            "instructions": "You play a game.",
            "input": [*self.items, asked],
            "tools": [{**tool, "description": "Play.", "strict": True}],
            "tool_choice": {"type": "function", "name": "play"},
            "parallel_tool_calls": False,
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
            "max_output_tokens": TOKENS,
            "prompt_cache_key": f"{self.name}-responses",
        }

    async def send(self, body: Json, **settings: Any) -> Any:
        return await self.client.responses.create(**body, **settings)

    def keep(self, body: Json, reply: Response) -> Any:
        items = [item.model_dump(exclude_unset=True) for item in reply.output]
        self.items = [*body["input"], *items]
        self.call = items[-1]["call_id"]
        return items[-1]["arguments"]

    def outline(self, reply: Any) -> str:
        if not isinstance(reply, Response):
            return type(reply).__name__
        if reply.output is None:
            return f"{reply.status}: None"
        return f"{reply.status}: {' '.join(item.type for item in reply.output)}"


class ChatTalk:
    """OpenAI Chat Completions."""

    api = "chat"

    def __init__(
        self,
        client: AsyncOpenAI,
        schema: Json,
        model: str = "tilts-strong",
        name: str = "talk",
    ) -> None:
        self.client, self.schema, self.model, self.name = client, schema, model, name
        self.messages: list[Json] = [{"role": "system", "content": "You play a game."}]
        self.call: str | None = None

    def body(self, prompt: str) -> Json:
        asked: Json = {"role": "user", "content": prompt}
        if self.call:
            asked = {"role": "tool", "tool_call_id": self.call, "content": prompt}
        tool = {"name": "play", "description": "Play.", "parameters": self.schema}
        return {
            "model": self.model,
            "messages": [*self.messages, asked],
            "tools": [{"type": "function", "function": {**tool, "strict": True}}],
            "tool_choice": {"type": "function", "function": {"name": "play"}},
            "parallel_tool_calls": False,
            "reasoning_effort": "low",
            "max_completion_tokens": TOKENS,
            "prompt_cache_key": f"{self.name}-chat",
        }

    async def send(self, body: Json, **settings: Any) -> Any:
        return await self.client.chat.completions.create(**body, **settings)

    def keep(self, body: Json, reply: ChatCompletion) -> Any:
        message = reply.choices[0].message.model_dump(
            include={"role", "content", "tool_calls"}, exclude_unset=True
        )
        self.messages = [*body["messages"], message]
        self.call = message["tool_calls"][0]["id"]
        return message["tool_calls"][0]["function"]["arguments"]

    def outline(self, reply: Any) -> str:
        if not isinstance(reply, ChatCompletion):
            return type(reply).__name__
        if not reply.choices:
            return "no choices"
        choice = reply.choices[0]
        if choice.message is None:
            return f"{choice.finish_reason}: None"
        calls = choice.message.tool_calls or []
        said = {
            "refusal": choice.message.refusal is not None,
            "text": bool(choice.message.content),
        }
        parts = [*(name for name, is_there in said.items() if is_there)]
        parts += [call.type for call in calls]
        return f"{choice.finish_reason}: {' '.join(parts)}"


class MessagesTalk:
    """Anthropic Messages, with its thinking carried along."""

    api = "messages"

    def __init__(
        self,
        client: AsyncAnthropic,
        schema: Json,
        model: str = "tilts-strong",
        name: str = "talk",
    ) -> None:
        self.client, self.schema, self.model, self.name = client, schema, model, name
        self.messages: list[Json] = []
        self.call: str | None = None

    def body(self, prompt: str) -> Json:
        block: Json = {"type": "text", "text": prompt}
        if self.call:
            block = {
                "type": "tool_result",
                "tool_use_id": self.call,
                "content": prompt,
            }
        tool = {"name": "play", "description": "Play.", "input_schema": self.schema}
        return {
            "model": self.model,
            "system": "You play a game.",
            "messages": [*self.messages, {"role": "user", "content": [block]}],
            "tools": [{**tool, "strict": True}],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "low"},
            "cache_control": {"type": "ephemeral"},
            "metadata": {"user_id": f"{self.name}-messages"},
            "max_tokens": TOKENS,
        }

    async def send(self, body: Json, **settings: Any) -> Any:
        return await self.client.messages.create(**body, **settings)

    def keep(self, body: Json, reply: Message) -> Any:
        blocks = [block.model_dump(exclude_unset=True) for block in reply.content]
        answer = {"role": "assistant", "content": blocks}
        self.messages = [*body["messages"], answer]
        self.call = blocks[-1]["id"]
        return blocks[-1]["input"]

    def outline(self, reply: Any) -> str:
        if not isinstance(reply, Message):
            return type(reply).__name__
        if reply.content is None:
            return f"{reply.stop_reason}: None"
        return f"{reply.stop_reason}: {' '.join(block.type for block in reply.content)}"


def usage_of(api: str, reply: Any) -> Mapping[str, int]:
    """Tokens of a reply, by the names of the account; `input` is all input."""
    usage = reply.usage
    if api == "responses":
        return {
            "input": usage.input_tokens,
            "cached": usage.input_tokens_details.cached_tokens,
            "cache_write": usage.input_tokens_details.cache_write_tokens,
            "output": usage.output_tokens,
            "reasoning": usage.output_tokens_details.reasoning_tokens,
        }
    if api == "chat":
        return {
            "input": usage.prompt_tokens,
            "cached": usage.prompt_tokens_details.cached_tokens,
            "cache_write": usage.prompt_tokens_details.cache_write_tokens,
            "output": usage.completion_tokens,
            "reasoning": usage.completion_tokens_details.reasoning_tokens,
        }
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    return {
        "input": usage.input_tokens + read + written,
        "cached": read,
        "cache_write": written,
        "output": usage.output_tokens,
        "reasoning": usage.output_tokens_details.thinking_tokens,
    }


async def post(server: ModelServerHandle, api: str, body: Json, **headers: str) -> Any:
    """A request without an SDK: status and body of the reply."""
    path = {"responses": "responses", "chat": "chat/completions"}.get(api, api)
    sent = {
        "Authorization": f"Bearer {server.key}",
        "anthropic-version": "2026-10-21",
        **headers,
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.openai_url}/{path}", json=body, headers=sent) as reply,
    ):
        return reply.status, await reply.json()
