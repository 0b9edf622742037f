"""The parent crystal: every site of its cell, who may sit there, and its symmetry."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError, NothingToOrderError
from cryolattice_modeler.cif import CifAtom, CifContent
from cryolattice_modeler.disorder import (
    SAME_SITE_ANGSTROM,
    Edges,
    OpenSite,
    disorder_groups,
    equivalent_positions,
    exclude_each_other,
    group_sites,
)
from cryolattice_modeler.structure_files import read_structure
from cryolattice_modeler.symmetry import find_symmetry


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


def _expand(content: CifContent, name: str) -> list[OpenSite]:
    sites: list[OpenSite] = []
    edges: Edges = []
    for atom in content.atoms:
        if not atom.group:
            for position in equivalent_positions(atom, content):
                _place(sites, OpenSite(position, [atom]), content.cell_angstrom, name)
    for groups in disorder_groups(content, name).values():
        found, together = group_sites(groups, content, name)
        places = [_place(sites, site, content.cell_angstrom, name) for site in found]
        for alternatives in together:
            (first, start), *others = alternatives
            edges += [
                (places[first], places[other], end - start)
                for other, end in others
                if places[first] != places[other]
            ]
    exclude_each_other(sites, edges, content.cell_angstrom, name)
    return sites


def _place(sites: list[OpenSite], new: OpenSite, cell: NDArray[np.float64], name: str) -> int:
    """Add a site, or its atom to the site that is there already; return the site's number."""
    known = np.array([site.position for site in sites]).reshape(-1, 3)
    gaps = separations_angstrom(known, new.position, cell)
    nearest = int(np.argmin(gaps)) if len(gaps) else -1
    if nearest < 0 or gaps[nearest] >= SAME_SITE_ANGSTROM:
        sites.append(new)
        return len(sites) - 1
    site, (atom,) = sites[nearest], new.atoms
    if site.companions or new.companions:
        raise InvalidInputError(
            f"{name}: {site.label} and {atom.label} are on one site, though one of them is part of "
            "a larger disorder group: list what both groups share once, outside the groups",
            field="parent",
        )
    if any(other.type_symbol == atom.type_symbol for other in site.atoms):
        raise InvalidInputError(
            f"{name}: {site.label} and {atom.label} are the same {atom.element} atom, listed twice "
            "(or an image by symmetry): remove one",
            field="parent",
        )
    site.atoms.append(atom)
    return nearest


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


def _sorted_sites(open_sites: list[OpenSite], name: str) -> list[Site]:
    """Return the sites, their orbits not known yet, in an order that the positions decide."""
    sites = [
        Site(
            label=site.label,
            fractional=canonical_position(site.position),
            occupants=_occupants(site.atoms, name),
            orbit=-1,
            companions=tuple(
                sorted((atom.element, triple(offset)) for atom, offset in site.companions)
            ),
            to_middle=None if site.to_middle is None else triple(site.to_middle),
        )
        for site in open_sites
    ]
    return sorted(
        sites, key=lambda s: (tuple(round(x, 4) for x in s.fractional), s.occupants, s.label)
    )


def _with_symmetry(open_sites: list[OpenSite], content: CifContent, name: str) -> ParentCrystal:
    placed = _sorted_sites(open_sites, name)
    orbits: NDArray[np.integer] = np.arange(len(placed))
    rotations, translations, space_group = np.eye(3, dtype=np.int64)[None], np.zeros((1, 3)), "P1"
    # in a box nothing repeats, and the search takes a minute for ten thousand atoms
    if len(content.open_axes) < len(content.cell_angstrom):
        occupied, kinds = _atoms_and_kinds(placed, content.cell_angstrom)
        dataset = find_symmetry(content.cell_angstrom, occupied, kinds)
        if dataset is None:
            raise InvalidInputError(
                f"{name}: no symmetry can be found for the atoms as listed: look for overlapping "
                "atoms",
                field="parent",
            )
        orbits, space_group = dataset.crystallographic_orbits, str(dataset.international)
        rotations = np.asarray(dataset.rotations, dtype=np.int64)
        translations = np.asarray(dataset.translations, dtype=np.float64)
    sites = tuple(
        dataclasses.replace(site, orbit=int(orbit))
        for site, orbit in zip(placed, orbits[: len(placed)], strict=True)
    )
    _require_kept(sites, rotations, translations, content.cell_angstrom, name)
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
        rotations=rotations,
        translations=translations,
        space_group=space_group,
        declared_space_group=content.space_group,
        warnings=tuple(warnings),
        open_axes=content.open_axes,
    )


def _atoms_and_kinds(
    sites: list[Site], cell: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return positions of the sites, then of their companions, with what may be exchanged."""
    places = [np.array(site.fractional) for site in sites]
    told: list[list[str]] = [
        [str((site.occupants, [element for element, _ in site.companions]))] for site in sites
    ]
    for site in sites:
        for element, offset in site.companions:
            place = np.array(site.fractional) + offset
            gaps = separations_angstrom(np.array(places), place, cell)
            what = f"{element} with {site.occupants}"
            if gaps.min() < SAME_SITE_ANGSTROM:
                told[int(np.argmin(gaps))].append(what)
            else:
                places.append(place)
                told.append([what])
    keys = [str(sorted(what)) for what in told]
    numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    return np.array(places) % 1.0, np.array([numbers[key] for key in keys])


def _require_kept(
    sites: tuple[Site, ...],
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
    cell: NDArray[np.float64],
    name: str,
) -> None:
    """Refuse symmetry that takes sites of one disorder group or split site to those of several."""
    positions = np.array([site.fractional for site in sites])
    for site in sites:
        if site.to_middle is None and not site.companions:
            continue
        for rotation, translation in zip(rotations, translations, strict=True):
            image = rotation @ np.array(site.fractional) + translation
            other = sites[int(np.argmin(separations_angstrom(positions, image, cell)))]
            vectors = [site.to_middle or (0, 0, 0), *(v for _, v in site.companions)]
            targets = [other.to_middle or (0, 0, 0), *(v for _, v in other.companions)]
            gaps = (np.array(vectors) @ rotation.T)[:, None] - np.array(targets)[None]
            reached = np.linalg.norm(gaps @ cell, axis=-1) < SAME_SITE_ANGSTROM
            if not (reached[0, 0] and reached[1:, 1:].any(axis=1).all()):
                raise InvalidInputError(
                    f"{name}: symmetry takes {site.label} to {other.label}, but not what excludes "
                    "or accompanies it: give disorder groups and split sites that the space group "
                    "of the whole keeps",
                    field="parent",
                )


def triple(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return a vector (3,) without the noise of its last digits."""
    x, y, z = (round(float(value), 9) + 0.0 for value in vector)
    return x, y, z


def canonical_position(position: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return a position (3,) within the cell, 0 <= x < 1, without the noise of its last digits."""
    wrapped = position - np.floor(position + 1e-5)  # 0.999999 is 0
    x, y, z = (float(value) for value in np.round(wrapped, 9) + 0.0)
    return max(x, 0.0), max(y, 0.0), max(z, 0.0)
