"""Orderings enumerated by Cryolattice and by bsym, one after the other: time and memory.

Each runs in a process of its own; times are of the processor. bsym (pip install bsym) may live in
another environment::

    python benchmarks/enumerate_orderings.py --bsym-python PATH/TO/python

``--cryolattice-only`` leaves bsym out; ``--growth`` adds supercells that show how the cost grows,
up to the 1.25e9 orderings of 3x2x2, and takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parents[1] / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"

# COD 1540875, SHRY's benchmark: three elements share the corner of a cube
THALLIDE = """data_thallide
_cell_length_a 4.682
_cell_length_b 4.682
_cell_length_c 4.682
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Tl1 Tl 0 0.5 0.5 1
Nd1 Nd 0 0 0 0.055556
Ho1 Ho 0 0 0 0.555556
Eu1 Eu 0 0 0 0.388889
"""


@dataclass(frozen=True)
class Case:
    """A supercell of a cubic parent.

    Attributes
    ----------
    name, cif : str
    supercell : tuple of int
    edge_angstrom : float
    atoms : list of (element, place)
        As bsym is given them, in fractions of the cell.
    ordered : str
        The element that is replaced.
    parts : dict of str to int
        By what, in a parent cell multiplied by 18.
    """

    name: str
    cif: str
    supercell: tuple[int, int, int]
    edge_angstrom: float
    atoms: list[tuple[str, list[float]]]
    ordered: str
    parts: dict[str, int]


def example(*supercell: int) -> Case:
    """Return a supercell of the example parent, of whose Na sites a third are vacant."""
    a, b, c = supercell
    atoms: list[tuple[str, list[float]]] = [("B", [0, 0, 0]), ("N", [0.5, 0.5, 0.5])]
    atoms += [("Na", place) for place in ([0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5])]
    parts = {"Na": 36, "X": 18}
    return Case("Na2NH2BH4", EXAMPLE.read_text(), (a, b, c), 4.7, atoms, "Na", parts)


def thallide() -> Case:
    """Return the supercell whose numbers SHRY's authors give: 2,566 of 350,064."""
    atoms: list[tuple[str, list[float]]] = [("Nd", [0, 0, 0])]
    atoms += [("Tl", place) for place in ([0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0])]
    parts = {"Nd": 1, "Ho": 10, "Eu": 7}
    return Case("COD 1540875", THALLIDE, (3, 2, 3), 4.682, atoms, "Nd", parts)


OURS = """
import json, resource, sys, time
from cryolattice_modeler.counting import count_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.permutations import permutation_group
from cryolattice_modeler.supercell import disordered_supercell
case = json.load(sys.stdin)
parent, supercell = read_parent_crystal(case["cif"], case["name"]), case["supercell"]
start = time.process_time()
counted = count_orderings(parent, supercell)
counting = time.process_time() - start
start = time.process_time()
total = classes = 0
for ordering in enumerate_orderings(parent, supercell):
    total += ordering.multiplicity
    classes += 1
assert (total, classes) == counted
seconds = time.process_time() - start
layout = disordered_supercell(parent, supercell)
print(json.dumps({"total": total, "classes": classes, "counting_s": counting,
    "seconds": seconds, "sites": layout.site_count, "operations": len(permutation_group(layout)),
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""

BSYM = """
import json, math, resource, sys, time
from bsym.interface.pymatgen import unique_structure_substitutions
from pymatgen.core import Lattice, Structure
case = json.load(sys.stdin)
elements, places = zip(*case["atoms"])
structure = Structure(Lattice.cubic(case["edge_angstrom"]), elements, places) * case["supercell"]
cells = math.prod(case["supercell"])
counts = {element: part * cells // 18 for element, part in case["parts"].items()}
start = time.process_time()
found = unique_structure_substitutions(structure, case["ordered"], counts)
print(json.dumps({"total": sum(s.number_of_equivalent_configurations for s in found),
    "classes": len(found), "seconds": time.process_time() - start,
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def measured(python: str, program: str, case: Case) -> dict[str, float]:
    """Run a program on a case and return what it printed last."""
    text = json.dumps(vars(case))
    done = subprocess.run(
        [python, "-c", program], input=text, check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print a line for each supercell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bsym-python", default=sys.executable)
    parser.add_argument("--cryolattice-only", action="store_true")
    parser.add_argument("--growth", action="store_true")
    options: Any = parser.parse_args()
    compared = [example(2, 2, 1), example(3, 2, 1), example(2, 2, 2), thallide()]
    alone = [example(5, 2, 1), example(3, 3, 1), example(3, 2, 2)] if options.growth else []
    for case in [*compared, *alone]:
        ours = measured(sys.executable, OURS, case)
        print(
            f"{case.name} {'x'.join(map(str, case.supercell))}: {ours['sites']} sites, "
            f"{ours['total']:,} orderings, {ours['operations']} operations, {ours['classes']:,} "
            f"classes; counted in {ours['counting_s']:.2f} s, enumerated in "
            f"{ours['seconds']:.2f} s, {ours['megabytes']:.0f} MB",
            flush=True,
        )
        if options.cryolattice_only or case in alone:
            continue
        theirs = measured(options.bsym_python, BSYM, case)
        assert (theirs["total"], theirs["classes"]) == (ours["total"], ours["classes"])
        ratio = theirs["seconds"] / ours["seconds"]
        print(
            f"    bsym: the same numbers in {theirs['seconds']:.2f} s, "
            f"{theirs['megabytes']:.0f} MB: {ratio:.1f} times as long",
            flush=True,
        )


if __name__ == "__main__":
    main()
