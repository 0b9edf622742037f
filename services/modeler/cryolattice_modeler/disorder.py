"""The disorder groups of a CIF.

The atoms of a group come and go together: one of them stands for a site, with the share of the
cells in which it is taken, and the others are its companions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.cif import CifAtom, CifContent

SAME_SITE_ANGSTROM = 0.1
"""Atoms nearer than this share a site; images of one atom nearer than this are one atom."""


@dataclass(eq=False)
class OpenSite:
    """A site that is being put together.

    Attributes
    ----------
    position : (3,) array
        In fractions of the cell.
    atoms : list of CifAtom
        That share it.
    companions : list of (CifAtom, (3,) array)
        The rest of its group, from the site, in fractions of the cell.
    to_middle : (3,) array or None
        To the middle of the sites of which one is taken.
    """

    position: NDArray[np.float64]
    atoms: list[CifAtom]
    companions: list[tuple[CifAtom, NDArray[np.float64]]] = field(default_factory=list)
    to_middle: NDArray[np.float64] | None = None

    @property
    def label(self) -> str:
        """Of its first atom."""
        return self.atoms[0].label

    @property
    def share(self) -> Fraction:
        """The part of the sites that is taken."""
        return sum((atom.occupancy for atom in self.atoms), Fraction(0))

    @property
    def tolerance(self) -> float:
        """How far off that may be by rounding."""
        return sum(atom.occupancy_tolerance for atom in self.atoms)


Groups = dict[str, dict[str, list[CifAtom]]]


def disorder_groups(content: CifContent, name: str) -> Groups:
    """Return the atoms of each group of each assembly, where an assembly has several or large ones.

    Raises
    ------
    InvalidInputError
        If the atoms of a group do not have one occupancy.
    """
    assemblies: Groups = {}
    for atom in content.atoms:
        if atom.group:
            assemblies.setdefault(atom.assembly, {}).setdefault(atom.group, []).append(atom)
    for assembly, groups in assemblies.items():
        for group, members in groups.items():
            if len({atom.occupancy for atom in members}) > 1:
                listed = ", ".join(f"{atom.label} {float(atom.occupancy):g}" for atom in members)
                raise InvalidInputError(
                    f"{name}: atoms of disorder group {group} of assembly {assembly or '.'} occur "
                    f"together, but their occupancies differ: {listed}; give independent disorder "
                    "an assembly of its own (_atom_site_disorder_assembly)",
                    field="parent",
                )
    return assemblies


def group_sites(
    groups: dict[str, list[CifAtom]],
    content: CifContent,
    name: str,
) -> tuple[list[OpenSite], list[list[tuple[int, NDArray[np.float64]]]]]:
    """Expand an assembly by symmetry: one site for each place of each of its groups.

    Parameters
    ----------
    groups : dict of str to list of CifAtom
    content : CifContent
    name : str

    Returns
    -------
    sites : list of OpenSite
    together : list of list of (int, (3,) array)
        For each operation the sites of its groups, of which one is taken, and their positions as
        they lie side by side.

    Raises
    ------
    InvalidInputError
        If no atom of a group is apart from the others, so that its places cannot be told apart.
    """
    sites: list[OpenSite] = []
    together: list[list[tuple[int, NDArray[np.float64]]]] = [[] for _ in content.rotations]
    all_images = [_images(members, content) for members in groups.values()]
    for which, (members, images) in enumerate(zip(groups.values(), all_images, strict=True)):
        copies = _distinct_sets(images, content.cell_angstrom)
        elsewhere = [i.reshape(-1, 3) for i in all_images[:which] + all_images[which + 1 :]]
        anchor = _anchor(
            *(members, images[sorted(set(copies))]),
            np.concatenate([np.empty((0, 3)), *elsewhere]),
            content.cell_angstrom,
            name,
        )
        numbers: dict[int, int] = {}
        for operation, first in enumerate(copies):
            if first not in numbers:
                numbers[first] = len(sites)
                here = images[first]
                others = [
                    (atom, here[i] - here[anchor]) for i, atom in enumerate(members) if i != anchor
                ]
                position = here[anchor] - np.floor(here[anchor])
                sites.append(OpenSite(position, [members[anchor]], others))
            together[operation].append((numbers[first], images[operation, anchor]))
    return sites, together


def _images(members: list[CifAtom], content: CifContent) -> NDArray[np.float64]:
    """Return where each operation (k, n, 3) takes the atoms of a group."""
    places = np.array([_on_special_position(atom, content) for atom in members])
    moved = np.einsum("gij,mj->gmi", content.rotations, places)
    return np.asarray(moved + content.translations[:, None], dtype=np.float64)


def _distinct_sets(images: NDArray[np.float64], cell: NDArray[np.float64]) -> list[int]:
    """Return for each operation the first one that puts the group on the same positions."""
    first: list[int] = []
    for operation, image in enumerate(images):
        same = operation
        for earlier in sorted(set(first)):
            delta = image[:, None] - images[earlier][None]
            gaps = np.linalg.norm((delta - np.rint(delta)) @ cell, axis=-1)
            if np.all(gaps.min(axis=1) < SAME_SITE_ANGSTROM):
                same = earlier
                break
        first.append(same)
    return first


def _anchor(
    members: Sequence[CifAtom],
    images: NDArray[np.float64],
    elsewhere: NDArray[np.float64],
    cell: NDArray[np.float64],
    name: str,
) -> int:
    """Choose the atom that stands for a group: the innermost that no other place of one has there.

    `images` (copies, n, 3) are the group's places, `elsewhere` the atoms of the other groups.
    """
    if len(members) == 1:
        return 0  # where another one is, they share a site
    inwards = np.linalg.norm((images[0] - images[0].mean(axis=0)) @ cell, axis=1).round(3)
    only_hydrogen = all(atom.element == "H" for atom in members)
    for index in sorted(range(len(members)), key=lambda i: (inwards[i], members[i].element)):
        own = images[:, index]
        delta = own[:, None] - np.concatenate([own, elsewhere])[None]
        gaps = np.linalg.norm((delta - np.rint(delta)) @ cell, axis=-1)
        gaps[np.arange(len(own)), np.arange(len(own))] = np.inf
        heavy = only_hydrogen or members[index].element != "H"
        if heavy and gaps.min(initial=np.inf) >= SAME_SITE_ANGSTROM:
            return index
    raise InvalidInputError(
        f"{name}: the places of the disorder group of {', '.join(a.label for a in members)} cannot "
        "be told apart: each of its atoms lies where another group or an image has one; write the "
        "atoms that they share with full occupancy, outside the group",
        field="parent",
    )


def _on_special_position(atom: CifAtom, content: CifContent) -> NDArray[np.float64]:
    """Return an atom's position, moved onto the special position that it is at."""
    position = np.array(atom.fractional)
    delta = content.rotations @ position + content.translations - position
    delta -= np.rint(delta)
    near = np.linalg.norm(delta @ content.cell_angstrom, axis=1) < SAME_SITE_ANGSTROM
    moved: NDArray[np.float64] = position + delta[near].mean(axis=0)
    return moved


def equivalent_positions(atom: CifAtom, content: CifContent) -> NDArray[np.float64]:
    """Return the distinct positions (n, 3) of an atom's images in the cell."""
    images = content.rotations @ _on_special_position(atom, content) + content.translations
    distinct: list[NDArray[np.float64]] = []
    for image in images - np.floor(images):
        delta = np.array(distinct).reshape(-1, 3) - image
        gaps = np.linalg.norm((delta - np.rint(delta)) @ content.cell_angstrom, axis=1)
        if not np.any(gaps < SAME_SITE_ANGSTROM):
            distinct.append(image)
    return np.array(distinct)
