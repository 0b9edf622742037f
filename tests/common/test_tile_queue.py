from __future__ import annotations

from cryolattice.jobs.kinds import Round
from cryolattice.jobs.tile_queue import TileQueue


def popped(queue: TileQueue) -> list[int]:
    found = []
    while (tile := queue.pop()) is not None:
        found.append(tile)
    return found


def test_a_round_waits_for_all_earlier_ones() -> None:
    queue = TileQueue([Round([(0, 1), (1, 2)]), Round([(2, 3)]), Round([(3, 4)])], ())
    assert popped(queue) == [0, 1]
    queue.end(1)
    assert queue.pop() is None
    assert queue, "two tiles wait"
    queue.end(0)
    assert popped(queue) == [2]
    queue.end(2)
    assert popped(queue) == [3]
    assert not queue


def test_a_round_that_waits_for_few_tiles_overtakes_the_rest() -> None:
    rounds = [Round([(row, row + 1) for row in range(5)]), Round([(5, 6)], after=range(2))]
    queue = TileQueue(rounds, ())
    assert [queue.pop() for _ in range(3)] == [0, 1, 2]
    queue.end(1)
    assert queue.pop() == 3
    queue.end(0)
    assert popped(queue) == [5, 4]


def test_finished_tiles_are_neither_computed_nor_waited_for() -> None:
    rounds = [Round([(0, 1), (1, 2), (2, 3)]), Round([(3, 4)], after=[0])]
    assert popped(TileQueue(rounds, {0, 2})) == [3, 1]
    assert not TileQueue(rounds, range(4))
