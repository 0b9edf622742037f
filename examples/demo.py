"""The main job on the example data: which ordering, how fast reflections fade, the figures of it.

Runs the same commands that a person would type; results and reports go to ``demo-output``.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path("examples/na2nh2bh4")
OUT = Path("demo-output")
COMMANDS = (
    f"identify {DATA}/micrograph_a.mrc --parent {DATA}/na2nh2bh4_cubic.cif --supercell 2 2 1 "
    f"--dose 22 --energy-kev 300 --cs-mm 2.7 --out {OUT}/micrograph_a",
    f"identify {DATA}/micrograph_disordered.mrc --parent {DATA}/na2nh2bh4_cubic.cif "
    f"--supercell 2 2 1 --dose 22 --energy-kev 300 --cs-mm 2.7 --out {OUT}/micrograph_disordered",
    f"dose {DATA}/saed_98K.mrc --pixel-size 0.0085 --dose-per-frame 2.5 "
    f"--compare {DATA}/saed_298K.mrc --compare-dose-per-frame 0.5 --out {OUT}/dose",
    f"reproduce --data {DATA} --out {OUT}/paper",
)


def main() -> int:
    """Run the commands one after the other; stop at the first that fails."""
    command = Path(sys.executable).parent / "cryolattice"
    environment = {**os.environ, "CRYOLATTICE_HOME": str(ROOT / OUT / "data")}
    for arguments in COMMANDS:
        print(f"\n$ cryolattice {arguments}", flush=True)
        begun = time.monotonic()
        done = subprocess.run(
            [command, *shlex.split(arguments)], cwd=ROOT, env=environment, check=False
        )
        if done.returncode:
            return done.returncode
        print(f"({time.monotonic() - begun:.0f} s)", flush=True)
    reports = sorted((ROOT / OUT).glob("*/report.html"))
    print("\nReports:", *reports, sep="\n  ")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
