"""The sweep job: every model of a dataset through multislice, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from cryolattice.canonical import spec_sha256
from cryolattice.jobs.kinds import Inputs, JobKind, ReadPart, all_tiles
from cryolattice.store.arrays import ArraySpec, empty_part
from cryolattice_api.common.v1.job_pb2 import JobEstimate
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.beams import Structure
from cryolattice_simulator.image_scores import ObservedCell
from cryolattice_simulator.models_data import chosen_models, model_ids
from cryolattice_simulator.orders import beam_orders
from cryolattice_simulator.projected_potential import projected_potential
from cryolattice_simulator.sweep_axes import Conditions, read_axes
from cryolattice_simulator.sweep_checks import IMPORT_SECONDS, SweepChecks
from cryolattice_simulator.sweep_engine import sweep_engine, sweep_settings
from cryolattice_simulator.sweep_outputs import OutputArrays
from cryolattice_simulator.sweep_spec import (
    check_seconds,
    cut_tiles,
    pass_seconds,
    peak_bytes,
    prepare_spec,
)

if TYPE_CHECKING:
    from cryolattice.store.writer import DatasetWriter
    from cryolattice_simulator.beams import ExitBeams
    from cryolattice_simulator.engines import Multislice


def prepare_sweep(spec: simulator_pb2.SweepSpec, inputs: Inputs) -> JobEstimate:
    """Check a sweep spec and fill in its defaults."""
    names, structures, places = _chosen(spec, inputs)
    remarks = prepare_spec(spec, structures)
    sweep = Sweep(spec, structures, names, places, _observed(spec, inputs))
    return JobEstimate(
        tile_count=len(all_tiles(sweep.rounds)),
        store_bytes=sum(array.size_bytes for array in sweep.arrays),
        core_seconds=sum(sweep.cost_seconds) + sweep.check_seconds,
        worker_peak_bytes=sweep.worker_peak_bytes,
        remarks=remarks,
    )


def load_sweep(spec: simulator_pb2.SweepSpec, inputs: Inputs) -> Sweep:
    """Return the tiles of a sweep."""
    names, structures, places = _chosen(spec, inputs)
    return Sweep(spec, structures, names, places, _observed(spec, inputs))


def _observed(spec: simulator_pb2.SweepSpec, inputs: Inputs) -> ObservedCell | None:
    if not spec.outputs.HasField("scores"):
        return None
    field = "outputs.scores.average"
    average = inputs.open(spec.outputs.scores.average, "average", field=field)
    return ObservedCell(
        **{name: average.array(name) for name in ("h", "k", "coefficients")},
        reciprocal_per_angstrom=average.array("reciprocal"),
    )


def _chosen(
    spec: simulator_pb2.SweepSpec, inputs: Inputs
) -> tuple[tuple[str, ...], tuple[Structure, ...], list[int]]:
    if not spec.selection.model_ids:
        spec.ClearField("selection")  # the same question as without it
    models = inputs.open(spec.models, "models", field="models")
    every = {name: place for place, name in enumerate(model_ids(models))}
    chosen = chosen_models(models, spec.selection.model_ids, field="selection.model_ids")
    names, structures = zip(*chosen, strict=True)
    return names, structures, [every[name] for name in names]


class Sweep:
    """The tiles of one sweep.

    Models may differ in their cells, so each has its own orders `h` and `k`; where a model has
    fewer beams than the widest, the rest stays empty and `beam_count` says where it begins.

    Parameters
    ----------
    spec : SweepSpec
        With its defaults filled in.
    structures : sequence of Structure
    model_ids : sequence of str
    places : sequence of int
        Of the models in ``models.json``.
    observed : ObservedCell, optional
        What images are scored against.
    """

    def __init__(
        self,
        spec: simulator_pb2.SweepSpec,
        structures: Sequence[Structure],
        model_ids: Sequence[str],
        places: Sequence[int],
        observed: ObservedCell | None,
    ) -> None:
        self._spec = spec
        self._structures = structures
        self._model_ids = model_ids
        self._places = places
        self._axes = read_axes(spec)
        self._outputs = (
            OutputArrays(spec, self._axes, structures, observed)
            if spec.HasField("outputs")
            else None
        )
        self._keeps_beams = spec.outputs.beams or not spec.outputs.HasField("beams")
        # models are many, their cells few
        cells = {s.cell_angstrom.tobytes(): s.cell_angstrom for s in structures}
        self._beams = max(
            len(beam_orders(cell, spec.k_max_per_angstrom)[0]) for cell in cells.values()
        )
        pictures = self._outputs.pass_seconds if self._outputs else 0.0
        self.cost_seconds = [
            len(self._axes) * (pass_seconds(s, spec) + pictures) for s in structures
        ]
        seed = int(spec_sha256(spec)[:8], 16)
        self._checks = SweepChecks(model_ids, list(self._axes), seed)
        tiles = cut_tiles(self.cost_seconds)
        self._tile_length = tiles[0][1]
        self.rounds = self._checks.rounds(tiles)

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What the array group says of itself."""
        return self._outputs.attributes(self._model_ids) if self._outputs else {}

    @property
    def check_seconds(self) -> float:
        """Estimate of what all checks take on one core, with the import of abTEM."""
        passes = [
            check_seconds(self._structures[check.model], self._spec)
            for check in self._checks.checks
        ]
        return sum(passes) + IMPORT_SECONDS * len(self._checks.tiles)

    @property
    def worker_peak_bytes(self) -> int:
        """Estimate of the greatest memory of a process that computes tiles."""
        output_bytes = sum(array.size_bytes for array in self.arrays)
        share = self._tile_length / len(self._structures)
        return peak_bytes(self._spec, self._structures, int(share * output_bytes))

    @property
    def arrays(self) -> list[ArraySpec]:
        """Beams, their orders and their number; the chosen outputs; what the checks find."""
        return [*self._model_arrays, *self._checks.arrays]

    @property
    def _model_arrays(self) -> list[ArraySpec]:
        spec = self._spec
        models, length = len(self._structures), self._tile_length
        axes = self._axes.shown
        waves = (*(len(axis.values) for axis in axes), len(spec.thicknesses_angstrom), self._beams)
        facts = {
            **self._axes.facts(),
            "k_max_per_angstrom": spec.k_max_per_angstrom,
            "convention": "psi(r) = sum psi_hk exp(2 pi i (h x/a + k y/b)), entrance psi_00 = 1",
        }
        orders = ("model", "beam")
        double = spec.precision == simulator_pb2.PRECISION_FLOAT64
        beams = [
            ArraySpec(
                "psi",
                (models, *waves),
                ("model", *(axis.name for axis in axes), "thickness", "beam"),
                np.complex128 if double else np.complex64,
                chunks=(length, *waves),
                attributes=facts,
            ),
            ArraySpec("h", (models, self._beams), orders, np.int32, chunks=(length, self._beams)),
            ArraySpec("k", (models, self._beams), orders, np.int32, chunks=(length, self._beams)),
            ArraySpec("beam_count", (models,), ("model",), np.int32, chunks=(length,)),
        ]
        return [
            *(beams if self._keeps_beams else ()),
            ArraySpec("gpts", (models, 2), ("model", "xy"), np.int32, chunks=(length, 2)),
            *(self._outputs.arrays(models, length) if self._outputs else ()),
        ]

    def compute(self, start: int, stop: int, earlier: ReadPart) -> Mapping[str, NDArray[Any]]:
        """Simulate the models from start to stop; rows that follow check some of them."""
        if start < len(self._structures):
            return self._simulate(start, stop)
        return self._checks.parts([self._check(row, earlier) for row in range(start, stop)])

    def _check(self, row: int, earlier: ReadPart) -> tuple[float, float]:
        check = self._checks.row(row)
        model = check.model
        engine, structure = sweep_engine(self._spec), self._structures[model]
        settings = self.settings(model, check.conditions)
        if self._keeps_beams:
            count = int(earlier("beam_count", model, model + 1)[0])
            psi = earlier("psi", model, model + 1)[(0, *check.place.values())][:, :count]
        else:
            psi = engine.exit_beams(structure, settings).psi
        return self._checks.compute(check, engine, structure, settings, psi)

    def _simulate(self, start: int, stop: int) -> Mapping[str, NDArray[Any]]:
        parts = {spec.name: empty_part(spec, stop - start) for spec in self._model_arrays}
        for row, model in enumerate(range(start, stop)):
            if "potential" in parts:
                parts["potential"][row] = self._potentials(model, parts["potential"].shape[-2:])
        for place, conditions in self._axes:
            for row, beams in enumerate(self._exit_beams(range(start, stop), conditions)):
                if self._outputs is not None:
                    self._outputs.fill(parts, row, place, beams)
                if self._keeps_beams:
                    parts["psi"][(row, *place.values())][:, : len(beams.h)] = beams.psi
                    parts["h"][row, : len(beams.h)] = beams.h
                    parts["k"][row, : len(beams.k)] = beams.k
                    parts["beam_count"][row] = len(beams.h)
                parts["gpts"][row] = beams.gpts
        return parts

    def _potentials(self, model: int, shape: tuple[int, ...]) -> list[NDArray[np.float32]]:
        ny, nx = shape
        return [
            projected_potential(
                self._structures[model],
                gpts=(nx, ny),
                parametrization=self._spec.parametrization,
                b_angstrom2=self._b_angstrom2(model, level),
            )
            for level in self._spec.b_levels_angstrom2
        ]

    def _b_angstrom2(self, model: int, level_angstrom2: float) -> dict[str, float]:
        own = self._spec.debye_waller_b_angstrom2
        symbols = {chemical_symbols[number] for number in self._structures[model].numbers}
        return {symbol: level_angstrom2 + own.get(symbol, 0.0) for symbol in symbols | set(own)}

    def _exit_beams(self, models: Sequence[int], conditions: Conditions) -> Iterator[ExitBeams]:
        engine = sweep_engine(self._spec)
        for settings, alike in groupby(models, lambda model: self.settings(model, conditions)):
            yield from engine.many_exit_beams([self._structures[m] for m in alike], settings)

    def settings(self, model: int, conditions: Conditions) -> Multislice:
        """Return what the engine is asked for."""
        configuration = conditions.configuration
        drawn = (self._spec.axes.frozen_phonons.seed, configuration, self._places[model])
        return sweep_settings(
            self._spec,
            energy_kev=conditions.energy_kev,
            beam_tilt_mrad=conditions.tilt_mrad,
            debye_waller_b_angstrom2=self._b_angstrom2(model, conditions.b_angstrom2),
            phonon_seed=None if configuration is None else drawn,
        )

    def finish(self, output: DatasetWriter) -> None:
        """Add the coordinates, and what the checks found."""
        output.add_json("verification.json", self._checks.summary(output.read_part))
        output.add_array(
            "check", np.asarray([check.model for check in self._checks.checks]), ("check",)
        )
        thicknesses = np.asarray(self._spec.thicknesses_angstrom)
        output.add_array("thickness", thicknesses, ("thickness",), "angstrom")
        output.add_array("model", np.asarray(self._places), ("model",))
        if self._keeps_beams:
            output.add_array("beam", np.arange(self._beams), ("beam",))
        more = self._outputs.coordinates() if self._outputs else ()
        for name, values, axis, units in (*self._axes.coordinates(), *more):
            output.add_array(name, values, (axis,), units)


SWEEP = JobKind(
    name="sweep",
    output_kind="beams",
    spec=simulator_pb2.SweepSpec,
    prepare=prepare_sweep,
    run="cryolattice_simulator.jobs:load_sweep",
    tiled=True,
)
