"""The structure of one ordering, as it lies in its supercell."""

from __future__ import annotations

import numpy as np
from ase.data import atomic_numbers

from cryolattice_modeler.orderings import Ordering
from cryolattice_modeler.structure_cif import CifSymmetry, Structure, structure_to_cif
from cryolattice_modeler.supercell import VACANCY


def ordering_structure(ordering: Ordering) -> Structure:
    """Return all atoms of an ordering; hydrogens with several poses keep their mean occupancy.

    Parameters
    ----------
    ordering : Ordering

    Returns
    -------
    Structure
    """
    layout = ordering.layout
    sizes = np.asarray(layout.supercell)
    symbols, places, weights = [], [], []
    for site in layout.parent.sites:
        if site.is_disordered:
            continue
        for symbol, share in site.occupants:
            for cell in layout.cells:
                symbols.append(symbol)
                places.append(site.fractional + cell)
                weights.append(float(share))
    for symbol, place in zip(ordering.occupants, layout.fractional, strict=True):
        if symbol != VACANCY:
            symbols.append(symbol)
            places.append(place)
            weights.append(1.0)
    taken = np.array([symbol != VACANCY for symbol in ordering.occupants], dtype=np.float64)
    elements, positions, *_ = layout.companions(taken)
    symbols += elements
    places += list(positions)
    weights += [1.0] * len(elements)
    return Structure(
        name=ordering.ordering_id,
        cell_angstrom=layout.parent.cell_angstrom * sizes[:, None],
        numbers=np.array([atomic_numbers[symbol] for symbol in symbols], dtype=np.int64),
        fractional=np.array(places, dtype=np.float64).reshape(-1, 3) / sizes,
        occupancies=np.array(weights, dtype=np.float64),
    )


def ordering_to_cif(ordering: Ordering, symmetry: CifSymmetry) -> str:
    """Write an ordering as a CIF; see `structure_to_cif`."""
    sizes = " x ".join(str(n) for n in ordering.layout.supercell)
    comments = [
        f"# Cryolattice ordering {ordering.ordering_id}, one of {ordering.multiplicity} "
        f"equivalent ones, space group {ordering.space_group}",
        f"# {sizes} cells with {len(ordering.vacant)} vacant sites, in units of their axes:",
        *("#   " + " ".join(f"{x:.5g}" for x in site) for site in ordering.vacant),
    ]
    return structure_to_cif(ordering_structure(ordering), symmetry=symmetry, comments=comments)
