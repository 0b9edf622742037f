"""Identify micrographs with planted truth, through the whole product, and count what is right.

Plants micrographs (`planted_micrographs.py`: other orderings, thicknesses, lenses, rotations,
strains and doses, some disordered), runs `identify` on each, and prints a row a micrograph and a
summary. An `ordered` verdict that names a wrong class is the failure that must not happen.

    python benchmarks/identify_planted.py OUT --count 12 --seed 7
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from cryolattice import connect
from cryolattice.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PARENT = ROOT / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"

Sites = list[list[float]]


def alike(one: Sites, other: Sites) -> bool:
    """Whether a turn, mirror or translation of the parent takes one ordering to the other."""
    target = {tuple(site) for site in np.mod(np.rint(2 * np.asarray(other)), (4, 4, 2))}
    for turn in itertools.product((-1, 0, 1), repeat=4):
        matrix = np.array(turn).reshape(2, 2)
        if not np.array_equal(matrix @ matrix.T, np.eye(2)):
            continue
        for shift in itertools.product((0, 2), repeat=2):
            sites = np.rint(2 * np.asarray(one))
            sites[:, :2] = sites[:, :2] @ matrix.T + shift
            if {tuple(site) for site in np.mod(sites, (4, 4, 2))} == target:
                return True
    return False


def judge(result: dict[str, Any], truth: dict[str, Any]) -> str:
    """Return ``right``, ``open`` (undetermined) or ``WRONG``."""
    if result["verdict"] == "undetermined":
        return "open"
    if truth["kind"] == "disordered":
        return "right" if result["verdict"] == "disordered" else "WRONG"
    if result["verdict"] != "ordered":
        return "WRONG"
    named = [result["best"], *result["best"]["equivalents"]]
    found = any(alike(entry["vacant_sites"], truth["vacant_sites"]) for entry in named)
    return "right" if found else "WRONG"


def row(name: str, result: dict[str, Any], truth: dict[str, Any], seconds: float) -> str:
    """Return one line of the table."""
    best = result["best"]
    outcome = judge(result, truth)
    if best is None:
        return f"{name}  {truth['kind']:<10} {result['verdict']:<12} {outcome:<6}"
    thicker = best["thickness_angstrom"] - truth["thickness_angstrom"]
    defocus = result["ctf"]["defocus_angstrom"] - truth["defocus_angstrom"]
    return (
        f"{name}  {truth['kind']:<10} {result['verdict']:<12} {outcome:<6} "
        f"p {best['probability']:.4f}  chi2/dof {best['chi2_per_dof']:6.2f}  "
        f"dose {truth['dose_e_per_angstrom2']:5.2f}  "
        f"thickness {truth['thickness_angstrom']:6.1f} {thicker:+6.1f}  "
        f"defocus {truth['defocus_angstrom']:7.0f} {defocus:+8.1f}  {seconds:4.0f} s"
    )


def main() -> int:
    """Plant, identify, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--planted", type=Path, help="a folder that was planted before")
    options = parser.parse_args()
    planted = options.planted or options.out / "planted"
    if options.planted is None:
        generator = ROOT / "benchmarks" / "planted_micrographs.py"
        numbers = ["--count", str(options.count), "--seed", str(options.seed)]
        subprocess.run([sys.executable, generator, planted, *numbers], check=True)
    truths = json.loads((planted / "truth.json").read_text())
    outcomes: list[str] = []
    with connect(settings=Settings(home=options.out / "data"), show_progress=False) as lab:
        for name, truth in list(truths.items())[: options.count]:
            begun = time.monotonic()
            result = lab.identify(
                planted / f"{name}.mrc",
                PARENT,
                (2, 2, 1),
                dose_e_per_angstrom2=truth["dose_e_per_angstrom2"],
                energy_kev=truth["energy_kev"],
                cs_mm=truth["cs_mm"],
            ).to_dict()
            outcomes.append(judge(result, truth))
            print(row(name, result, truth, time.monotonic() - begun), flush=True)
    print(", ".join(f"{outcomes.count(kind)} {kind}" for kind in ("right", "open", "WRONG")))
    return int("WRONG" in outcomes)


if __name__ == "__main__":
    raise SystemExit(main())
