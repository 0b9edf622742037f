"""The orthorhombic rival of the cubic ordering: Pbcm, about sqrt2 x sqrt2 x 2."""

from __future__ import annotations

import ase
import numpy as np
from numpy.typing import NDArray

from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import Ordering, enumerate_orderings, ordered_atoms
from cryolattice_modeler.symmetry import find_symmetry
from cryolattice_modeler.transforms.provenance import with_record

PBCM_LENGTHS_ANGSTROM = (6.538, 6.496, 9.851)
"""a, b and c of beta-Na2NH2BH4 (Somer et al. 2010)."""

PBCM_AXES = np.array([[1, -1, 0], [1, 1, 0], [0, 0, 2]])
"""Its axes in units of the cubic parent's."""

# the mirror or glide across each axis, and its shift along the other two (Pbcm: b, c, m)
_ELEMENTS = ((0, (None, 0.5, 0.0)), (1, (0.0, None, 0.5)), (2, (0.0, 0.0, None)))


def pbcm_orderings(parent: ParentCrystal) -> list[tuple[Ordering, bool]]:
    """Return the orderings of the cell a - b, a + b, 2 c of a cubic parent that Pbcm allows.

    Atoms stay on the parent's sites: orderings are kept whose symmetry there contains Pbcm, which
    they can lower to by displacements that are not known here.

    Parameters
    ----------
    parent : ParentCrystal

    Returns
    -------
    list of (Ordering, bool)
        And whether Pbcm has its a axis along a + b instead of a - b.
    """
    found = []
    for ordering in enumerate_orderings(parent, PBCM_AXES):
        layout = ordering.layout
        numbers, positions = ordered_atoms(ordering)
        sizes = np.array(layout.supercell)
        dataset = find_symmetry(
            layout.parent.cell_angstrom * sizes[:, None], positions / sizes, numbers
        )
        if dataset is None:
            continue
        # where symmetry exchanges a and b, the other order is the same structure
        for exchanged in (False,) if np.any(dataset.rotations[:, 1, 0]) else (False, True):
            order = [1, 0, 2] if exchanged else [0, 1, 2]
            rotations = dataset.rotations[:, order][:, :, order]
            if _contains_pbcm(rotations, dataset.translations[:, order]):
                found.append((ordering, exchanged))
    return found


def pbcm_rivals(
    parent: ParentCrystal, lengths_angstrom: tuple[float, float, float] = PBCM_LENGTHS_ANGSTROM
) -> list[ase.Atoms]:
    """Build the `pbcm_orderings` of a cubic parent, strained to the axes of the phase.

    Parameters
    ----------
    parent : ParentCrystal
    lengths_angstrom : (float, float, float)
        a, b and c.

    Returns
    -------
    list of ase.Atoms
        ``info`` has ``ordering_id``, ``multiplicity`` and ``space_group`` (of the unstrained
        ordering).
    """
    found = []
    for ordering, exchanged in pbcm_orderings(parent):
        numbers, positions = ordered_atoms(ordering)
        places = positions / np.array(ordering.layout.supercell)
        if exchanged:
            places = places[:, [1, 0, 2]] * [1, 1, -1]  # right-handed again
        atoms = ase.Atoms(
            numbers=numbers, cell=np.diag(lengths_angstrom), scaled_positions=places, pbc=True
        )
        atoms.wrap()
        atoms.info = {
            "ordering_id": ordering.ordering_id,
            "multiplicity": ordering.multiplicity,
            "space_group": ordering.space_group,
        }
        found.append(with_record(atoms, "pbcm_rival", lengths_angstrom=list(lengths_angstrom)))
    return found


def _contains_pbcm(rotations: NDArray[np.integer], translations: NDArray[np.float64]) -> bool:
    """Tell whether a glide b across a, a glide c across b and a mirror across c are there.

    They generate Pbcm: shifts along an element's own normal place it, and do not change its kind.
    """
    for axis, shift in _ELEMENTS:
        mirror = np.diag([-1 if i == axis else 1 for i in range(3)])
        along = [i for i in range(3) if i != axis]
        gaps = translations[:, along] - [shift[i] for i in along]
        same = np.all(rotations == mirror, axis=(1, 2))
        if not np.any(same & np.all(np.abs(gaps - np.rint(gaps)) < 1e-3, axis=1)):
            return False
    return True
