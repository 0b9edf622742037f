"""What can be asked of a simulation, and the messages that ask it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from cryolattice.errors import InvalidInputError
from cryolattice.workflows.mtf import read_mtf
from cryolattice.workflows.steps import AUTO_CLUSTERS, thickness_series
from cryolattice_api.simulator.v1 import simulator_pb2

_SAME_THICKNESS_ANGSTROM = 5e-3
# of the simulator
_EDGES_PX = range(2, 8193)


@dataclass(frozen=True, kw_only=True)
class SimulateOptions:
    """What is simulated and what records it.

    Attributes
    ----------
    supercell : tuple of int
        Cells along each axis; of the orthogonal cell where no ordering is named.
    ordering : str, optional
        Id of an ordering of the supercell; without it the crystal as its file gives it.
    zone_axis : tuple of int
        Direction of the beam in the axes of the file's cell.
    cell_angstrom : sequence of float
        Edges of a box in whose middle the atoms are put, instead of the file's cell.
    clusters : "auto", or dict of str to str
        Cluster ion by site label; "auto" places none.
    thicknesses_angstrom : float or sequence of float
        The nearest whole numbers of periods are taken. Without it multiples of
        `thickness_step_angstrom` (one period unless given) up to `greatest_thickness_angstrom`.
    energy_kev, k_max_per_angstrom, sampling_angstrom, slice_thickness_angstrom : float
        Of the multislice calculation; 0 for the defaults of the simulator.
    parametrization : str
        Of the atomic potentials: ``lobato`` or ``kirkland``.
    debye_waller_b_angstrom2 : float, or mapping of str to float
        B of all elements, or by symbol.
    defocus_angstrom : float or sequence of float
        Positive is under focus; each gives an image.
    astigmatism_angstrom, astigmatism_angle_deg : float
        U - V, and the azimuth of U from +x towards +y.
    cs_mm, focal_spread_angstrom, aperture_mrad, envelope_b_angstrom2 : float
        Of the lens; the spread is a standard deviation, an aperture of 0 is none.
    ctf_corrected, exit_wave : bool
        Also images with phases flipped; also the exit waves.
    beside_parent : bool
        Beside an ordering, also simulate the crystal with its mean occupancies, for the report.
    shown_thickness_angstrom : float, optional
        What the report shows at one thickness alone; the middle of the series unless given.
    pixel_size_angstrom : float
        0 for a quarter of the finest spacing in the beams.
    image_size_px : tuple of int, optional
        Columns and rows; two cells unless given.
    mtf : str, optional
        A file, ``square``, or five numbers, see `read_mtf`.
    dose_e_per_angstrom2 : float, optional
        Without it there is no noise.
    seed : int
        Of the noise.
    pattern_px : int
        Width of the diffraction patterns; 0 for 512.
    """

    supercell: tuple[int, int, int] = (1, 1, 1)
    ordering: str | None = None
    zone_axis: tuple[int, int, int] = (0, 0, 1)
    cell_angstrom: Sequence[float] = ()
    clusters: str | dict[str, str] = AUTO_CLUSTERS
    thicknesses_angstrom: float | Sequence[float] = ()
    greatest_thickness_angstrom: float = 300.8
    thickness_step_angstrom: float | None = None
    energy_kev: float = 300.0
    k_max_per_angstrom: float = 0.0
    sampling_angstrom: float = 0.0
    slice_thickness_angstrom: float = 0.0
    parametrization: str = ""
    debye_waller_b_angstrom2: float | Mapping[str, float] = 0.0
    defocus_angstrom: float | Sequence[float] = 0.0
    astigmatism_angstrom: float = 0.0
    astigmatism_angle_deg: float = 0.0
    cs_mm: float = 2.7
    focal_spread_angstrom: float = 0.0
    aperture_mrad: float = 0.0
    envelope_b_angstrom2: float = 0.0
    ctf_corrected: bool = False
    exit_wave: bool = False
    beside_parent: bool = False
    shown_thickness_angstrom: float | None = None
    pixel_size_angstrom: float = 0.0
    image_size_px: tuple[int, int] | None = None
    mtf: str | None = None
    dose_e_per_angstrom2: float | None = None
    seed: int = 0
    pattern_px: int = 0
    # what would be found only after the multislice calculation is found before it
    _mtf: simulator_pb2.Mtf = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_thicknesses()
        for name in ("cs_mm", "astigmatism_angstrom", "astigmatism_angle_deg"):
            if not math.isfinite(getattr(self, name)):
                raise InvalidInputError(f"{name} must be a finite number", field=name)
        if not all(map(math.isfinite, self.defoci)):
            raise InvalidInputError(
                "defocus_angstrom must be a finite number", field="defocus_angstrom"
            )
        for name, unit in (
            ("k_max_per_angstrom", "1/angstrom"),
            ("sampling_angstrom", "angstrom"),
            ("slice_thickness_angstrom", "angstrom"),
            ("focal_spread_angstrom", "angstrom"),
            ("aperture_mrad", "mrad"),
            ("envelope_b_angstrom2", "angstrom^2"),
            ("pixel_size_angstrom", "angstrom"),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InvalidInputError(
                    f"{name} is {value:g} {unit}: give a positive value", field=name
                )
        own = self.debye_waller_b_angstrom2
        for b in own.values() if isinstance(own, Mapping) else [own]:
            if not (math.isfinite(b) and b >= 0):
                raise InvalidInputError(
                    f"debye_waller is {b:g} angstrom^2: give 0 or more", field="debye_waller"
                )
        dose = self.dose_e_per_angstrom2
        if dose is not None and not (math.isfinite(dose) and dose > 0):
            raise InvalidInputError(
                f"dose is {dose:g} e/angstrom^2: give a positive value, or leave it out for images "
                "without noise",
                field="dose",
            )
        if not 0 <= self.seed < 2**64:
            raise InvalidInputError(
                f"seed is {self.seed}: give a whole number from 0 to 2^64 - 1", field="seed"
            )
        object.__setattr__(self, "_mtf", read_mtf(self.mtf))

    def _check_sizes(self) -> None:
        for name, count in (("supercell", 3), ("zone_axis", 3), ("image_size_px", 2)):
            value = getattr(self, name)
            if value is not None and not _whole_numbers(value, count):
                raise InvalidInputError(
                    f"{name} is {value}: give {count} whole numbers", field=name
                )
        if min(self.supercell) < 1:
            raise InvalidInputError(
                f"supercell is {' '.join(map(str, self.supercell))}: give whole numbers of at "
                "least 1",
                field="supercell",
            )
        width, height = self.image_size_px or (None, None)
        pattern = self.pattern_px or None
        for name, edge in (("width_px", width), ("height_px", height), ("pattern_px", pattern)):
            if edge is not None and edge not in _EDGES_PX:
                raise InvalidInputError(
                    f"{name} is {edge}: choose {_EDGES_PX[0]} to {_EDGES_PX[-1]}", field=name
                )

    def _check_thicknesses(self) -> None:
        for name, thickness in (
            *(("thickness", each) for each in _numbers(self.thicknesses_angstrom)),
            ("thickness_max", self.greatest_thickness_angstrom),
            ("thickness_step", self.thickness_step_angstrom),
            ("show", self.shown_thickness_angstrom),
        ):
            if thickness is not None and not (math.isfinite(thickness) and thickness > 0):
                raise InvalidInputError(
                    f"{name} is {thickness:g} angstrom: give a positive thickness", field=name
                )

    @property
    def defoci(self) -> list[float]:
        """Every defocus, angstrom."""
        return _numbers(self.defocus_angstrom)

    def thicknesses(
        self, period_angstrom: float, *, repeats: bool
    ) -> tuple[list[float], list[str]]:
        """Return what thicknesses a crystal of this period can have, and remarks.

        Raises
        ------
        InvalidInputError
            None is below the greatest.
        """
        given = _numbers(self.thicknesses_angstrom)
        if not repeats:
            asked = [t for t in given if t > period_angstrom + 0.5]
            remark = "the structure does not repeat along the beam: it is passed once"
            return [period_angstrom], [remark] if asked else []
        if not given:
            greatest, step = self.greatest_thickness_angstrom, self.thickness_step_angstrom
            return thickness_series(period_angstrom, greatest, step), []
        chosen: dict[int, float] = {}
        for asked_for in given:
            chosen[max(1, round(asked_for / period_angstrom))] = asked_for
        taken = {count: round(count * period_angstrom, 6) for count in sorted(chosen)}
        moved = any(abs(taken[n] - chosen[n]) > _SAME_THICKNESS_ANGSTROM for n in taken)
        merged = len(taken) < len(given)
        remark = (
            f"the crystal repeats every {period_angstrom:.5g} angstrom along the beam: the nearest "
            f"whole numbers of periods were taken, {', '.join(f'{t:g}' for t in taken.values())}"
        )
        return list(taken.values()), [remark] if moved or merged else []

    def shown(self, simulated_angstrom: Sequence[float]) -> tuple[float | None, list[str]]:
        """Return which of these thicknesses the report shows, and a remark where it is another.

        Raises
        ------
        InvalidInputError
            The one that was asked for is further outside than half a step.
        """
        asked_for = self.shown_thickness_angstrom
        if asked_for is None:
            return None, []
        first, last = simulated_angstrom[0], simulated_angstrom[-1]
        step = last - simulated_angstrom[-2] if len(simulated_angstrom) > 1 else last
        if not first / 2 <= asked_for <= last + step / 2:
            simulated = f"{first:g}" if first == last else f"{first:g} to {last:g}"
            raise InvalidInputError(
                f"show is {asked_for:g} angstrom, far from what is simulated, {simulated}: choose "
                "one of these, or simulate others",
                field="show",
            )
        nearest = min(simulated_angstrom, key=lambda one: abs(one - asked_for))
        remark = f"the report shows {nearest:g} angstrom, the nearest to {asked_for:g}"
        return nearest, [remark] if abs(nearest - asked_for) > _SAME_THICKNESS_ANGSTROM else []

    def objective(self) -> simulator_pb2.Objective:
        """Return the message of the lens."""
        return simulator_pb2.Objective(
            defocus_angstrom=self.defoci,
            astigmatism_angstrom=self.astigmatism_angstrom,
            astigmatism_angle_deg=self.astigmatism_angle_deg,
            cs_mm=self.cs_mm,
            focal_spread_angstrom=self.focal_spread_angstrom,
            aperture_mrad=self.aperture_mrad,
            envelope_b_angstrom2=self.envelope_b_angstrom2,
        )

    def camera(self) -> simulator_pb2.Camera:
        """Return the message of the camera."""
        width, height = self.image_size_px or (0, 0)
        return simulator_pb2.Camera(
            pixel_size_angstrom=self.pixel_size_angstrom,
            width_px=width,
            height_px=height,
            mtf=self._mtf,
            dose_e_per_angstrom2=self.dose_e_per_angstrom2 or 0.0,
            seed=self.seed,
            pattern_px=self.pattern_px,
        )


def _numbers(given: float | Sequence[float]) -> list[float]:
    return [float(x) for x in given] if isinstance(given, Iterable) else [float(given)]


def _whole_numbers(value: Any, count: int) -> bool:
    numbers = list(value) if isinstance(value, Iterable) else []
    return len(numbers) == count and all(isinstance(number, Integral) for number in numbers)
