"""Which tile of a job comes next."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from cryolattice.jobs.kinds import Round


class TileQueue:
    """The tiles of a job that are still to be computed.

    A round's tiles come as soon as those that it waits for have ended, before what is left of
    earlier rounds: something may wait for them in turn.

    Parameters
    ----------
    rounds : sequence of Round
        Of the job.
    finished : collection of int
        Tiles that need not be computed.
    """

    def __init__(self, rounds: Sequence[Round], finished: Collection[int]) -> None:
        done = set(finished)
        self._waiting: list[deque[int]] = []
        self._before: list[set[int]] = []
        first = 0
        for some in rounds:
            tiles = range(first, first + len(some.tiles))
            self._waiting.append(deque(tile for tile in tiles if tile not in done))
            after = range(first) if some.after is None else some.after
            self._before.append(set(after) - done)
            first = tiles.stop

    def __bool__(self) -> bool:
        return any(self._waiting)

    def pop(self) -> int | None:
        """Return the next tile; None while those that are left wait for others."""
        for tiles, before in zip(reversed(self._waiting), reversed(self._before), strict=True):
            if tiles and not before:
                return tiles.popleft()
        return None

    def end(self, tile: int) -> None:
        """Note that a tile has ended."""
        for before in self._before:
            before.discard(tile)
