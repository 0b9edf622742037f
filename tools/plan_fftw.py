"""Plan the FFTs of square grids with patience, and keep the plans beside the fast engine.

    python tools/plan_fftw.py

FFTW's estimated plans take up to twice as long as its best, and plans that are measured anew differ
from run to run in the last bits. So they are measured once, here, and every run uses the same.
"""

from __future__ import annotations

import time

import numpy as np

from cryolattice_simulator.engines.grids import Grid
from cryolattice_simulator.engines.workspaces import WISDOM, FftwWorkspace, fftw
from cryolattice_simulator.slicing import TAPER_SHARE

SIDES = (40, 48, 56, 64, 72, 80, 96, 108, 112, 120, 128, 144, 160, 192)


def main() -> None:
    """Write the plans."""
    fftw().forget_wisdom()
    for side in SIDES:
        start = time.perf_counter()
        limit = Grid.of((side, side), np.eye(3)).greatest_orders
        for greatest in (None, limit):
            work = FftwWorkspace((side, side), "complex64", greatest, effort="FFTW_PATIENT")
            work.forward()
            work.backward()
        for most in (int((1 / 3 - TAPER_SHARE) * side), (side - 1) // 4):
            FftwWorkspace((side, side), "complex64", (most, most), effort="FFTW_PATIENT").backward()
        print(f"{side} x {side}: {time.perf_counter() - start:.1f} s")
    _, single, _ = fftw().export_wisdom()
    WISDOM.write_bytes(single)


if __name__ == "__main__":
    main()
