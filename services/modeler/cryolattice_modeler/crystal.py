"""The parent crystal: every site of its cell, who may sit there, and its symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Site:
    """One site of the parent cell.

    Attributes
    ----------
    label : str
        Label in the file of the (first) atom on it.
    fractional : tuple of float
        Position in fractions of the cell, each 0 <= x < 1.
    occupants : tuple of (element, Fraction)
        Elements in alphabetical order with their occupancies; the rest is vacancy.
    orbit : int
        Sites with the same number are equivalent by the crystal's symmetry, by operations that
        the shape of the file's cell does not share too: they have one composition between them.
    companions : tuple of (element, tuple of float)
        Atoms that come and go with this one, from the site, in fractions of the cell.
    to_middle : tuple of float or None
        Of sites of which at most one is taken: the way to their common middle, in fractions of the
        cell. None where the site is independent of others.
    """

    label: str
    fractional: tuple[float, float, float]
    occupants: tuple[tuple[str, Fraction], ...]
    orbit: int
    companions: tuple[tuple[str, tuple[float, float, float]], ...] = ()
    to_middle: tuple[float, float, float] | None = None

    @property
    def vacancy(self) -> Fraction:
        """The fraction of these sites that is empty."""
        return 1 - sum((share for _, share in self.occupants), Fraction(0))

    @property
    def is_partial(self) -> bool:
        """Whether the site is partly vacant or shared by several elements."""
        return len(self.occupants) > 1 or self.vacancy > 0

    @property
    def is_disordered(self) -> bool:
        """Whether orderings decide about it: partial, and not just hydrogen in several poses."""
        return self.is_partial and any(element != "H" for element, _ in self.occupants)


@dataclass(frozen=True, eq=False)
class ParentCrystal:
    """A crystal with partially occupied sites, expanded to its whole cell.

    Attributes
    ----------
    name : str
        Display name.
    cell_angstrom : (3, 3) array
        Rows a, b, c; a along x, b in the xy plane.
    sites : tuple of Site
        In an order that depends on the positions only, not on the file.
    rotations : (k, 3, 3) int array
    translations : (k, 3) array
        The symmetry x' = R x + t of the structure with its occupancies, centrings included.
        It is found from the expanded structure, so a crystal written out in P1 counts the same
        as one written with its space group.
    space_group : str
        International symbol of that symmetry.
    declared_space_group : str
        The file's own word.
    warnings : tuple of str
    open_axes : tuple of int
        Axes along which nothing repeats, see `CifContent`.
    """

    name: str
    cell_angstrom: NDArray[np.float64]
    sites: tuple[Site, ...]
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    space_group: str
    declared_space_group: str
    warnings: tuple[str, ...]
    open_axes: tuple[int, ...] = ()

    @property
    def fractional(self) -> NDArray[np.float64]:
        """Positions of the sites, (n, 3), in fractions of the cell."""
        return np.array([site.fractional for site in self.sites], dtype=np.float64)

    @property
    def disordered_orbits(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the sites to be ordered, one tuple for each orbit of equivalent sites."""
        orbits: dict[int, list[int]] = {}
        for index, site in enumerate(self.sites):
            if site.is_disordered:
                orbits.setdefault(site.orbit, []).append(index)
        return tuple(tuple(members) for members in orbits.values())


def separations_angstrom(
    positions: NDArray[np.float64], point: NDArray[np.float64], cell_angstrom: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distances from a point to the nearest lattice images of positions, exact when short.

    Parameters
    ----------
    positions : (n, 3) array
    point : (3,) array
        In fractions of the cell; or (k, 1, 3) for k points, then the distances are (k, n).
    cell_angstrom : (3, 3) array

    Returns
    -------
    (n,) array
        In angstrom.
    """
    delta = positions - point
    return np.linalg.norm((delta - np.rint(delta)) @ cell_angstrom, axis=-1)


def triple(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return a vector (3,) without the noise of its last digits."""
    x, y, z = (round(float(value), 9) + 0.0 for value in vector)
    return x, y, z


def canonical_position(position: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return a position (3,) within the cell, 0 <= x < 1, without the noise of its last digits."""
    wrapped = position - np.floor(position + 1e-5)  # 0.999999 is 0
    x, y, z = (float(value) for value in np.round(wrapped, 9) + 0.0)
    return max(x, 0.0), max(y, 0.0), max(z, 0.0)
