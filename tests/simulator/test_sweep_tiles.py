from __future__ import annotations

import pytest

from cryolattice_simulator.sweep_spec import cut_tiles


@pytest.mark.parametrize("models", [1, 7, 8, 36, 2664, 100_000])
@pytest.mark.parametrize("seconds", [1e-3, 0.02, 0.3, 5.0])
def test_a_tile_holds_half_a_second_to_two(models: int, seconds: float) -> None:
    tiles = cut_tiles([seconds] * models)
    assert [start for start, _ in tiles[1:]] == [stop for _, stop in tiles[:-1]]
    assert (tiles[0][0], tiles[-1][1]) == (0, models)
    assert len(tiles) >= min(models, 7), "four for each of two workers, but for a short last one"
    held = (tiles[0][1] - tiles[0][0]) * seconds
    if len(tiles) > 8:
        assert held + seconds / 2 >= 0.5
    assert held <= max(2.0 + seconds / 2, seconds)


@pytest.mark.parametrize(
    ("models", "seconds", "tiles"), [(36, 0.08, 8), (2664, 0.005, 32), (7790, 0.025, 104)]
)
def test_as_many_tiles_as_let_eight_workers_end_together(
    models: int, seconds: float, tiles: int
) -> None:
    assert len(cut_tiles([seconds] * models)) == tiles
