"""Where a kill may fall: at a side of an io point, or of any call at all."""

from collections.abc import Callable
from typing import Any

from tests.services.breaking import Killed

SIDES = ("before", "after")


class Fuse:
    """Burns down by one at each side of each call; then the process is dead."""

    def __init__(self, length: int) -> None:
        self.left = length

    def burn(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


class Dying:
    """A store or a queue that hands every call on, and dies with its fuse."""

    def __init__(self, real: object, fuse: Fuse) -> None:
        self._real = real
        self._fuse = fuse

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._real, name)

        def dying_call(*args: Any) -> Any:
            self._fuse.burn()
            result = call(*args)
            self._fuse.burn()
            return result

        return dying_call
