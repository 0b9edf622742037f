"""What a report says of a simulation alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryolattice_analyzer.figures.pattern_figures import diffraction_figure
from cryolattice_analyzer.figures.simulation_figures import exit_wave_figure, thickness_figure
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.jobs.simulated import load_crystal
from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.report.cell_drawing import draw_cell
from cryolattice_analyzer.report.page import (
    Answer,
    FigureOfReport,
    Page,
    Picture,
    Section,
    TableOfReport,
)
from cryolattice_analyzer.report.projected_cell import Models, columns
from cryolattice_analyzer.report.wording import formula, listed, sites_text

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

_PANELS = 16
_STRONGEST = 12

_TERMS = [
    (
        "Beam",
        "A Fourier coefficient of the exit wave: image and diffraction pattern at any lens setting "
        "follow from them. Amplitude 1 is the whole incident wave.",
    ),
    (
        "Multislice",
        "The wave passes thin slices of the crystal in turn: multiple scattering is in.",
    ),
    ("Defocus", "Positive is underfocus."),
]


def describe_simulation(
    page: Page, readers: dict[str, DatasetReader], defocus_angstrom: float, cs_mm: float
) -> None:
    """Add the images and diffraction patterns of the first model to a page."""
    models = Models(readers["models"])
    record = models.records[0]
    crystal = load_crystal(readers["models"], readers["beams"], 0)
    lengths, energy = crystal.lengths_angstrom, crystal.energy_kev
    h, k, psi = crystal.h, crystal.k, crystal.psi
    thicknesses = crystal.thicknesses_angstrom
    k_max = float(readers["beams"].manifest.spec["k_max_per_angstrom"])
    middle = len(thicknesses) // 2
    loss = 1 - (np.abs(psi) ** 2).sum(axis=1)

    page.kicker = page.title
    page.headline = (
        f"{_name(record['ordering_id'])}, {thicknesses[0]:.1f} to {thicknesses[-1]:.1f} Å thick"
    )
    page.lead = f"Multislice simulation at {energy:g} keV, seen along the beam."
    page.picture = _picture(models)
    page.answers = [
        _crystal(models, lengths),
        Answer(
            "How thick?",
            f"{thicknesses[0]:.1f} to {thicknesses[-1]:.1f} Å",
            [
                f"{len(thicknesses)} exit waves in one pass; the crystal repeats after "
                f"{record['period_angstrom']:.2f} Å along the beam."
            ],
        ),
        Answer(
            "How fine?",
            f"{len(h)} beams, to {1 / k_max:.2f} Å",
            [
                f"Outside of them lies {100 * float(loss[middle]):.2g} % of the intensity at "
                f"{thicknesses[middle]:.1f} Å, {100 * float(loss[-1]):.2g} % at the last."
            ],
        ),
        Answer(
            "Shown through which lens?",
            f"Defocus {defocus_angstrom:.0f} Å, Cs {cs_mm:g} mm",
            ["Coherent; the beams serve any other lens without another simulation."],
        ),
    ]
    page.data = {
        "model": record,
        "thicknesses_angstrom": thicknesses.tolist(),
        "energy_kev": energy,
        "beams": len(h),
        "intensity_outside_the_beams": loss.tolist(),
    }
    page.terms += _TERMS
    at = float(thicknesses[middle])
    some = np.linspace(0, len(thicknesses) - 1, min(len(thicknesses), _PANELS)).round()
    shown = thicknesses[some.astype(int)].tolist()
    thickness_png = to_png(thickness_figure(crystal, shown, Lens(defocus_angstrom), cs_mm))
    strongest = np.argsort(-np.abs(psi[middle]))[:_STRONGEST]
    page.sections.append(
        Section(
            "Images and beams",
            "",
            [
                FigureOfReport(
                    "thickness_series",
                    thickness_png,
                    "Images over thickness",
                    "Contrast reverses as the crystal grows: compare places, not only black and "
                    "white. 2 × 2 cells; each panel has its own grey scale.",
                    "Simulated bright-field images at up to 16 thicknesses.",
                    wide=True,
                ),
                FigureOfReport(
                    "exit_wave",
                    to_png(exit_wave_figure(crystal, at)),
                    f"Exit wave at {at:.1f} Å",
                    "What leaves the crystal, before any lens: amplitude, and phase against the "
                    "direct beam.",
                    "Amplitude and phase of the simulated exit wave.",
                    wide=True,
                ),
                FigureOfReport(
                    "diffraction",
                    to_png(diffraction_figure([crystal], [crystal.name], at)),
                    f"Diffraction pattern at {at:.1f} Å",
                    "First orders of the parent are ringed, those of a superlattice boxed: the "
                    "latter exist only by the order of the vacancies.",
                    "Simulated diffraction pattern, first orders marked.",
                ),
                TableOfReport(
                    f"Strongest beams at {at:.1f} Å",
                    ["h", "k", "d (Å)", "amplitude", "phase (°)"],
                    [
                        _beam(int(h[i]), int(k[i]), complex(psi[middle, i]), lengths)
                        for i in strongest
                    ],
                    "Indices on the cell of the model.",
                    numbers=5,
                    wide=False,
                ),
            ],
        )
    )


def _name(ordering: str) -> str:
    return f"Ordering {ordering}" if ordering.startswith("o-") else "The crystal as given"


def _picture(models: Models) -> Picture:
    record = models.records[0]
    atoms = models.atoms(0)
    vacant = record["vacant_sites"]
    drawing = draw_cell(
        atoms,
        columns(atoms, vacant, models.vacancies(0)),
        models.mobile,
        "One cell of the model along the beam"
        + (
            f", vacant sites at {sites_text(record['vacant_sites'])}."
            if record["vacant_sites"]
            else "."
        ),
    )
    axis = " ".join(str(i) for i in record["zone_axis"])
    return Picture(drawing.svg, f"One cell, along the beam [{axis}].", drawing.legend)


def _crystal(models: Models, lengths: tuple[float, float]) -> Answer:
    record = models.records[0]
    atoms = models.atoms(0)
    kinds = [
        f"{atoms.species.count(species)} {formula(species)}"
        for species in dict.fromkeys(atoms.species)
    ]
    details = [f"Cell {lengths[0]:.2f} × {lengths[1]:.2f} Å with {listed(kinds)}."]
    if record["vacant_sites"]:
        details.append(
            f"Vacant: {sites_text(record['vacant_sites'])}, in units of the parent's axes."
        )
    return Answer("Which crystal?", f"Space group {record['space_group']}", details)


def _beam(h: int, k: int, psi: complex, lengths: tuple[float, float]) -> list[str]:
    g = float(np.hypot(h / lengths[0], k / lengths[1]))
    spacing = f"{1 / g:.3f}" if g > 0 else "∞"
    phase = f"{np.degrees(np.angle(psi)):.1f}"
    return [str(h), str(k), spacing, f"{abs(psi):.4f}", phase]
