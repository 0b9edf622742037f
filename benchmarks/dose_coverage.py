"""Coverage of the 95 % limits of critical doses, and their bias, over planted series.

Usage: ``python benchmarks/dose_coverage.py [--series 200] [--seed 1]``; one core, a few minutes.
Every series has its own lattice, dose, width, drift, ellipticity, tilt and strength; a quarter of
them broaden and a quarter have a plateau.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import numpy as np

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.dose.critical_dose import analyse_dose_series
from cryolattice_analyzer.dose.diffraction_series import series_from_frames

_SIMULATOR = Path(__file__).parents[1] / "tests" / "analyzer" / "planted_diffraction.py"


def load_simulator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("planted_diffraction", _SIMULATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["planted_diffraction"] = module
    spec.loader.exec_module(module)
    return module


def random_settings(rng: np.random.Generator, index: int) -> dict[str, float | tuple[float, float]]:
    a = rng.uniform(4.2, 5.4)
    square = rng.random() < 0.5
    dose = float(np.exp(rng.uniform(np.log(0.3), np.log(3.0))))
    return {
        "a_angstrom": a,
        "b_angstrom": a if square else a * rng.uniform(1.1, 1.4),
        "rotation_deg": rng.uniform(0, 90),
        "size": 160,
        "centre": (80 + rng.uniform(-5, 5), 80 + rng.uniform(-5, 5)),
        "g_max_per_angstrom": 0.8,
        "frames": 16,
        "dose_per_frame": dose,
        "critical_dose_low": 16 * dose * rng.uniform(0.3, 1.2),
        "sigma_px": rng.uniform(1.1, 1.9),
        "drift_px": rng.uniform(0, 2.5),
        "ellipticity": rng.uniform(0, 0.012),
        "counts": float(np.exp(rng.uniform(np.log(400), np.log(8000)))),
        "broadening": 0.5 if index % 4 == 1 else 0.0,
        "plateau": rng.uniform(0.02, 0.25) if index % 4 == 2 else 0.0,
        "tilt": rng.uniform(0, 0.5),
        "seed": int(rng.integers(2**31)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of the limits of critical doses")
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    simulator = load_simulator()
    rng = np.random.default_rng(given.seed)
    kinds = ("plain", "broadening", "plateau", "plain")
    inside: dict[str, list[bool]] = defaultdict(list)
    scaled: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    lost, spent = 0, 0.0
    for index in range(given.series):
        planted = simulator.plant(simulator.Plan(**random_settings(rng, index)))
        plan = planted.plan
        series = series_from_frames(planted.frames, "planted", plan.pixel_size_per_angstrom)
        start = time.perf_counter()
        try:
            result = analyse_dose_series(series, plan.dose_per_frame)
        except InvalidInputError as error:
            lost += 1
            print(f"series {index}: {error}", file=sys.stderr)
            continue
        finally:
            spent += time.perf_counter() - start
        for row in result.rows:
            truth = planted.critical_dose(row.d_angstrom)
            log_ratio = float(np.log(row.critical_dose_e_per_angstrom2 / truth))
            width = float(np.log(row.ci95_high / row.ci95_low)) / 3.92
            inside[kinds[index % 4]].append(row.ci95_low <= truth <= row.ci95_high)
            scaled[kinds[index % 4]].append(log_ratio / width)
            if width < 0.03:
                errors[kinds[index % 4]].append(log_ratio)
        if sys.stderr.isatty():
            print(f"\r{index + 1}/{given.series}", end="", file=sys.stderr, flush=True)
    print(f"{given.series} series, {lost} not indexed, {spent / given.series:.2f} s each")
    print("kind         rows  coverage  mean z   sd z  bias of rows known to 3 %")
    for kind in ("plain", "broadening", "plateau", "all"):
        chosen = list(inside) if kind == "all" else [kind]
        hits = [x for k in chosen for x in inside[k]]
        z = np.array([x for k in chosen for x in scaled[k]])
        bias = np.array([x for k in chosen for x in errors[k]])
        print(
            f"{kind:11s} {len(hits):5d}  {np.mean(hits):7.1%}  {z.mean():+6.2f} {z.std():6.2f}"
            f"  {100 * bias.mean():+6.2f} % ({bias.size} rows)"
        )


if __name__ == "__main__":
    main()
