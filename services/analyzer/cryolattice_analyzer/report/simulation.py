"""What a report says of a simulation alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryolattice_analyzer.figures.simulation_figures import diffraction_figure, thickness_figure
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.report.page import FigureOfReport, Page, TableOfReport

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader


def describe_simulation(
    page: Page, readers: dict[str, DatasetReader], defocus_angstrom: float, cs_mm: float
) -> None:
    """Add the images and diffraction patterns of the first model to a page."""
    beams = readers["beams"].to_xarray()
    record = readers["models"].json("models.json")[0]
    cell = readers["models"].array("cell")[0]
    lengths = float(cell[0, 0]), float(cell[1, 1])
    count = int(beams.beam_count[0])
    h, k = beams.h.values[0, :count], beams.k.values[0, :count]
    psi = beams.psi.values[0, 0, :, :count]
    thicknesses = beams.thickness.values
    energy = float(beams.psi.attrs["energy_kev"])
    page.answer = f"{record['model_id']}: {len(thicknesses)} thicknesses"
    page.explanation = (
        f"Multislice simulation at {energy:g} keV of a cell of {lengths[0]:.2f} × {lengths[1]:.2f} "
        f"Å, period {record['period_angstrom']:.2f} Å along the beam."
    )
    page.facts += [
        ("Thickness", f"{thicknesses[0]:.1f} to {thicknesses[-1]:.1f} Å"),
        ("Beams", f"{count}, up to {beams.psi.attrs['k_max_per_angstrom']:g} 1/Å"),
        ("Space group", record["space_group"]),
    ]
    middle = len(thicknesses) // 2
    page.figures += [
        FigureOfReport(
            "thickness_series",
            to_png(
                thickness_figure(
                    h,
                    k,
                    psi,
                    thicknesses,
                    lengths,
                    energy_kev=energy,
                    cs_mm=cs_mm,
                    defocus_angstrom=defocus_angstrom,
                )
            ),
            "Images over thickness",
            "Bright field, coherent, 2 × 2 cells; each panel has its own grey scale.",
        ),
        FigureOfReport(
            "diffraction",
            to_png(
                diffraction_figure(
                    h,
                    k,
                    psi[middle],
                    float(thicknesses[middle]),
                    lengths,
                    (record["view_supercell"][0], record["view_supercell"][1]),
                )
            ),
            "Diffraction pattern",
            "The area of a spot grows with its amplitude.",
        ),
    ]
    strongest = np.argsort(-np.abs(psi[middle]))[:12]
    page.tables.append(
        TableOfReport(
            f"Strongest beams at {thicknesses[middle]:.1f} Å",
            ["h", "k", "d (Å)", "amplitude", "phase (degrees)"],
            [_beam(int(h[i]), int(k[i]), complex(psi[middle, i]), lengths) for i in strongest],
        )
    )


def _beam(h: int, k: int, psi: complex, lengths: tuple[float, float]) -> list[str]:
    g = float(np.hypot(h / lengths[0], k / lengths[1]))
    spacing = f"{1 / g:.3f}" if g > 0 else ""
    phase = f"{np.degrees(np.angle(psi)):.1f}"
    return [str(h), str(k), spacing, f"{abs(psi):.4f}", phase]
