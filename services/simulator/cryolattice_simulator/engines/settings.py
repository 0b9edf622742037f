"""What an engine is asked for besides the structure, and the plan that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_simulator.beams import (
    ExitBeams,
    Structure,
    require_energy_kev,
    require_positive,
    require_whole_periods,
)
from cryolattice_simulator.orders import beam_orders
from cryolattice_simulator.slicing import require_band_limit, slice_count

Precision = Literal["float32", "float64"]
Projection = Literal["infinite", "finite"]
Device = Literal["auto", "cpu", "gpu"]

# Paraxial propagation with a tilt in its phase holds for small tilts only.
GREATEST_TILT_MRAD = 100.0


@dataclass(frozen=True)
class Multislice:
    """A multislice calculation.

    Attributes
    ----------
    energy_kev : float
        Energy of the electrons, 20 to 3000 keV.
    thicknesses_angstrom : sequence of float
        Increasing, whole multiples of the period along the beam.
    k_max_per_angstrom : float
        Beams up to this spatial frequency are kept.
    gpts : tuple of int, optional
        Grid of the wave along a and b; the engine chooses from ``sampling_angstrom`` without it.
    sampling_angstrom : float
        Greatest distance between grid points.
    slice_thickness_angstrom : float
        Greatest thickness of a slice; slices divide the period evenly.
    parametrization : str
        Atomic potentials: ``"lobato"`` (Acta Cryst. A 70, 636, 2014), ``"kirkland"``, or
        ``"peng"`` (Micron 30, 625, 1999), which only abTEM offers.
    debye_waller_b_angstrom2 : mapping of str to float, or float
        Isotropic Debye-Waller factor B by element symbol, exp(-B k^2 / 4) on the scattering
        factor; an element that is not named does not vibrate. A number holds for all elements.
    beam_tilt_mrad : tuple of float
        Tilt of the beam against z along x and y. The wave is given without the tilt's own phase
        ramp, so that its entrance is still 1.
    phonon_seed : int or sequence of int, optional
        Displace the atoms of every period at random by their Debye-Waller factors instead of
        damping their potentials: one frozen-phonon configuration for each seed.
    projection : str
        ``"infinite"`` projects each atom wholly into its slice; ``"finite"`` integrates between
        the slice's borders, which only abTEM does.
    precision : str
        ``"float32"`` or ``"float64"``.
    device : str
        ``"cpu"``, ``"gpu"``, or ``"auto"`` for what the machine has. Not part of the question.
    """

    energy_kev: float
    thicknesses_angstrom: Sequence[float] | NDArray[np.float64]
    k_max_per_angstrom: float = 1.0
    gpts: tuple[int, int] | None = None
    sampling_angstrom: float = 0.09
    slice_thickness_angstrom: float = 1.2
    parametrization: str = "lobato"
    debye_waller_b_angstrom2: Mapping[str, float] | float = 0.0
    beam_tilt_mrad: tuple[float, float] = (0.0, 0.0)
    phonon_seed: int | Sequence[int] | None = None
    projection: Projection = "infinite"
    precision: Precision = "float32"
    device: Device = "auto"

    @property
    def tilt(self) -> tuple[float, float]:
        """Tilt of the beam in mrad."""
        return float(self.beam_tilt_mrad[0]), float(self.beam_tilt_mrad[1])


@dataclass(frozen=True)
class Plan:
    """A calculation with every choice made and checked.

    Attributes
    ----------
    settings : Multislice
        What was asked.
    cell_angstrom : ndarray, shape (3, 3)
        The structure's cell.
    gpts : tuple of int
        Grid along a and b.
    slices : int
        Slices in one period.
    periods : ndarray of int, shape (nt,)
        Periods before each exit plane, increasing.
    b_angstrom2 : dict of int to float
        Debye-Waller factor of each atomic number in the structure.
    h, k : ndarray of int, shape (nb,)
        Orders of the beams that are kept.
    """

    settings: Multislice
    cell_angstrom: NDArray[np.float64]
    gpts: tuple[int, int]
    slices: int
    periods: NDArray[np.int64]
    b_angstrom2: Mapping[int, float]
    h: NDArray[np.int64]
    k: NDArray[np.int64]

    @property
    def slice_angstrom(self) -> float:
        """Thickness of a slice."""
        return float(self.cell_angstrom[2, 2]) / self.slices

    @property
    def all_slices(self) -> int:
        """Slices of the whole crystal."""
        return int(self.periods[-1]) * self.slices

    @property
    def dtype(self) -> str:
        """Type of real arrays."""
        return self.settings.precision

    @property
    def complex_dtype(self) -> str:
        """Type of complex arrays."""
        return "complex64" if self.settings.precision == "float32" else "complex128"

    def beams(self, psi: NDArray[np.complexfloating]) -> ExitBeams:
        """Name the beams of exit waves, given as (planes, beams) or on the whole (planes, nx, ny).

        Parameters
        ----------
        psi : ndarray of complex
            Fourier coefficients, psi_00 = 1 at the entrance.
        """
        if psi.ndim == 3:
            psi = psi[:, self.h % self.gpts[0], self.k % self.gpts[1]]
        return ExitBeams(
            h=self.h,
            k=self.k,
            psi=np.ascontiguousarray(psi),
            thicknesses_angstrom=np.asarray(
                self.periods * self.cell_angstrom[2, 2], dtype=np.float64
            ),
            cell_angstrom=self.cell_angstrom,
            energy_kev=self.settings.energy_kev,
            gpts=self.gpts,
            slices_per_period=self.slices,
        )


def make_plan(structure: Structure, settings: Multislice, gpts: tuple[int, int]) -> Plan:
    """Check a calculation on this grid.

    Raises
    ------
    InvalidInputError
        If a value cannot be right; ``field`` names it.
    """
    require_energy_kev(settings.energy_kev)
    lengths = structure.lengths_angstrom
    period = float(lengths[2])
    periods = require_whole_periods(settings.thicknesses_angstrom, period)
    k_max = require_band_limit(gpts, lengths, settings.k_max_per_angstrom)
    for field, known in (("precision", Precision), ("projection", Projection), ("device", Device)):
        value = getattr(settings, field)
        if value not in get_args(known):
            raise InvalidInputError(
                f"{field} is {value!r}: choose {' or '.join(get_args(known))}", field=field
            )
    tilt = np.asarray(settings.beam_tilt_mrad, dtype=np.float64)
    if tilt.shape != (2,) or not np.all(np.abs(tilt) <= GREATEST_TILT_MRAD):
        raise InvalidInputError(
            f"beam_tilt_mrad is {settings.beam_tilt_mrad}: give two angles between "
            f"-{GREATEST_TILT_MRAD:g} and {GREATEST_TILT_MRAD:g} mrad",
            field="beam_tilt_mrad",
        )
    h, k = beam_orders(structure.cell_angstrom, k_max)
    return Plan(
        settings=settings,
        cell_angstrom=structure.cell_angstrom,
        gpts=gpts,
        slices=slice_count(period, settings.slice_thickness_angstrom),
        periods=periods,
        b_angstrom2=_b_by_number(structure, settings.debye_waller_b_angstrom2),
        h=h,
        k=k,
    )


def required_sampling(settings: Multislice) -> float:
    """Return the sampling, above 0."""
    return require_positive(settings.sampling_angstrom, field="sampling_angstrom", unit="angstrom")


def _b_by_number(
    structure: Structure, debye_waller: Mapping[str, float] | float
) -> dict[int, float]:
    numbers = {chemical_symbols[z]: int(z) for z in np.unique(structure.numbers)}
    named = (
        dict(debye_waller)
        if isinstance(debye_waller, Mapping)
        else dict.fromkeys(numbers, float(debye_waller))
    )
    require_debye_waller(named)
    return {z: float(named.get(symbol, 0.0)) for symbol, z in numbers.items()}


def require_debye_waller(b_angstrom2: Mapping[str, float]) -> None:
    """Raise `InvalidInputError` unless these are elements with a possible Debye-Waller factor B."""
    field = "debye_waller_b_angstrom2"
    for symbol, b in b_angstrom2.items():
        if symbol not in chemical_symbols[1:]:
            raise InvalidInputError(
                f"{field} names {symbol!r}, which is no element: use symbols such as Na",
                field=field,
            )
        if not 0 <= b < 1e3:
            raise InvalidInputError(
                f"{field} of {symbol} is {b:g} angstrom^2: give 0 or more, 0.2 to 3 is usual",
                field=field,
            )
