"""The parent crystal: every site of its cell, who may sit there, and its symmetry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError, NothingToOrderError
from cryolattice_modeler.cif import CifAtom, CifContent
from cryolattice_modeler.structure_files import read_structure
from cryolattice_modeler.symmetry import find_symmetry

SAME_SITE_ANGSTROM = 0.1
"""Atoms nearer than this share a site; images of one atom nearer than this are one atom."""

SPLIT_SITE_ANGSTROM = 0.5
"""Partial atoms nearer than this, yet apart, cannot be occupied independently."""


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
    """

    label: str
    fractional: tuple[float, float, float]
    occupants: tuple[tuple[str, Fraction], ...]
    orbit: int

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


def read_parent_crystal(
    data: bytes | str,
    name: str,
    *,
    require_disorder: bool = True,
    file_format: str = "",
    box_angstrom: Sequence[float] = (),
) -> ParentCrystal:
    """Read the parent crystal from a CIF, or a file that ASE reads.

    Parameters
    ----------
    data : bytes or str
        The file's content.
    name : str
        Name to show in messages.
    require_disorder : bool
        Refuse a crystal in which there is nothing to order.
    file_format, box_angstrom
        As `read_structure`.

    Returns
    -------
    ParentCrystal

    Raises
    ------
    UnreadableFileError
        If the file is none of these, or has a mistake (with the line, or the tag).
    InvalidInputError
        If occupancies are impossible, or an atom is listed twice, or atoms overlap.
    NothingToOrderError
        If every site is fully occupied by one element and `require_disorder` is set.
    """
    content = read_structure(data, name, file_format=file_format, box_angstrom=box_angstrom)
    parent = _with_symmetry(_expand(content, name), content, name)
    if require_disorder and not parent.disordered_orbits:
        raise NothingToOrderError(
            f"{name}: all {len(content.atoms)} atoms in the list are fully occupied, so there is "
            "nothing to order: give a parent crystal whose disordered sites have an occupancy "
            "below 1",
            field="parent",
        )
    return parent


@dataclass
class _OpenSite:
    position: NDArray[np.float64]
    atoms: list[CifAtom]


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


def _expand(content: CifContent, name: str) -> list[_OpenSite]:
    sites: list[_OpenSite] = []
    for atom in content.atoms:
        for position in _orbit_positions(atom, content):
            _place(sites, atom, position, content.cell_angstrom, name)
    return sites


def _orbit_positions(atom: CifAtom, content: CifContent) -> NDArray[np.float64]:
    """Return the equivalent positions, the atom being moved onto the special position it is at."""
    position = np.array(atom.fractional)
    images = content.rotations @ position + content.translations
    delta = images - position
    delta -= np.rint(delta)
    near = np.linalg.norm(delta @ content.cell_angstrom, axis=1) < SAME_SITE_ANGSTROM
    position = position + delta[near].mean(axis=0)
    images = content.rotations @ position + content.translations
    distinct: list[NDArray[np.float64]] = []
    for image in images - np.floor(images):
        known = np.array(distinct).reshape(-1, 3)
        gaps = separations_angstrom(known, image, content.cell_angstrom)
        if not np.any(gaps < SAME_SITE_ANGSTROM):
            distinct.append(image)
    return np.array(distinct)


def _place(
    sites: list[_OpenSite],
    atom: CifAtom,
    position: NDArray[np.float64],
    cell: NDArray[np.float64],
    name: str,
) -> None:
    known = np.array([site.position for site in sites]).reshape(-1, 3)
    gaps = separations_angstrom(known, position, cell)
    nearest = int(np.argmin(gaps)) if len(gaps) else -1
    if nearest < 0 or gaps[nearest] >= SPLIT_SITE_ANGSTROM:
        sites.append(_OpenSite(position, [atom]))
        return
    site = sites[nearest]
    labels = f"{site.atoms[0].label} and {atom.label}"
    if gaps[nearest] < SAME_SITE_ANGSTROM:
        if any(other.type_symbol == atom.type_symbol for other in site.atoms):
            raise InvalidInputError(
                f"{name}: {labels} are the same {atom.element} atom, listed twice (or an image by "
                "symmetry): remove one",
                field="parent",
            )
        site.atoms.append(atom)
    elif atom.element == "H" or site.atoms[0].element == "H":
        sites.append(_OpenSite(position, [atom]))
    else:
        raise InvalidInputError(
            f"{name}: {labels} come within {gaps[nearest]:.2f} angstrom of each other: a site "
            "split over several positions is not supported; merge them into one mean position",
            field="parent",
        )


def _occupants(atoms: list[CifAtom], name: str) -> tuple[tuple[str, Fraction], ...]:
    shares: dict[str, Fraction] = {}
    for atom in atoms:
        shares[atom.element] = shares.get(atom.element, Fraction(0)) + atom.occupancy
    total = sum(shares.values(), Fraction(0))
    tolerance = sum(atom.occupancy_tolerance for atom in atoms)
    if len(atoms) > 1 and total != 1 and abs(float(total) - 1.0) <= tolerance:
        # A shared site that is full within rounding: its main element takes up the difference.
        main = max(shares, key=lambda element: (shares[element], element))
        shares[main] += 1 - total
        total = Fraction(1)
    if total > 1:
        raise InvalidInputError(
            f"{name}: the occupancies of {', '.join(atom.label for atom in atoms)} on one site add "
            f"up to {float(total):g}, above 1: correct them",
            field="parent",
        )
    return tuple(sorted(shares.items()))


def _with_symmetry(open_sites: list[_OpenSite], content: CifContent, name: str) -> ParentCrystal:
    placed = [
        (canonical_position(site.position), site.atoms[0].label, _occupants(site.atoms, name))
        for site in open_sites
    ]
    placed.sort(key=lambda item: (tuple(round(x, 4) for x in item[0]), item[2], item[1]))
    kinds = {occupants: i for i, occupants in enumerate(sorted({item[2] for item in placed}))}
    dataset = find_symmetry(
        content.cell_angstrom,
        np.array([item[0] for item in placed]),
        np.array([kinds[item[2]] for item in placed]),
    )
    if dataset is None:
        raise InvalidInputError(
            f"{name}: no symmetry can be found for the atoms as listed: look for overlapping atoms",
            field="parent",
        )
    sites = tuple(
        Site(label=label, fractional=position, occupants=occupants, orbit=int(orbit))
        for (position, label, occupants), orbit in zip(
            placed, dataset.crystallographic_orbits, strict=True
        )
    )
    warnings = list(content.warnings)
    averaged = sorted({s.label for s in sites if s.is_partial and not s.is_disordered})
    if averaged:
        warnings.append(
            f"{name}: partially occupied hydrogens ({', '.join(averaged)}) keep their mean "
            "occupancy; only the other partial sites are ordered"
        )
    return ParentCrystal(
        name=name,
        cell_angstrom=content.cell_angstrom,
        sites=sites,
        rotations=np.asarray(dataset.rotations, dtype=np.int64),
        translations=np.asarray(dataset.translations, dtype=np.float64),
        space_group=str(dataset.international),
        declared_space_group=content.space_group,
        warnings=tuple(warnings),
        open_axes=content.open_axes,
    )


def canonical_position(position: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return a position (3,) within the cell, 0 <= x < 1, without the noise of its last digits."""
    wrapped = position - np.floor(position + 1e-5)  # 0.999999 is 0
    x, y, z = (float(value) for value in np.round(wrapped, 9) + 0.0)
    return max(x, 0.0), max(y, 0.0), max(z, 0.0)
