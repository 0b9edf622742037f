"""What a sweep stores beside the beams: potentials, waves, diffraction patterns, images, scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice.store.arrays import ArraySpec
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.beams import ExitBeams, Structure
from cryolattice_simulator.engines.form_factors import PARAMETRIZATIONS
from cryolattice_simulator.engines.images import ImageStack
from cryolattice_simulator.exit_waves import abtem_metadata, exit_waves, spot_grids
from cryolattice_simulator.image_scores import CellScores, ObservedCell
from cryolattice_simulator.images_job import lenses_of
from cryolattice_simulator.imaging import alias_free_points
from cryolattice_simulator.models_data import shared_edges
from cryolattice_simulator.slicing import choose_grid
from cryolattice_simulator.sweep_axes import SweepAxes

_LENS_FIELDS = (
    ("astigmatism_angstrom", "angstrom"),
    ("astigmatism_angle_deg", "degree"),
    ("cs_mm", "mm"),
    ("focal_spread_angstrom", "angstrom"),
    ("aperture_mrad", "mrad"),
    ("envelope_b_angstrom2", "angstrom^2"),
)
# larger ones are cut by thickness
_CHUNK_BYTES = 32 * 2**20
# Measured: an image of 40 x 40 points takes 4 us, one with a focal spread of 40 A 64 us.
_SECONDS_PER_PIXEL = 3e-9
_SPREAD_IMAGES = 16
# A score takes as long as so many images.
_SCORED_IMAGES = 20


def prepare_outputs(spec: simulator_pb2.SweepSpec, structures: Sequence[Structure]) -> None:
    """Check the chosen outputs and fill in their defaults.

    Raises
    ------
    InvalidInputError
        A value cannot be right, or these models or axes have no such output.
    """
    if not spec.HasField("outputs"):
        return
    chosen = spec.outputs
    if chosen.beams:
        chosen.ClearField("beams")  # the same question as without it
    if chosen == simulator_pb2.SweepOutputs(beams=False):
        raise InvalidInputError(
            "outputs.beams is false, and nothing else is chosen: choose what is to be stored",
            field="outputs.beams",
        )
    if chosen == simulator_pb2.SweepOutputs():
        spec.ClearField("outputs")
        return
    shared_edges(structures, field="outputs")
    if not all(structure.orthogonal for structure in structures):
        raise InvalidInputError(
            "outputs need a cell with a, b, c along x, y, z, and a model has another: leave them "
            "out, or choose an orthogonal supercell",
            field="outputs",
        )
    if chosen.projected_potential and spec.parametrization not in PARAMETRIZATIONS:
        raise InvalidInputError(
            f"outputs.projected_potential is not there for {spec.parametrization} potentials: "
            f"leave it out, or choose {' or '.join(PARAMETRIZATIONS)}",
            field="outputs.projected_potential",
        )
    if chosen.exit_waves and len(spec.axes.energies_kev) > 1:
        raise InvalidInputError(
            "outputs.exit_waves is set with several energies, of which abTEM's files hold one: "
            "leave one of them out, or sweep for each energy",
            field="outputs.exit_waves",
        )
    _require_lenses(chosen.images, "outputs.images")
    if chosen.HasField("scores"):
        _check_scores(spec)


def _check_scores(spec: simulator_pb2.SweepSpec) -> None:
    lenses = spec.outputs.scores.images
    _require_lenses(lenses, "outputs.scores.images")
    if not lenses:
        raise InvalidInputError(
            "outputs.scores.images are not given: list the lens, with its defoci",
            field="outputs.scores.images",
        )
    if spec.axes.frozen_phonons.configurations > 1:
        raise InvalidInputError(
            "outputs.scores are of single images, and phonon configurations have a mean: take "
            "Debye-Waller factors, or store images",
            field="outputs.scores",
        )


def _require_lenses(lenses: Sequence[simulator_pb2.Objective], field: str) -> None:
    defoci = [list(lens.defocus_angstrom) for lens in lenses]
    if any(series != defoci[0] or not series for series in defoci):
        raise InvalidInputError(
            f"{field} need at least one defocus_angstrom, the same for every lens: complete "
            "the lists, or sweep for each lens",
            field=f"{field}.defocus_angstrom",
        )
    for lens in lenses:
        lenses_of(lens)


class OutputArrays:
    """The arrays of the chosen outputs.

    Parameters
    ----------
    spec : SweepSpec
        With outputs, as `prepare_outputs` leaves it.
    axes : SweepAxes
    structures : sequence of Structure
        All models.
    observed : ObservedCell, optional
        What images are scored against.

    Raises
    ------
    InvalidInputError
        It is of another cell.
    """

    def __init__(
        self,
        spec: simulator_pb2.SweepSpec,
        axes: SweepAxes,
        structures: Sequence[Structure],
        observed: ObservedCell | None,
    ) -> None:
        self._spec = spec
        self._chosen = spec.outputs
        self._axes = axes
        self._edges = shared_edges(structures, field="outputs")
        most = [int(spec.k_max_per_angstrom * edge + 1e-9) for edge in self._edges]
        self._orders = most[0], most[1]
        self._points = alias_free_points(most[0]), alias_free_points(most[1])
        # one grid for all, although each model alone might choose another
        self._potential_gpts = choose_grid(structures[0], spec.sampling_angstrom)
        self._lenses = {
            "image": [lens for one in self._chosen.images for lens in lenses_of(one)],
            "score": [lens for one in self._chosen.scores.images for lens in lenses_of(one)],
        }
        self._scores = CellScores(observed, self._edges, self._points) if observed else None
        self._stacks: dict[tuple[str, float, bytes], ImageStack] = {}

    @property
    def pass_seconds(self) -> float:
        """Return what the images of one pass take on one core, roughly."""
        planes = len(self._spec.thicknesses_angstrom)
        images = sum(
            (_SPREAD_IMAGES if lens.focal_spread_angstrom else 1)
            + (_SCORED_IMAGES if name == "score" else 0)
            for name, lenses in self._lenses.items()
            for lens in lenses
        )
        return _SECONDS_PER_PIXEL * math.prod(self._points) * planes * images

    def arrays(self, models: int, length: int) -> list[ArraySpec]:
        """Return the arrays for so many models, in chunks of `length` of them."""
        chosen, found = self._chosen, []

        def add(
            name: str, dtype: Any, units: str, axes: list[tuple[str, int]], **more: Any
        ) -> None:
            dims = ("model", *(axis for axis, _ in axes))
            shape = tuple(size for _, size in axes)
            large = length * math.prod(shape) * np.dtype(dtype).itemsize > _CHUNK_BYTES
            place = tuple(1 if large and axis == "thickness" else size for axis, size in axes)
            found.append(
                ArraySpec(name, (models, *shape), dims, dtype, units, (length, *place), more)
            )

        waves = [(axis.name, len(axis.values)) for axis in self._axes.shown]
        means = [(name, size) for name, size in waves if name != "phonon"]
        planes = [("thickness", len(self._spec.thicknesses_angstrom))]
        nx, ny = self._points
        if chosen.projected_potential:
            gx, gy = self._potential_gpts
            levels = [(name, size) for name, size in waves if name == "b_level"]
            grid = [("potential_y", gy), ("potential_x", gx)]
            add("potential", np.float32, "V angstrom", levels + grid)
        if chosen.exit_waves:
            double = self._spec.precision == simulator_pb2.PRECISION_FLOAT64
            add(
                "array0",
                np.complex128 if double else np.complex64,
                "1",
                [*waves, *planes, ("x", nx), ("y", ny)],
                long_name="exit wave",
            )
        if chosen.diffraction_patterns:
            h, k = self._orders
            spots = [("ky", 2 * k + 1), ("kx", 2 * h + 1)]
            add("diffraction", np.float32, "1", [*means, *planes, *spots])
        if chosen.images:
            series = _series(chosen.images, "")
            add("image", np.float32, "1", [*means, *planes, *series, ("y", ny), ("x", nx)])
        if chosen.HasField("scores"):
            series = _series(chosen.scores.images, "score_")
            add("score", np.float32, "1", [*means, *planes, *series])
        return found

    def fill(
        self,
        parts: Mapping[str, NDArray[Any]],
        row: int,
        place: Mapping[str, int],
        beams: ExitBeams,
    ) -> None:
        """Write what follows from one pass into the row of a model.

        Intensities of phonon configurations are added up to their mean.
        """
        wave = tuple(place.values())
        mean = tuple(i for name, i in place.items() if name != "phonon")
        configurations = next(len(axis.values) for axis in self._axes.axes if axis.name == "phonon")
        first = place.get("phonon", 0) == 0

        def average(name: str, values: NDArray[Any]) -> None:
            target = parts[name][(row, *mean)]
            if first:
                target[...] = 0
            target += (values / configurations).reshape(target.shape)

        if "array0" in parts:
            ny, nx = self._points[::-1]
            parts["array0"][(row, *wave)] = exit_waves(beams, (ny, nx))
        if "diffraction" in parts:
            average("diffraction", spot_grids(beams, self._orders))
        if "image" in parts:
            average("image", self._images("image", beams).swapaxes(-1, -2))
        if self._scores is not None:
            average("score", self._scores.of(self._images("score", beams)))

    def _images(self, output: str, beams: ExitBeams) -> NDArray[np.floating]:
        key = output, beams.energy_kev, beams.cell_angstrom.tobytes()
        if key not in self._stacks:
            self._stacks[key] = ImageStack(beams, self._lenses[output], self._points)
        return self._stacks[key].images(beams.psi)

    def attributes(self, model_ids: Sequence[str]) -> dict[str, Any]:
        """Return what the array group says of itself, so that abTEM opens the exit waves."""
        if not self._chosen.exit_waves:
            return {}
        nx, ny = self._points
        ensemble: list[tuple[str, Sequence[Any]]] = [
            ("model", model_ids),
            *((axis.name, axis.values) for axis in self._axes.shown),
            ("thickness", list(self._spec.thicknesses_angstrom)),
        ]
        conditions = next(iter(self._axes))[1]
        return {
            "metadata0": abtem_metadata(
                ensemble,
                (self._edges[0] / nx, self._edges[1] / ny),
                conditions.energy_kev,
                conditions.tilt_mrad,
            )
        }

    def coordinates(self) -> Iterator[tuple[str, NDArray[Any], str, str]]:
        """Yield name, values, axis and unit of the outputs' coordinates."""
        chosen = self._chosen
        steps = zip(
            "xy", self._edges, self._points, self._potential_gpts, self._orders, strict=True
        )
        for name, edge, points, potential_points, order in steps:
            if chosen.exit_waves or chosen.images:
                yield name, np.arange(points) * edge / points, name, "angstrom"
            if chosen.projected_potential:
                values = np.arange(potential_points) * edge / potential_points
                yield f"potential_{name}", values, f"potential_{name}", "angstrom"
            if chosen.diffraction_patterns:
                yield f"k{name}", np.arange(-order, order + 1) / edge, f"k{name}", "1/angstrom"
        yield from _lens_coordinates(chosen.images, "")
        yield from _lens_coordinates(chosen.scores.images, "score_")


def _series(lenses: Sequence[simulator_pb2.Objective], prefix: str) -> list[tuple[str, int]]:
    """Return name and length of the axes of images through these lenses."""
    defoci = [(f"{prefix}defocus", len(lenses[0].defocus_angstrom))]
    return [(f"{prefix}lens", len(lenses)), *defoci] if len(lenses) > 1 else defoci


def _lens_coordinates(
    lenses: Sequence[simulator_pb2.Objective], prefix: str
) -> Iterator[tuple[str, NDArray[Any], str, str]]:
    if lenses:
        axis = f"{prefix}defocus"
        yield axis, np.asarray(lenses[0].defocus_angstrom), axis, "angstrom"
    if len(lenses) > 1:
        axis = f"{prefix}lens"
        yield axis, np.arange(len(lenses)), axis, "1"
        for name, unit in _LENS_FIELDS:
            yield f"{axis}_{name}", np.asarray([getattr(one, name) for one in lenses]), axis, unit
