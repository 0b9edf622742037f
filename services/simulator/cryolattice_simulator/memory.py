"""How much memory a tile of a sweep takes, so that no machine is given more than it holds."""

from __future__ import annotations

from dataclasses import dataclass

# Kept of each atom of every model: number, position, occupancy, whether it is there at random.
_ATOM_BYTES = 100
# Results, and their chunks on the way to the store.
_OUTPUT_COPIES = 2


@dataclass(frozen=True)
class EngineMemory:
    """What an engine takes, measured. A wave is one complex array on the grid.

    Attributes
    ----------
    process_bytes : int
        Of a Ray worker that has imported the engine.
    waves : float
        Arrays that are alive at once beside those below.
    plane_waves : float
        For each exit plane.
    slice_waves : float
        For each slice whose potential is kept: of one period, or of the crystal with phonons.
    random_slice_waves : float
        The same where sites are filled at random.
    """

    process_bytes: int
    waves: float
    plane_waves: float
    slice_waves: float
    random_slice_waves: float


ABTEM = EngineMemory(440_000_000, 5, 2, 1.5, 5)
FAST = EngineMemory(230_000_000, 10, 1, 5.3, 6.3)


def sweep_peak_bytes(
    engine: EngineMemory,
    gpts: tuple[int, int],
    *,
    slices: int,
    planes: int,
    wave_bytes: int,
    random_sites: bool,
    output_bytes: int,
    atoms: int,
) -> int:
    """Estimate the greatest memory of a worker that computes tiles of a sweep.

    Within 15 % of what fifteen sweeps took (0.3 to 1.1 GB; grids of 154 x 126 to 1000 x 1000).

    Parameters
    ----------
    engine : EngineMemory
        `ABTEM` or `FAST`.
    gpts : tuple of int
        Grid (x, y) of the largest model.
    slices : int
        Slices whose potential is kept.
    planes : int
        Exit planes: thicknesses.
    wave_bytes : int
        Of one point of the wave: 8 in single precision, 16 in double.
    random_sites : bool
        Whether sites are filled at random.
    output_bytes : int
        Results of one tile.
    atoms : int
        Atoms of all models.

    Returns
    -------
    int
        Bytes.
    """
    per_slice = engine.random_slice_waves if random_sites else engine.slice_waves
    waves = engine.waves + engine.plane_waves * planes + per_slice * slices
    wave = gpts[0] * gpts[1] * wave_bytes
    results = _OUTPUT_COPIES * output_bytes
    return int(engine.process_bytes + waves * wave + results + _ATOM_BYTES * atoms)
