"""Whether the screen of the cascade keeps planted truths, and what it would take to lose one.

A trial draws an ordering of 2 x 2 x 1 or, every fifth time, of 2 x 2 x 2; its thickness, a
Debye-Waller factor for each element, lens, strain, damage, and noise as of an averaged cell at 15
to 25 e/angstrom^2; and an error of the lens that the film's rings tell. Its wave is abTEM's on a
finer grid with thinner slices than the screen's, and its image is formed by code of the tests. Then
every candidate goes through the screen.

    OMP_NUM_THREADS=1 python benchmarks/cascade_safety.py OUT --trials 500 --seed 1 --jobs 2

A row a trial goes to OUT/trials.jsonl; those that are there are not done again, so that it may be
stopped. A trial of 2 x 2 x 1 costs 2 s of a core, one of 2 x 2 x 2 a minute; the beams, which stay
in OUT, a minute once. The exit code is 1 if a truth was lost.
"""

from __future__ import annotations

import argparse
import json
import runpy
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryolattice.workflows.cascade import (
    SCREEN_B_ANGSTROM2,
    SCREEN_K_MAX_PER_ANGSTROM,
    SCREEN_SAMPLING_ANGSTROM,
)
from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.ranking.candidate_beams import CandidateBeams
from cryolattice_analyzer.ranking.candidate_fit import QUICK, fit_candidate
from cryolattice_analyzer.ranking.imaging_conditions import Imaging, ViewCell
from cryolattice_analyzer.ranking.lens_search import starts_near
from cryolattice_analyzer.ranking.observation import Observation
from cryolattice_analyzer.ranking.screening import worth_a_closer_look
from cryolattice_analyzer.ranking.view_groups import view_groups
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.structures import build_models
from cryolattice_simulator.beams import Structure
from cryolattice_simulator.engines import Multislice, engine_named

ROOT = Path(__file__).resolve().parents[1]
# shares no code with the analyzer
image_coefficients = runpy.run_path(str(ROOT / "tests" / "analyzer" / "planted_waves.py"))[
    "image_coefficients"
]
PARENT = ROOT / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"
CLUSTERS = {"B1": "BH4", "N1": "NH2"}
A = 4.70
CELL = ViewCell(A, A)
SUPERCELLS = ((2, 2, 1), (2, 2, 2))
GREATEST_ANGSTROM = 300.8
G_MAX_PER_ANGSTROM = 0.68
IMAGING = {"energy_kev": 300.0, "cs_mm": 2.7, "focal_spread_angstrom": 30.0}


@dataclass(frozen=True)
class Candidates:
    """One of each set of models that project alike, the disordered parent first.

    Attributes
    ----------
    structures : list of Structure
    hk : ndarray of int, shape (b, 2)
    psi : ndarray of complex64, shape (c, t, b)
        The screen's.
    thickness_angstrom : ndarray, shape (t,)
    groups : list of int
        Equal numbers look alike.
    """

    structures: list[Structure]
    hk: NDArray[np.int64]
    psi: NDArray[np.complex64]
    thickness_angstrom: NDArray[np.float64]
    groups: list[int]

    def beams(self, index: int) -> CandidateBeams:
        """Return what the screen gets of a candidate."""
        return CandidateBeams(self.hk, self.psi[index], self.thickness_angstrom, (2, 2))


