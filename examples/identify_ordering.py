"""Which ordering does the example micrograph show? Prints the answer, saves the report.

python examples/identify_ordering.py [OUT]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cryolattice

DATA = Path(__file__).parent / "na2nh2bh4"


def main(out: str = "ordering-report") -> None:
    with cryolattice.connect() as lab:
        found = lab.identify(
            DATA / "micrograph_a.mrc",
            DATA / "na2nh2bh4_cubic.cif",
            (2, 2, 1),
            dose_e_per_angstrom2=22,
            energy_kev=300,
            cs_mm=2.7,
        )
        print(found)
        for warning in found.warnings:
            print("note:", warning)
        if found.best is not None:
            print("vacant sites:", *found.best.vacant_sites)
            others = {same.ordering_id for same in found.best.equivalents}
            print("cannot be told from:", *others - {found.best.ordering_id} or ["no other"])
        paths = found.report().save_files(out)
        print("report:", *(path for path in paths if path.suffix == ".html"))


if __name__ == "__main__":
    main(*sys.argv[1:])
