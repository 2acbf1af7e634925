"""Time for players that must not wait."""

import asyncio


class LeapingTimer:
    """Time that passes only for those that sleep, and at once."""

    def __init__(self, moment: float) -> None:
        self.moment = moment
        self.slept: list[float] = []

    def now(self) -> float:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += seconds
        await asyncio.sleep(0)
