"""The sweep job: every model of a dataset through multislice, tile by tile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice.jobs.kinds import Inputs, JobKind, ReadPart
from cryolattice.store.arrays import ArraySpec
from cryolattice_api.common.v1.job_pb2 import JobEstimate
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.beams import (
    Structure,
    require_energy_kev,
    require_positive,
    require_whole_periods,
)
from cryolattice_simulator.orders import beam_orders
from cryolattice_simulator.sweep_engine import prepare_engine, sweep_engine, sweep_settings

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader
    from cryolattice.store.writer import DatasetWriter
    from cryolattice_simulator.beams import ExitBeams

K_MAX_PER_ANGSTROM = 1.0
# 0.3 % of the wave from the grid and 0.13 % from the slices at 169 A (see docs/methods.md)
SLICE_THICKNESS_ANGSTROM = 2.4
SAMPLING_ANGSTROM = 0.075
PARAMETRIZATIONS = ("lobato", "kirkland")

# Measured on one core: a slice costs about this much for each point of the grid.
_SECONDS_PER_POINT = 4e-8
_TILE_SECONDS = 1.0
_GREATEST_B_ANGSTROM2 = 20.0
_TILES_AT_LEAST = 8


def prepare_sweep(spec: simulator_pb2.SweepSpec, inputs: Inputs) -> JobEstimate:
    """Check a sweep spec and fill in its defaults."""
    models = inputs.open(spec.models, "models", field="models")
    spec.k_max_per_angstrom = spec.k_max_per_angstrom or K_MAX_PER_ANGSTROM
    spec.slice_thickness_angstrom = spec.slice_thickness_angstrom or SLICE_THICKNESS_ANGSTROM
    spec.sampling_angstrom = spec.sampling_angstrom or SAMPLING_ANGSTROM
    spec.parametrization = spec.parametrization or PARAMETRIZATIONS[0]
    require_parametrization(spec.parametrization)
    prepare_engine(spec)
    require_energy_kev(spec.energy_kev)
    for field, unit in (
        ("k_max_per_angstrom", "1/angstrom"),
        ("slice_thickness_angstrom", "angstrom"),
        ("sampling_angstrom", "angstrom"),
    ):
        require_positive(getattr(spec, field), field=field, unit=unit)
    _check_b_levels(spec)
    structures = structures_of(models)
    for period in {round(float(s.lengths_angstrom[2]), 6) for s in structures}:
        require_whole_periods(list(spec.thicknesses_angstrom), period)
    cost = [_seconds(structure, spec) for structure in structures]
    beams = max(
        len(beam_orders(structure.cell_angstrom, spec.k_max_per_angstrom)[0])
        for structure in structures
    )
    return JobEstimate(
        tile_count=len(_tiles(cost)),
        store_bytes=8
        * len(structures)
        * len(spec.b_levels_angstrom2)
        * len(spec.thicknesses_angstrom)
        * beams,
        core_seconds=sum(cost),
    )


def _check_b_levels(spec: simulator_pb2.SweepSpec) -> None:
    if not spec.b_levels_angstrom2:
        spec.b_levels_angstrom2.append(0.0)
    levels = list(spec.b_levels_angstrom2)
    right = all(math.isfinite(level) and 0 <= level <= _GREATEST_B_ANGSTROM2 for level in levels)
    if not right or any(low >= high for low, high in pairwise(levels)):
        raise InvalidInputError(
            f"b_levels_angstrom2 is {levels}: give increasing values from 0 to "
            f"{_GREATEST_B_ANGSTROM2:g} angstrom^2",
            field="b_levels_angstrom2",
        )


def require_parametrization(name: str) -> None:
    """Raise `InvalidInputError` unless these atomic potentials are known."""
    if name not in PARAMETRIZATIONS:
        raise InvalidInputError(
            f"parametrization is {name!r}: choose {' or '.join(PARAMETRIZATIONS)}",
            field="parametrization",
        )


def structures_of(models: DatasetReader) -> list[Structure]:
    """Return the structures of a models dataset, in its order."""
    cells = models.array("cell")
    starts = models.array("atom_start")
    numbers = models.array("number")
    positions = models.array("position")
    occupancies = models.array("occupancy")
    return [
        Structure(
            cell_angstrom=cells[i],
            numbers=numbers[start:stop],
            positions_angstrom=positions[start:stop],
            occupancies=occupancies[start:stop],
            # a hydrogen's weight is its share of an orientational mean, not a vacancy
            random_sites=(occupancies[start:stop] < 1) & (numbers[start:stop] > 1),
        )
        for i, (start, stop) in enumerate(pairwise(starts))
    ]


def _seconds(structure: Structure, spec: simulator_pb2.SweepSpec) -> float:
    points = np.prod(structure.lengths_angstrom[:2] / spec.sampling_angstrom)
    slices = max(spec.thicknesses_angstrom) / spec.slice_thickness_angstrom
    return float(points * slices) * _SECONDS_PER_POINT * len(spec.b_levels_angstrom2)


def _tiles(cost: list[float]) -> list[tuple[int, int]]:
    """Equal tiles of about a second, and at least eight where there are so many models."""
    mean = sum(cost) / len(cost)
    length = max(1, min(round(_TILE_SECONDS / mean), math.ceil(len(cost) / _TILES_AT_LEAST)))
    return [(start, min(start + length, len(cost))) for start in range(0, len(cost), length)]


class Sweep:
    """The tiles of one sweep.

    Models may differ in their cells, so each has its own orders `h` and `k`; where a model has
    fewer beams than the widest, the rest stays empty and `beam_count` says where it begins.
    """

    def __init__(self, spec: simulator_pb2.SweepSpec, inputs: Inputs) -> None:
        self._spec = spec
        self._structures = structures_of(inputs.open(spec.models, "models", field="models"))
        self._beams = max(
            len(beam_orders(s.cell_angstrom, spec.k_max_per_angstrom)[0]) for s in self._structures
        )
        self.rounds = [_tiles([_seconds(structure, spec) for structure in self._structures])]

    @property
    def arrays(self) -> list[ArraySpec]:
        """Beams, their orders and their number for each model."""
        spec = self._spec
        models, length = len(self._structures), self.rounds[0][0][1]
        levels = len(spec.b_levels_angstrom2)
        planes = len(spec.thicknesses_angstrom)
        facts = {
            "energy_kev": spec.energy_kev,
            "k_max_per_angstrom": spec.k_max_per_angstrom,
            "convention": "psi(r) = sum psi_hk exp(2 pi i (h x/a + k y/b)), entrance psi_00 = 1",
        }
        orders = ("model", "beam")
        return [
            ArraySpec(
                "psi",
                (models, levels, planes, self._beams),
                ("model", "b_level", "thickness", "beam"),
                np.complex128
                if spec.precision == simulator_pb2.PRECISION_FLOAT64
                else np.complex64,
                chunks=(length, levels, planes, self._beams),
                attributes=facts,
            ),
            ArraySpec("h", (models, self._beams), orders, np.int32, chunks=(length, self._beams)),
            ArraySpec("k", (models, self._beams), orders, np.int32, chunks=(length, self._beams)),
            ArraySpec("beam_count", (models,), ("model",), np.int32, chunks=(length,)),
            ArraySpec("gpts", (models, 2), ("model", "xy"), np.int32, chunks=(length, 2)),
        ]

    def compute(self, start: int, stop: int, _earlier: ReadPart) -> Mapping[str, NDArray[Any]]:
        """Simulate the models from start to stop."""
        specs = {spec.name: spec for spec in self.arrays}
        parts: dict[str, NDArray[Any]] = {
            name: np.full(
                (stop - start, *spec.shape[1:]),
                np.nan if np.dtype(spec.dtype).kind == "c" else np.iinfo(spec.dtype).min,
                dtype=spec.dtype,
            )
            for name, spec in specs.items()
        }
        for row, structure in enumerate(self._structures[start:stop]):
            for level, b in enumerate(self._spec.b_levels_angstrom2):
                beams = self._exit_beams(structure, b)
                count = len(beams.h)
                parts["psi"][row, level, :, :count] = beams.psi
            parts["h"][row, :count] = beams.h
            parts["k"][row, :count] = beams.k
            parts["beam_count"][row] = count
            parts["gpts"][row] = beams.gpts
        return parts

    def _exit_beams(self, structure: Structure, b_angstrom2: float) -> ExitBeams:
        spec = self._spec
        own = spec.debye_waller_b_angstrom2
        symbols = {chemical_symbols[number] for number in structure.numbers} | set(own)
        settings = sweep_settings(
            spec, debye_waller_b_angstrom2={s: b_angstrom2 + own.get(s, 0.0) for s in symbols}
        )
        return sweep_engine(spec).exit_beams(structure, settings)

    def finish(self, output: DatasetWriter) -> None:
        """Add the coordinates."""
        thicknesses = np.asarray(self._spec.thicknesses_angstrom)
        output.add_array("thickness", thicknesses, ("thickness",), "angstrom")
        output.add_array(
            "b_level", np.asarray(self._spec.b_levels_angstrom2), ("b_level",), "angstrom^2"
        )
        output.add_array("model", np.arange(len(self._structures)), ("model",))
        output.add_array("beam", np.arange(self._beams), ("beam",))


SWEEP = JobKind(
    name="sweep",
    output_kind="beams",
    spec=simulator_pb2.SweepSpec,
    prepare=prepare_sweep,
    run="cryolattice_simulator.jobs:Sweep",
    tiled=True,
)
