"""Orderings enumerated by Cryolattice and by bsym, one after the other: time and memory.

Each runs in a process of its own. bsym (pip install bsym) may live in another environment::

    python benchmarks/enumerate_orderings.py --bsym-python PATH/TO/python

``--cryolattice-only`` leaves bsym out; ``--growth`` adds supercells that show how the cost grows,
up to the 1.25e9 orderings of 3x2x2, and takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

PARENT = Path(__file__).parents[1] / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"

OURS = """
import json, resource, sys, time
from pathlib import Path
from cryolattice_modeler.counting import count_orderings
from cryolattice_modeler.crystal import read_parent_crystal
from cryolattice_modeler.orderings import enumerate_orderings
parent = read_parent_crystal(Path(sys.argv[1]).read_text(), "parent")
supercell = tuple(map(int, sys.argv[2:5]))
start = time.perf_counter()
counted = count_orderings(parent, supercell)
counting = time.perf_counter() - start
start = time.perf_counter()
total = classes = 0
for ordering in enumerate_orderings(parent, supercell):
    total += ordering.multiplicity
    classes += 1
assert (total, classes) == counted
print(json.dumps({"total": total, "classes": classes, "counting_s": counting,
    "seconds": time.perf_counter() - start,
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""

# bsym orders one kind of atom: the parent's Na sites, a third of them emptied.
BSYM = """
import json, resource, sys, time
import numpy as np
from bsym.interface.pymatgen import unique_structure_substitutions
from pymatgen.core import Lattice, Structure
m, n, p = map(int, sys.argv[2:5])
sites = ["B", "N", "Na", "Na", "Na"]
places = [[0, 0, 0], [.5, .5, .5], [.5, .5, 0], [.5, 0, .5], [0, .5, .5]]
structure = Structure(Lattice.cubic(4.7), sites, places) * [m, n, p]
vacant = m * n * p
start = time.perf_counter()
found = unique_structure_substitutions(structure, "Na", {"Na": 2 * vacant, "X": vacant})
print(json.dumps({"total": sum(s.number_of_equivalent_configurations for s in found),
    "classes": len(found), "seconds": time.perf_counter() - start,
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def measured(python: str, program: str, supercell: tuple[int, int, int]) -> dict[str, float]:
    """Run a program on a supercell of the example parent and return what it printed last."""
    arguments = [python, "-c", program, str(PARENT), *map(str, supercell)]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print a line for each supercell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bsym-python", default=sys.executable)
    parser.add_argument("--cryolattice-only", action="store_true")
    parser.add_argument("--growth", action="store_true")
    options = parser.parse_args()
    supercells = [(2, 2, 1), (3, 2, 1), (2, 2, 2)]
    if options.growth:
        supercells += [(5, 2, 1), (3, 3, 1), (3, 2, 2)]
    for supercell in supercells:
        ours = measured(sys.executable, OURS, supercell)
        print(
            f"{supercell}: {ours['total']:,} orderings, {ours['classes']:,} classes; counted in "
            f"{ours['counting_s']:.2f} s, enumerated in {ours['seconds']:.2f} s, "
            f"{ours['megabytes']:.0f} MB",
            flush=True,
        )
        if options.cryolattice_only or supercell not in {(2, 2, 1), (3, 2, 1), (2, 2, 2)}:
            continue
        theirs = measured(options.bsym_python, BSYM, supercell)
        assert (theirs["total"], theirs["classes"]) == (ours["total"], ours["classes"])
        print(
            f"    bsym: the same numbers in {theirs['seconds']:.2f} s, "
            f"{theirs['megabytes']:.0f} MB: {theirs['seconds'] / ours['seconds']:.0f} times as long"
        )


if __name__ == "__main__":
    main()
