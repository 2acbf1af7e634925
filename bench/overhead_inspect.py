"""inspect-ai as a contender of `bench.overhead`: a task with a loop of tool calls.

The same boards, prompts, tool and limits; moves are played by the same rules, without
oracle, grades or ledger. Its own model layer, its own log on disk, as it comes.
"""

# mypy: disable-error-code="import-not-found, untyped-decorator"
# (inspect-ai is not there for the checks)

from itertools import islice
from pathlib import Path
from typing import Any

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalLog
from inspect_ai.model import (
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    get_model,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import ToolFunction, ToolInfo, ToolParams

from bench.overhead_games import OLDER_CLAUDE, PROMPT, Api, write_suite
from chalicelib.errors import MoveError
from chalicelib.games import find_game
from chalicelib.games.chance import Chance
from chalicelib.players.player import MAX_TRIES
from chalicelib.players.prompts import find_prompt, make_tool
from chalicelib.services.suites import Suites

OUTPUT_TOKENS = 16_000


@solver
def play_game() -> Solver:
    """Play one board to its end."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if state.metadata["plays"]:
            await Board(state).play()
        return state

    return solve


class Board:
    """One game: what is on the board, and the messages so far."""

    def __init__(self, state: TaskState) -> None:
        self._messages = state.messages
        self._store = state.metadata
        self._code = self._store["game"]
        self._game = find_game(self._code)
        self._state = self._game.new(self._store["variant"], self._store["seed"])
        self._prompt = find_prompt(PROMPT)
        self._seen = self._game.observe(self._state, 0)
        self._tries = 0

    async def play(self) -> None:
        """Ask and move until the game is over or an answer fails too often."""
        model = get_model()
        tool = make_tool(self._code, self._seen)
        info = ToolInfo(
            name=tool.name,
            description=tool.about,
            parameters=ToolParams(**tool.parameters),
        )
        said = self._prompt.write(self._code, self._seen, None)
        self._messages[:] = [
            ChatMessageSystem(content=self._prompt.systems[self._code]),
            ChatMessageUser(content=said),
        ]
        step = 1
        while self._game.outcome(self._state) is None and self._tries < MAX_TRIES:
            output = await model.generate(
                self._messages, [info], ToolFunction(tool.name)
            )
            self._messages.append(output.message)
            calls = output.message.tool_calls or []
            complaint = self._move(calls[0].arguments, step) if calls else "No call."
            step += complaint is None
            said = self._prompt.write(self._code, self._seen, complaint)
            self._messages += [
                ChatMessageTool(content=said, tool_call_id=call.id, function=tool.name)
                for call in calls
            ] or [ChatMessageUser(content=said)]

    def _move(self, arguments: Any, step: int) -> str | None:
        """Play the move; what is wrong with it if it cannot be played."""
        self._tries += 1
        try:
            move = self._game.read(arguments, self._seen)
            self._game.check(self._seen, move)
        except MoveError as error:
            return error.message
        chance = Chance("step", self._store["seed"], step)
        self._state = self._game.apply(self._state, move, chance)
        self._seen = self._game.observe(self._state, 0)
        self._tries = 0
        return None


class Contender:
    """An evaluation of one model on `boards` boards; without any, one empty sample."""

    def __init__(self, folder: Path, api: Api, boards: int, port: int, key: str):
        write_suite(folder / "suites", max(boards, 1))
        suite = next(iter(Suites(folder / "suites").all.values()))
        self._samples = [
            Sample(
                input=task.id,
                id=task.id,
                metadata={
                    "game": task.game,
                    "variant": task.variant,
                    "seed": task.seed,
                    "plays": boards > 0,
                },
            )
            for task in islice(suite.tasks, max(boards, 1))
        ]
        self._folder = folder / "logs"
        origin = f"http://127.0.0.1:{port}"
        is_messages = api.name == "messages"
        names = {
            "responses": f"openai/{api.model}",
            "messages": f"anthropic/{OLDER_CLAUDE}",
            "chat": f"openai-api/tilts/{api.model}",
        }
        special: dict[str, dict[str, Any]] = {
            "responses": {"responses_api": True},
            "messages": {"streaming": False},
        }
        self._model = get_model(
            names[api.name],
            base_url=origin if is_messages else f"{origin}/v1",
            api_key=key,
            **special.get(api.name, {}),
        )
        self._effort: dict[str, Any] = {}
        if api.effort != "default":
            self._effort = {"reasoning_effort": api.effort, "reasoning_summary": "none"}
        self._logs: list[EvalLog] = []

    def play(self, concurrency: int) -> None:
        """Play all boards, at most `concurrency` at once."""
        self._logs = eval(
            Task(dataset=self._samples, solver=play_game()),
            model=self._model,
            log_dir=str(self._folder),
            display="none",
            max_samples=concurrency,
            max_connections=concurrency,
            max_tokens=OUTPUT_TOKENS,
            parallel_tool_calls=False,
            **self._effort,
        )

    def count_calls(self) -> list[int]:
        """The calls of each game; RuntimeError unless all were played."""
        log = self._logs[0]
        if log.status != "success":
            raise RuntimeError(f"inspect-ai: {log.error}")
        return [
            sum(message.role == "assistant" for message in sample.messages)
            for sample in log.samples or []
        ]
