"""What a sweep is asked for: checked, its defaults filled in, its cost and its tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cryolattice.errors import InvalidInputError
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.beams import Structure, require_positive, require_whole_periods
from cryolattice_simulator.engines.form_factors import PARAMETRIZATIONS
from cryolattice_simulator.engines.settings import require_debye_waller
from cryolattice_simulator.memory import ABTEM, FAST, EngineMemory, sweep_peak_bytes
from cryolattice_simulator.slicing import choose_grid, slice_count
from cryolattice_simulator.sweep_axes import prepare_axes
from cryolattice_simulator.sweep_engine import prepare_engine
from cryolattice_simulator.sweep_outputs import prepare_outputs
from cryolattice_simulator.verification import FINER, MOST_PLANES

K_MAX_PER_ANGSTROM = 1.0
# 0.3 % of the wave from the grid and 0.13 % from the slices at 169 A (see docs/methods.md)
SLICE_THICKNESS_ANGSTROM = 2.4
SAMPLING_ANGSTROM = 0.075

# Measured on one core: what a slice costs for each point of the grid, and what with frozen phonons,
# where every slice of the crystal has a potential of its own (the example, with mean hydrogens).
_SECONDS_PER_POINT = {
    simulator_pb2.ENGINE_FAST: (2.5e-9, 4e-8),
    simulator_pb2.ENGINE_ABTEM: (3e-8, 1.5e-7),
}
# What a tile holds: the more work there is, the larger its pieces.
_TILE_SECONDS = (0.5, 2.0)
_TILES_IN_BETWEEN = 64
# Four for each of two workers, where there are so many models; and so that none waits at the end.
_TILES_AT_LEAST = 8


def prepare_spec(spec: simulator_pb2.SweepSpec, structures: Sequence[Structure]) -> list[str]:
    """Check a spec over these models and fill in its defaults, in place.

    Returns
    -------
    list of str
        What was decided where the spec left it open, and why.

    Raises
    ------
    InvalidInputError
        A value cannot be right; ``field`` names it.
    """
    spec.k_max_per_angstrom = spec.k_max_per_angstrom or K_MAX_PER_ANGSTROM
    spec.slice_thickness_angstrom = spec.slice_thickness_angstrom or SLICE_THICKNESS_ANGSTROM
    spec.sampling_angstrom = spec.sampling_angstrom or SAMPLING_ANGSTROM
    spec.parametrization = spec.parametrization or PARAMETRIZATIONS[0]
    require_parametrization(spec.parametrization, (*PARAMETRIZATIONS, "peng"))
    remarks = prepare_engine(spec, structures)
    prepare_axes(spec)
    require_debye_waller(spec.debye_waller_b_angstrom2)
    for field, unit in (
        ("k_max_per_angstrom", "1/angstrom"),
        ("slice_thickness_angstrom", "angstrom"),
        ("sampling_angstrom", "angstrom"),
    ):
        require_positive(getattr(spec, field), field=field, unit=unit)
    for period in {round(float(s.lengths_angstrom[2]), 6) for s in structures}:
        require_whole_periods(list(spec.thicknesses_angstrom), period)
    prepare_outputs(spec, structures)
    return remarks


def require_parametrization(name: str, known: Sequence[str] = PARAMETRIZATIONS) -> None:
    """Raise `InvalidInputError` unless these atomic potentials are known."""
    if name not in known:
        raise InvalidInputError(
            f"parametrization is {name!r}: choose {' or '.join(known)}",
            field="parametrization",
        )


def pass_seconds(structure: Structure, spec: simulator_pb2.SweepSpec) -> float:
    """Return what one pass through the thickest crystal takes on one core, roughly."""
    return _pass_seconds(structure, spec, spec.engine)


def check_seconds(structure: Structure, spec: simulator_pb2.SweepSpec) -> float:
    """Return what abTEM's two passes of a check take on one core, roughly: as fine, and finer."""
    alike = _pass_seconds(structure, spec, simulator_pb2.ENGINE_ABTEM)
    own = alike if spec.engine == simulator_pb2.ENGINE_FAST else 0.0
    return own + FINER**2 * alike


def _pass_seconds(
    structure: Structure, spec: simulator_pb2.SweepSpec, engine: simulator_pb2.Engine.ValueType
) -> float:
    points = np.prod(structure.lengths_angstrom[:2] / spec.sampling_angstrom)
    slices = max(spec.thicknesses_angstrom) / spec.slice_thickness_angstrom
    at_rest, displaced = _SECONDS_PER_POINT[engine]
    phonons = spec.axes.HasField("frozen_phonons")
    return float(points * slices) * (displaced if phonons else at_rest)


def peak_bytes(
    spec: simulator_pb2.SweepSpec, structures: Sequence[Structure], output_bytes: int
) -> int:
    """Return what a worker's memory grows to, roughly; `output_bytes` are those of a tile."""
    largest = max(structures, key=lambda structure: float(structure.lengths_angstrom.prod()))
    period = float(largest.lengths_angstrom[2])
    # phonons displace every period by itself
    thickness = max(spec.thicknesses_angstrom) if spec.axes.HasField("frozen_phonons") else period
    planes = len(spec.thicknesses_angstrom)

    def peak(engine: EngineMemory, sampling: float, planes: int, output_bytes: int) -> int:
        return sweep_peak_bytes(
            engine,
            choose_grid(largest, sampling),
            slices=round(thickness / period) * slice_count(period, spec.slice_thickness_angstrom),
            planes=planes,
            wave_bytes=16 if spec.precision == simulator_pb2.PRECISION_FLOAT64 else 8,
            random_sites=any(bool(np.any(structure.at_random)) for structure in structures),
            output_bytes=output_bytes,
            atoms=sum(len(structure.numbers) for structure in structures),
        )

    own = FAST if spec.engine == simulator_pb2.ENGINE_FAST else ABTEM
    return max(
        peak(own, spec.sampling_angstrom, planes, output_bytes),
        peak(ABTEM, spec.sampling_angstrom / FINER, min(planes, MOST_PLANES), 0),
    )


def cut_tiles(cost_seconds: Sequence[float]) -> list[tuple[int, int]]:
    """Cut models into equal tiles.

    A tile holds half a second to two seconds of work, and less only where there would be fewer than
    eight. Their number is a multiple of eight, for as many workers to end together, as far as the
    models can be shared out so. It does not depend on the machine: another one may go on with the
    sweep.

    Parameters
    ----------
    cost_seconds : sequence of float
        Of each model.

    Returns
    -------
    list of (int, int)
        First model of each tile, and the one after its last.
    """
    count, total = len(cost_seconds), sum(cost_seconds)
    shortest, longest = _TILE_SECONDS
    seconds = min(max(total / _TILES_IN_BETWEEN, shortest), longest)
    tiles = _TILES_AT_LEAST * max(1, math.ceil(total / seconds / _TILES_AT_LEAST))
    length = math.ceil(count / tiles)
    return [(start, min(start + length, count)) for start in range(0, count, length)]
