"""An episode that a test plays through the API."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chalicelib.games import find_game
from tests.routes.api import Api, Reply

Json = dict[str, Any]

CODES = ("MS-I", "MM-I")


def find_task(api: Api, code: str, number: int = 0) -> Json:
    tasks = api.get("/suites/tiny-1/tasks").body["items"]
    found: Json = [task for task in tasks if task["game"] == code][number]
    return found


@dataclass
class Visit:
    """An episode that a test plays, knowing what is hidden."""

    api: Api
    task: Json
    id: str
    token: str
    position: Json

    @staticmethod
    def start(
        api: Api, code: str, number: int = 0, source: str = "10.0.0.1"
    ) -> "Visit":
        task = find_task(api, code, number)
        headers = {"x-forwarded-for": source}
        started = api.post("/episodes", {"task": task["id"]}, headers)
        assert started.status == 201, started.text
        body = started.body
        return Visit(api, task, body["id"], body["token"], body)

    def move(self, arguments: Json, **changes: Any) -> Reply:
        body = {"step": self.position["step"], "move": arguments, "token": self.token}
        reply = self.api.post(f"/episodes/{self.id}/moves", {**body, **changes})
        if reply.status == 200:
            self.position = reply.body
        return reply

    def good_moves(self) -> Iterator[Json]:
        """Moves that win, one at a time."""
        game = find_game(self.task["game"])
        truth = game.reveal(game.new(self.task["variant"], self.task["seed"]))
        if self.task["game"] == "MM-I":
            yield {"guess": truth["secret"][::-1]}
            yield {"guess": truth["secret"]}
            return
        while self.position["outcome"] is None:
            rows = self.position["view"]["rows"]
            row, column = next(
                (r, c)
                for r, line in enumerate(rows)
                for c, mark in enumerate(line)
                if mark == "#" and [r, c] not in truth["mines"]
            )
            yield {"reveal": [{"row": row, "column": column}]}

    def win(self) -> None:
        for move in self.good_moves():
            if self.position["outcome"] is None:
                assert self.move(move).status == 200
