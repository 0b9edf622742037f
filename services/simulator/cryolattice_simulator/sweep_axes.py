"""The axes of a sweep: under which conditions each model is simulated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.beams import require_energy_kev
from cryolattice_simulator.engines.settings import GREATEST_TILT_MRAD

_GREATEST_B_ANGSTROM2 = 20.0
_MOST_CONFIGURATIONS = 1000


@dataclass(frozen=True)
class Conditions:
    """One pass of the wave through a crystal.

    Attributes
    ----------
    energy_kev : float
    tilt_mrad : (float, float)
        Of the beam against the crystal, along x and y.
    b_angstrom2 : float
        Added to every element's own Debye-Waller factor B.
    configuration : int, optional
        Number of the frozen-phonon configuration; None for atoms at rest, damped by B.
    """

    energy_kev: float
    tilt_mrad: tuple[float, float]
    b_angstrom2: float
    configuration: int | None


@dataclass(frozen=True)
class Axis:
    """An axis of the arrays between `model` and `thickness`.

    Attributes
    ----------
    name : str
    values : tuple
        What `Conditions` hold.
    shown : bool
        Whether the arrays have it.
    """

    name: str
    values: tuple[Any, ...]
    shown: bool


@dataclass(frozen=True)
class SweepAxes:
    """Energy, tilt, Debye-Waller level and phonon configuration, in this order."""

    axes: tuple[Axis, Axis, Axis, Axis]

    @property
    def shown(self) -> list[Axis]:
        """Axes that the arrays have."""
        return [axis for axis in self.axes if axis.shown]

    def __iter__(self) -> Iterator[tuple[dict[str, int], Conditions]]:
        """Yield place on the shown axes and conditions of every pass."""
        for places in product(*(range(len(axis.values)) for axis in self.axes)):
            values = [axis.values[i] for axis, i in zip(self.axes, places, strict=True)]
            shown = {a.name: i for a, i in zip(self.axes, places, strict=True) if a.shown}
            yield shown, Conditions(*values)

    def __len__(self) -> int:
        return math.prod(len(axis.values) for axis in self.axes)

    def facts(self) -> dict[str, Any]:
        """Return what holds for every beam: the values of the axes that are not shown."""
        energy, tilt = self.axes[:2]
        facts: dict[str, Any] = {}
        if not energy.shown:
            facts["energy_kev"] = energy.values[0]
        if not tilt.shown and any(tilt.values[0]):
            facts["beam_tilt_mrad"] = list(tilt.values[0])
        return facts

    def coordinates(self) -> Iterator[tuple[str, NDArray[Any], str, str]]:
        """Yield name, values, axis and unit of every coordinate."""
        for axis in self.shown:
            values = np.asarray(axis.values)
            if axis.name == "tilt":
                yield "tilt", np.arange(len(values)), "tilt", "1"
                yield "tilt_x", values[:, 0], "tilt", "mrad"
                yield "tilt_y", values[:, 1], "tilt", "mrad"
            else:
                unit = {"energy": "keV", "b_level": "angstrom^2"}.get(axis.name, "1")
                yield axis.name, values, axis.name, unit


def read_axes(spec: simulator_pb2.SweepSpec) -> SweepAxes:
    """Return the axes of a checked spec."""
    energies = tuple(spec.axes.energies_kev) or (spec.energy_kev,)
    tilts = tuple((tilt.x_mrad, tilt.y_mrad) for tilt in spec.axes.tilts) or ((0.0, 0.0),)
    phonons = spec.axes.HasField("frozen_phonons")
    configurations = tuple(range(spec.axes.frozen_phonons.configurations)) if phonons else (None,)
    return SweepAxes(
        (
            Axis("energy", energies, shown=len(energies) > 1),
            Axis("tilt", tilts, shown=len(tilts) > 1),
            # shown from the first day, one value or many
            Axis("b_level", tuple(spec.b_levels_angstrom2), shown=True),
            Axis("phonon", configurations, shown=len(configurations) > 1),
        )
    )


def prepare_axes(spec: simulator_pb2.SweepSpec) -> SweepAxes:
    """Check the axes of a spec and reduce them to the fewest fields that say the same.

    Raises
    ------
    InvalidInputError
        A value cannot be right; ``field`` names it.
    """
    _prepare_b_levels(spec)
    if spec.HasField("axes"):
        _prepare_energies(spec)
        _prepare_tilts(spec.axes)
        _check_phonons(spec.axes)
        if spec.axes == simulator_pb2.SweepAxes():
            spec.ClearField("axes")
    if not spec.axes.energies_kev:
        require_energy_kev(spec.energy_kev)
    return read_axes(spec)


def _prepare_b_levels(spec: simulator_pb2.SweepSpec) -> None:
    if not spec.b_levels_angstrom2:
        spec.b_levels_angstrom2.append(0.0)
    levels = list(spec.b_levels_angstrom2)
    right = all(math.isfinite(level) and 0 <= level <= _GREATEST_B_ANGSTROM2 for level in levels)
    if not right or not _increase(levels):
        raise InvalidInputError(
            f"b_levels_angstrom2 is {levels}: give increasing values from 0 to "
            f"{_GREATEST_B_ANGSTROM2:g} angstrom^2",
            field="b_levels_angstrom2",
        )


def _prepare_energies(spec: simulator_pb2.SweepSpec) -> None:
    energies = list(spec.axes.energies_kev)
    if not energies:
        return
    field = "axes.energies_kev"
    if spec.energy_kev:
        raise InvalidInputError(
            f"energy_kev is {spec.energy_kev:g} keV and {field} is given too: leave one out",
            field=field,
        )
    for energy in energies:
        require_energy_kev(energy, field=field)
    if not _increase(energies):
        raise InvalidInputError(f"{field} is {energies} keV: give increasing values", field=field)
    if len(energies) == 1:
        spec.energy_kev = energies[0]
        spec.axes.ClearField("energies_kev")


def _prepare_tilts(axes: simulator_pb2.SweepAxes) -> None:
    field = "axes.tilts"
    seen = [(tilt.x_mrad, tilt.y_mrad) for tilt in axes.tilts]
    for tilt in seen:
        # also catches NaN
        if not math.hypot(*tilt) <= GREATEST_TILT_MRAD:
            raise InvalidInputError(
                f"{field} holds {tilt[0]:g}, {tilt[1]:g} mrad: give at most "
                f"{GREATEST_TILT_MRAD:g} mrad; further tilts are another zone axis",
                field=field,
            )
    if len(set(seen)) < len(seen):
        raise InvalidInputError(f"{field} holds a tilt twice: leave one out", field=field)
    if seen == [(0.0, 0.0)]:
        axes.ClearField("tilts")


def _check_phonons(axes: simulator_pb2.SweepAxes) -> None:
    count = axes.frozen_phonons.configurations
    if axes.HasField("frozen_phonons") and not 1 <= count <= _MOST_CONFIGURATIONS:
        raise InvalidInputError(
            f"axes.frozen_phonons.configurations is {count}: give 1 to {_MOST_CONFIGURATIONS}; "
            "10 to 50 are usual",
            field="axes.frozen_phonons.configurations",
        )


def _increase(values: Sequence[float]) -> bool:
    return all(low < high for low, high in pairwise(values))
