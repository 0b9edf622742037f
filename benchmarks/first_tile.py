"""From the command to the first tile of a sweep, Ray included, and to its end; nothing warm.

    python benchmarks/first_tile.py [--rounds 5]

Each round runs ``cryolattice sweep`` on the 36 orderings of the example crystal with the `fast`
engine in a folder of its own. Prints when, in seconds after the command, the models were there, the
sweep's process had begun, its first tile and the last of its models were stored, the checks against
abTEM were done, and the command had ended: the median and the range over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import numpy as np

_EXAMPLE = Path(__file__).parents[1] / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"
_SWEEP = f"""
models: {{parent: {_EXAMPLE}, supercell: [2, 2, 1]}}
thicknesses_angstrom: {{from: 18.8, to: 300.8, step: 18.8}}
energy_kev: 300
engine: fast
"""
# would have it computed elsewhere
_ELSEWHERE = {"RAY_ADDRESS", "CRYOLATTICE_SERVER"}
_STEPS = ("models", "process", "first tile", "all models", "checks", "end")


def one_round(folder: Path) -> list[float]:
    """Run the sweep and return the seconds of each step."""
    spec = folder / "sweep.yaml"
    spec.write_text(_SWEEP)
    command = [str(Path(sys.executable).parent / "cryolattice"), "sweep", str(spec)]
    environment = {k: v for k, v in os.environ.items() if k not in _ELSEWHERE}
    began = time.time()
    subprocess.run(
        command,
        env={**environment, "CRYOLATTICE_HOME": str(folder / "home")},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.time()
    home = folder / "home"
    (models,) = home.glob("store/datasets/models/*/manifest.json")
    (log,) = home.glob("logs/sweep-*.log")
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    process = next(line["timestamp"] for line in lines if line["event"] == "job begun")
    # the last receipt is that of the checks
    tiles = sorted(
        home.glob("store/datasets/beams/*/receipts/*.json"), key=lambda path: int(path.stem)
    )
    stored = [path.stat().st_mtime for path in tiles]
    moments = [
        models.stat().st_mtime,
        datetime.fromisoformat(process).timestamp(),
        min(stored),
        max(stored[:-1]),
        stored[-1],
        end,
    ]
    return [moment - began for moment in moments]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = []
    for _ in range(parser.parse_args().rounds):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(one_round(Path(folder)))
    for step, seconds in zip(_STEPS, np.asarray(rounds).T, strict=True):
        print(
            f"{step:>10}  {np.median(seconds):6.1f} s  {seconds.min():.1f} to {seconds.max():.1f}"
        )


if __name__ == "__main__":
    main()
