"""How far apart are the vacancies of each ordering? Structures through ASE.

python examples/compare_orderings.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.geometry import get_distances

import cryolattice

PARENT = Path(__file__).parent / "na2nh2bh4" / "na2nh2bh4_cubic.cif"
SUPERCELL = (2, 2, 1)


def nearest_vacancies(models: cryolattice.Dataset, ordering: str) -> float:
    """Return the shortest distance of two vacancies, angstrom."""
    atoms = models.atoms(ordering)
    parent_axes = atoms.cell[:] / np.array(atoms.info["view_supercell"])[:, None]
    sites = np.array(atoms.info["vacant_sites"]) @ parent_axes
    _, distances = get_distances(sites, cell=atoms.cell, pbc=True)
    return float(distances[np.triu_indices(len(sites), 1)].min())


def main() -> None:
    with cryolattice.connect(show_progress=False) as lab:
        orderings = lab.enumerate(PARENT, SUPERCELL)
        # without the hydrogens of the cluster ions, and every one of them a structure of its own
        models = lab.models(PARENT, SUPERCELL, clusters={})
        rows = [(nearest_vacancies(models, ordering.id), ordering) for ordering in orderings]
        rows.sort(key=lambda row: (-row[0], row[1].id))
        print(f"{orderings.total} orderings, {len(orderings)} of them differ")
        print("ordering      vacancies apart  space group  multiplicity")
        for apart, ordering in rows[:10]:
            print(
                f"{ordering.id}  {apart:13.2f} Å  {ordering.space_group:11}  "
                f"{ordering.multiplicity}"
            )


if __name__ == "__main__":
    main()
