"""How many tiles are in flight."""

from __future__ import annotations

from typing import Any

from cryolattice.jobs.ray_tiles import _room

GB = 10**9


def _node(cores: float, memory: float, *, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": cores, "memory": memory}}


def test_tiles_in_flight_are_twice_those_that_run() -> None:
    assert _room([_node(4, 64 * GB)], GB).in_flight == 8
    # neither a node that is lost nor one that only connects drivers
    nodes = [_node(4, 64 * GB), _node(4, 64 * GB, alive=False), _node(0, 64 * GB)]
    assert _room(nodes, GB).in_flight == 8
    # a cluster that has yet to grow is asked for something
    assert _room([_node(0, 4 * GB)], GB).in_flight == 2


def test_memory_bounds_the_tiles_that_run() -> None:
    room = _room([_node(16, 5 * GB), _node(16, 64 * GB)], 2 * GB)
    assert (room.in_flight, room.tile_bytes) == (2 * (2 + 16), 2 * GB)
    # one that is too large for any node gets the largest for itself
    room = _room([_node(16, 5 * GB), _node(16, 8 * GB)], 100 * GB)
    assert (room.in_flight, room.tile_bytes) == (2, 8 * GB)