@cache
def candidates(folder: Path, supercell: tuple[int, int, int]) -> Candidates:
    """Build and simulate the candidates of a supercell as the screen does."""
    parent = read_parent_crystal(PARENT.read_text(), PARENT.name)
    models = build_models(
        parent,
        supercell,
        list(enumerate_orderings(parent, supercell)),
        zone_axes="c",
        clusters=CLUSTERS,
        hydrogens="mean",
        seed=0,
        include_disordered=True,
    )
    first = {model.projection_key: model for model in reversed(models)}
    structures = [
        Structure(
            model.cell_angstrom,
            model.numbers,
            model.positions_angstrom,
            model.occupancies,
            (model.occupancies < 1) & (model.numbers > 1),
        )
        for model in models
        if first[model.projection_key] is model
    ]
    period = A * supercell[2]
    thickness = period * np.arange(1, round(GREATEST_ANGSTROM / period) + 1, dtype=np.float64)
    path = folder / f"beams-{'x'.join(map(str, supercell))}.npz"
    if not path.exists():
        settings = Multislice(
            energy_kev=300.0,
            thicknesses_angstrom=thickness,
            k_max_per_angstrom=SCREEN_K_MAX_PER_ANGSTROM,
            sampling_angstrom=SCREEN_SAMPLING_ANGSTROM,
            slice_thickness_angstrom=2.4,
            debye_waller_b_angstrom2=SCREEN_B_ANGSTROM2,
        )
        fast = engine_named("fast")
        waves = [fast.exit_beams(structure, settings) for structure in structures]
        hk = np.stack([waves[0].h, waves[0].k], axis=1)
        psi = np.stack([wave.psi for wave in waves])
        beams = [CandidateBeams(hk, values, thickness, (2, 2)) for values in psi]
        np.savez(path, hk=hk, psi=psi, groups=view_groups(beams, CELL, (2, 2)))
    with np.load(path) as stored:
        return Candidates(
            structures, stored["hk"], stored["psi"], thickness, stored["groups"].tolist()
        )


def plant(
    known: Candidates, truth: int, rng: np.random.Generator
) -> tuple[Observation, Imaging, Lens, dict[str, float]]:
    """Return the averaged cell of a truth, what is known of it, and what was drawn."""
    period = float(known.thickness_angstrom[0])
    layers = int(rng.integers(np.ceil(37.6 / period), np.floor(260 / period) + 1))
    settings = Multislice(
        energy_kev=300.0,
        thicknesses_angstrom=[layers * period],
        k_max_per_angstrom=1.0,
        sampling_angstrom=0.08,
        slice_thickness_angstrom=1.2,
        debye_waller_b_angstrom2={
            "Na": rng.uniform(0.2, 1.2),
            "B": rng.uniform(0.2, 1.2),
            "N": rng.uniform(0.2, 1.2),
            "H": rng.uniform(0.5, 2.5),
        },
    )
    wave = engine_named("abtem").exit_beams(known.structures[truth], settings)
    turn = np.radians(rng.uniform(-45, 45) + np.array([0.0, rng.uniform(89.3, 90.7)]))
    lengths = 2 * A * (1 + rng.uniform(-0.015, 0.015, 2))
    direct = np.stack([lengths * np.cos(turn), lengths * np.sin(turn)], axis=1)
    reciprocal = np.linalg.inv(direct).T
    h, k = np.meshgrid(np.arange(-8, 9), np.arange(-8, 9), indexing="ij")
    half = (k > 0) | ((k == 0) & (h > 0))
    hk = np.stack([h[half], k[half]], axis=1)
    hk = hk[np.linalg.norm(hk @ reciprocal, axis=1) <= G_MAX_PER_ANGSTROM]
    dose = rng.uniform(15, 25)
    defocus, half_difference, angle = (
        rng.uniform(1500, 6000),
        rng.uniform(0, 200),
        rng.uniform(0, 180),
    )
    values = image_coefficients(
        np.stack([wave.h, wave.k], axis=1),
        wave.psi[0].astype(np.complex128),
        hk,
        reciprocal,
        defocus_u=defocus + half_difference,
        defocus_v=defocus - half_difference,
        angle_deg=angle,
        shift=(rng.random(), rng.random()),
        b_factor=8.0 + dose * rng.uniform(0.06, 0.2),
        fading=dose * rng.uniform(0.007, 0.022),
    )
    # shot noise of 500 to 2000 cells, and what film adds
    electrons = dose * rng.uniform(500, 2000) * (2 * A) ** 2
    error = np.full(len(hk), rng.uniform(1.0, 2.0) / np.sqrt(2 * electrons))
    noise = rng.normal(size=(2, len(hk))) * error
    azimuth = np.radians(2 * angle)
    rings = Lens(
        defocus + 60 * rng.normal(),
        half_difference * np.cos(azimuth) + 40 * rng.normal(),
        half_difference * np.sin(azimuth) + 40 * rng.normal(),
    )
    observation = Observation(hk, values + noise[0] + 1j * noise[1], error, reciprocal, (2, 2))
    drawn = {"thickness_angstrom": layers * period, "dose": dose, "defocus_angstrom": defocus}
    return observation, Imaging(**IMAGING, dose_e_per_angstrom2=dose), rings, drawn


