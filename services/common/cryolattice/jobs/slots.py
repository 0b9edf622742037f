"""Room for so many at a time."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Slots:
    """A semaphore that can be looked at.

    Parameters
    ----------
    total : int
        How many may be inside at a time.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.busy = 0
        self.waiting = 0
        self._room = asyncio.Semaphore(total)

    async def __aenter__(self) -> None:
        self.waiting += 1
        try:
            await self._room.acquire()
        finally:
            self.waiting -= 1
        self.busy += 1

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.busy -= 1
        self._room.release()
