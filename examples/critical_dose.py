"""How much longer does the crystal live at 98 K? Critical doses of two diffraction series.

python examples/critical_dose.py
"""

from __future__ import annotations

from pathlib import Path

import cryolattice

DATA = Path(__file__).parent / "na2nh2bh4"


def main() -> None:
    with cryolattice.connect() as lab:
        doses = lab.dose(
            DATA / "saed_98K.mrc",
            2.5,
            pixel_size_per_angstrom=0.0085,
            compare=DATA / "saed_298K.mrc",
            compare_dose_per_frame_e_per_angstrom2=0.5,
        )
        print(doses)
        # the intensities behind the largest spacing, as xarray
        intensity = doses.dataset["series_0_intensity"][0]
        print(f"{intensity.size} frames, {float(intensity[0] / intensity[-1]):.0f} times fainter")


if __name__ == "__main__":
    main()