def trial(folder: Path, seed: int, number: int) -> dict[str, Any]:
    """Plant a truth, screen all candidates, and say where the truth came."""
    supercell = SUPERCELLS[number % 5 == 4]
    known = candidates(folder, supercell)
    rng = np.random.default_rng([seed, number])
    truth = int(rng.integers(1, len(known.structures)))
    observation, imaging, rings, drawn = plant(known, truth, rng)
    begun = time.process_time()
    chi2 = np.array(
        [
            fit_candidate(
                observation, known.beams(i), CELL, imaging, starts_near(rings), effort=QUICK
            ).chi2.min()
            for i in range(len(known.psi))
        ]
    )
    seconds = time.process_time() - begun
    labels = np.asarray(known.groups)
    least = np.array([chi2[labels == name].min() for name in np.unique(labels)])
    own = least[labels[truth]]
    kept = worth_a_closer_look(chi2, known.groups, rivals=[0])
    return {
        "seed": seed,
        "trial": number,
        "supercell": supercell,
        "truth": truth,
        **drawn,
        "groups": len(least),
        "kept_groups": len(np.unique(labels[kept])),
        "kept": bool(kept[truth]),
        "place": int((least < own).sum()) + 1,
        "chi2_per_term": own / (2 * len(observation.hk)),
        "first_dropped_over_truth": float(chi2[~kept].min() / own) if not kept.all() else None,
        "seconds": seconds,
    }


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table that ends a run."""
    lines = ["supercell  trials  lost  worst place  lost below a share of  least margin  kept"]
    for supercell in SUPERCELLS:
        mine = [row for row in rows if tuple(row["supercell"]) == supercell]
        if not mine:
            continue
        worst = max(mine, key=lambda row: row["place"])
        margins = [m for row in mine if (m := row["first_dropped_over_truth"]) is not None]
        share = np.mean([row["kept_groups"] / row["groups"] for row in mine])
        lines.append(
            f"{' x '.join(map(str, supercell))}  {len(mine):6d}  "
            f"{sum(not row['kept'] for row in mine):4d}  "
            f"{worst['place']:4d} of {worst['groups']:4d}  "
            f"{worst['place'] / worst['groups']:20.2%}  "
            f"{min(margins, default=float('nan')):11.1f}x  {share:5.1%}"
        )
    return "\n".join(lines)


def main() -> int:
    """Run what is missing, print a row a trial and the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("out", type=Path)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes, one core each")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    journal = options.out / "trials.jsonl"
    rows = (
        [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    )
    rows = [row for row in rows if row["seed"] == options.seed and row["trial"] < options.trials]
    done = {row["trial"] for row in rows}
    # the smaller supercell first: a run that is stopped has seen more
    todo = sorted(set(range(options.trials)) - done, key=lambda number: (number % 5 == 4, number))
    for supercell in SUPERCELLS:
        candidates(options.out, supercell)
    with ProcessPoolExecutor(options.jobs) as pool, journal.open("a") as file:
        count = len(todo)
        for row in pool.map(trial, [options.out] * count, [options.seed] * count, todo):
            rows.append(row)
            file.write(json.dumps(row) + "\n")
            file.flush()
            print(
                f"{row['trial']:4d}  {'x'.join(map(str, row['supercell']))}  "
                f"{row['thickness_angstrom']:6.1f} angstrom  place {row['place']:3d} of "
                f"{row['groups']}  chi2/term {row['chi2_per_term']:6.2f}  "
                f"{'kept' if row['kept'] else 'LOST'}  {row['seconds']:5.1f} s",
                flush=True,
            )
    print(summary(rows))
    return int(any(not row["kept"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
