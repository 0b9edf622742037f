"""What a report says of a simulation alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryolattice_analyzer.figures.pattern_figures import diffraction_figure
from cryolattice_analyzer.figures.simulation_figures import exit_wave_figure, thickness_figure
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.jobs.simulated import load_crystal
from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.report.page import FigureOfReport, Page, TableOfReport

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

_PANELS = 16


def describe_simulation(
    page: Page, readers: dict[str, DatasetReader], defocus_angstrom: float, cs_mm: float
) -> None:
    """Add the images and diffraction patterns of the first model to a page."""
    record = readers["models"].json("models.json")[0]
    crystal = load_crystal(readers["models"], readers["beams"], 0)
    thicknesses = crystal.thicknesses_angstrom
    lengths = crystal.lengths_angstrom
    energy = crystal.energy_kev
    page.answer = f"{record['model_id']}: {len(thicknesses)} thicknesses"
    page.explanation = (
        f"Multislice simulation at {energy:g} keV of a cell of {lengths[0]:.2f} × {lengths[1]:.2f} "
        f"Å, period {record['period_angstrom']:.2f} Å along the beam."
    )
    furthest = float(np.hypot(*crystal.g_per_angstrom.T).max())
    page.facts += [
        ("Thickness", f"{thicknesses[0]:.1f} to {thicknesses[-1]:.1f} Å"),
        ("Beams", f"{len(crystal.h)}, up to {furthest:.2f} Å⁻¹"),
        ("Space group", record["space_group"]),
    ]
    middle = len(thicknesses) // 2
    some = np.linspace(0, len(thicknesses) - 1, min(len(thicknesses), _PANELS)).round()
    page.figures += [
        FigureOfReport(
            "thickness_series",
            to_png(
                thickness_figure(
                    crystal, thicknesses[some.astype(int)].tolist(), Lens(defocus_angstrom), cs_mm
                )
            ),
            "Images over thickness",
            f"Bright field at a defocus of {defocus_angstrom:.0f} Å, {energy:g} keV, Cs "
            f"{cs_mm:g} mm, coherent, 2 × 2 cells; each panel has its own grey scale.",
            wide=True,
        ),
        FigureOfReport(
            "exit_wave",
            to_png(exit_wave_figure(crystal, float(thicknesses[middle]))),
            f"Exit wave at {thicknesses[middle]:.1f} Å",
            "Amplitude, and phase against the direct beam.",
            wide=True,
        ),
        FigureOfReport(
            "diffraction",
            to_png(diffraction_figure([crystal], [crystal.name], float(thicknesses[middle]))),
            f"Diffraction pattern at {thicknesses[middle]:.1f} Å",
            "Each beam as a spot; first orders of the parent ringed, of a superlattice boxed.",
        ),
    ]
    h, k, psi = crystal.h, crystal.k, crystal.psi
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
