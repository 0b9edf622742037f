"""What the engine takes and gives: a weighted structure, and the beams of its exit waves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from cryolattice.errors import InvalidInputError
from cryolattice_simulator.orders import plane_vectors

ENERGY_RANGE_KEV = (20.0, 3000.0)
# A thickness counts as a whole number of periods within this many angstrom.
THICKNESS_TOLERANCE_ANGSTROM = 5e-3


@dataclass(frozen=True)
class Structure:
    """One period of a crystal, beam along z.

    Attributes
    ----------
    cell_angstrom : ndarray, shape (3, 3)
        Rows a, b, c: a and b in the plane, in any right-handed setting, c along the beam.
    numbers : ndarray of int, shape (n,)
        Atomic numbers.
    positions_angstrom : ndarray, shape (n, 3)
        Cartesian; positions outside the cell mean their image inside.
    occupancies : ndarray, shape (n,)
        Weight of each atom's potential, above 0 and at most 1. An orientational mean is given as
        many points of small weight.
    random_sites : ndarray of bool, shape (n,), optional
        Sites that are occupied at random, each with its occupancy as probability, instead of
        scattering as a weighted mean. None by default.
    """

    cell_angstrom: NDArray[np.float64]
    numbers: NDArray[np.int64]
    positions_angstrom: NDArray[np.float64]
    occupancies: NDArray[np.float64]
    random_sites: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        cell = np.asarray(self.cell_angstrom, dtype=np.float64)
        numbers = np.asarray(self.numbers, dtype=np.int64)
        positions = np.asarray(self.positions_angstrom, dtype=np.float64)
        occupancies = np.asarray(self.occupancies, dtype=np.float64)
        n = numbers.size
        if numbers.ndim != 1 or n == 0:
            raise InvalidInputError(
                f"numbers has shape {numbers.shape}: give one atomic number for each of at least "
                "one atom",
                field="numbers",
            )
        if positions.shape != (n, 3) or not np.all(np.isfinite(positions)):
            raise InvalidInputError(
                f"positions_angstrom has shape {positions.shape} for {n} atoms, or is not finite: "
                f"give {n} rows of x, y, z in angstrom",
                field="positions_angstrom",
            )
        if occupancies.shape != (n,) or not np.all((occupancies > 0) & (occupancies <= 1)):
            raise InvalidInputError(
                f"occupancies must be {n} values above 0 and at most 1: remove an atom whose "
                "occupancy is 0",
                field="occupancies",
            )
        random_sites = (
            np.zeros(n, dtype=np.bool_)
            if self.random_sites is None
            else np.asarray(self.random_sites, dtype=np.bool_)
        )
        if random_sites.shape != (n,):
            raise InvalidInputError(
                f"random_sites has shape {random_sites.shape}: give one value for each of {n} "
                "atoms",
                field="random_sites",
            )
        if np.any((numbers < 1) | (numbers > 103)):
            raise InvalidInputError(
                f"atomic number {numbers[(numbers < 1) | (numbers > 103)][0]} is not known: give "
                "numbers from 1 to 103",
                field="numbers",
            )
        if cell.shape != (3, 3) or not np.all(np.isfinite(cell)) or np.linalg.det(cell) <= 0:
            raise InvalidInputError(
                f"cell_angstrom {cell.tolist()} is no right-handed cell: give rows a, b, c in "
                "angstrom",
                field="cell_angstrom",
            )
        if np.abs(np.append(cell[:2, 2], cell[2, :2])).max() > 1e-6 * cell[2, 2]:
            raise InvalidInputError(
                f"cell_angstrom {cell.tolist()} has a or b out of the plane, or c off the beam: "
                "choose a supercell with a and b in the plane and c along z",
                field="cell_angstrom",
            )
        object.__setattr__(self, "cell_angstrom", cell)
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "positions_angstrom", positions)
        object.__setattr__(self, "occupancies", occupancies)
        object.__setattr__(self, "random_sites", random_sites)

    @property
    def lengths_angstrom(self) -> NDArray[np.float64]:
        """Edges of the cell, shape (3,)."""
        return np.asarray(np.linalg.norm(self.cell_angstrom, axis=1))

    @property
    def at_random(self) -> NDArray[np.bool_]:
        """Which sites are sometimes empty, shape (n,)."""
        return np.asarray(self.random_sites, dtype=np.bool_) & (self.occupancies < 1)

    @property
    def orthogonal(self) -> bool:
        """Whether a, b, c lie along x, y, z."""
        return is_orthogonal(self.cell_angstrom)


@dataclass(frozen=True)
class ExitBeams:
    """Fourier coefficients of exit waves, psi(r) = sum psi_hk exp(2 pi i (h u + k v)).

    The place r is u a + v b.
    The entrance wave is a plane wave with psi_00 = 1.

    Attributes
    ----------
    h, k : ndarray of int, shape (nb,)
        Orders along a and b, the direct beam first, then by spatial frequency.
    psi : ndarray of complex, shape (nt, nb)
        Coefficients after each thickness.
    thicknesses_angstrom : ndarray, shape (nt,)
        Where the waves leave the crystal, increasing.
    cell_angstrom : ndarray, shape (3, 3)
        The structure's cell.
    energy_kev : float
        Energy of the electrons.
    gpts : tuple of int
        Grid (x, y) of the multislice calculation.
    slices_per_period : int
        Slices in one period along the beam.
    """

    h: NDArray[np.int64]
    k: NDArray[np.int64]
    psi: NDArray[np.complex64] | NDArray[np.complex128]
    thicknesses_angstrom: NDArray[np.float64]
    cell_angstrom: NDArray[np.float64]
    energy_kev: float
    gpts: tuple[int, int]
    slices_per_period: int

    @property
    def g_per_angstrom(self) -> NDArray[np.float64]:
        """Reciprocal vectors (x, y) of the beams, shape (nb, 2)."""
        return plane_vectors(self.h, self.k, self.cell_angstrom)

    @property
    def intensities(self) -> NDArray[np.float64]:
        """Intensity of each beam after each thickness, shape (nt, nb); the incident is 1."""
        return np.abs(self.psi.astype(np.complex128)) ** 2


def is_orthogonal(cell_angstrom: NDArray[np.float64]) -> bool:
    """Whether the rows a, b, c of a cell lie along x, y, z."""
    edges = np.diag(cell_angstrom)
    return bool(np.abs(cell_angstrom - np.diag(edges)).max() <= 1e-6 * edges.min())


def wavelength_angstrom(energy_kev: float) -> float:
    """Relativistic wavelength of an electron, h / sqrt(2 m e V (1 + e V / 2 m c^2)).

    Parameters
    ----------
    energy_kev : float
        Kinetic energy.

    Returns
    -------
    float
        Wavelength in angstrom; 0.019687 at 300 keV.
    """
    energy = require_energy_kev(energy_kev) * 1e3 * constants.e
    rest = constants.m_e * constants.c**2
    momentum = math.sqrt(energy * (energy + 2 * rest)) / constants.c
    return constants.h / momentum * 1e10


def interaction_per_volt_angstrom(energy_kev: float) -> float:
    """Interaction constant sigma = 2 pi m e lambda / h^2, with the relativistic mass.

    Parameters
    ----------
    energy_kev : float
        Kinetic energy.

    Returns
    -------
    float
        Phase in radians per V angstrom of projected potential; 6.5262e-4 at 300 keV.
    """
    mass = constants.m_e + energy_kev * 1e3 * constants.e / constants.c**2
    wavelength = wavelength_angstrom(energy_kev) * 1e-10
    return 2 * np.pi * mass * constants.e * wavelength / constants.h**2 * 1e-10


def require_positive(value: float, *, field: str, unit: str) -> float:
    """Return a finite positive number.

    Raises
    ------
    InvalidInputError
        If the value is not finite or not above 0.
    """
    number = float(value)
    if not math.isfinite(number) or number <= 0:
        raise InvalidInputError(
            f"{field} is {number:g} {unit}: give a value above 0 {unit}", field=field
        )
    return number


def require_energy_kev(energy_kev: float, *, field: str = "energy_kev") -> float:
    """Return an energy that a transmission microscope can have.

    Raises
    ------
    InvalidInputError
        If the energy is not between 20 and 3000 keV.
    """
    energy = require_positive(energy_kev, field=field, unit="keV")
    low, high = ENERGY_RANGE_KEV
    if not low <= energy <= high:
        raise InvalidInputError(
            f"{field} is {energy:g} keV, outside {low:g} to {high:g} keV: give the microscope's "
            "voltage in kV, such as 300",
            field=field,
        )
    return energy


def require_whole_periods(
    thicknesses_angstrom: Sequence[float] | NDArray[np.float64], period_angstrom: float
) -> NDArray[np.int64]:
    """Turn thicknesses into numbers of periods along the beam.

    Parameters
    ----------
    thicknesses_angstrom : sequence of float
        Increasing thicknesses.
    period_angstrom : float
        Length of the cell along the beam.

    Returns
    -------
    ndarray of int
        Periods in each thickness.

    Raises
    ------
    InvalidInputError
        If there is none, one is not positive, they do not increase, or one is not a whole number
        of periods.
    """
    field = "thickness_angstrom"
    thicknesses = np.atleast_1d(np.asarray(thicknesses_angstrom, dtype=np.float64))
    if thicknesses.ndim != 1 or thicknesses.size == 0:
        raise InvalidInputError("no thickness_angstrom is given: give at least one", field=field)
    for thickness in thicknesses:
        value = require_positive(float(thickness), field=field, unit="angstrom")
        below = math.floor(value / period_angstrom)
        nearest = [n * period_angstrom for n in (below, below + 1) if n > 0]
        if min(abs(value - n) for n in nearest) > THICKNESS_TOLERANCE_ANGSTROM:
            raise InvalidInputError(
                f"thickness_angstrom is {value:g} angstrom, no whole multiple of the period along "
                f"the beam, {period_angstrom:g} angstrom: use "
                + " or ".join(f"{n:.6g}" for n in nearest),
                field=field,
            )
    if np.any(np.diff(thicknesses) <= 0):
        raise InvalidInputError(
            f"thickness_angstrom {thicknesses.tolist()} does not increase: sort the values and "
            "remove repeats",
            field=field,
        )
    return np.rint(thicknesses / period_angstrom).astype(np.int64)
