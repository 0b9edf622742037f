"""The parent crystal as a CIF describes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError, NothingToOrderError
from cryolattice_modeler.cif import CifAtom, CifContent
from cryolattice_modeler.crystal import (
    ParentCrystal,
    Site,
    canonical_position,
    separations_angstrom,
    triple,
)
from cryolattice_modeler.disorder import (
    SAME_SITE_ANGSTROM,
    OpenSite,
    disorder_groups,
    equivalent_positions,
    group_sites,
)
from cryolattice_modeler.split_sites import Edges, exclude_each_other
from cryolattice_modeler.structure_files import read_structure
from cryolattice_modeler.symmetry import find_symmetry


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
