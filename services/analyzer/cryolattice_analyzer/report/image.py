"""The part of an identification that shows the micrograph and what was measured on it."""

from __future__ import annotations

from typing import Any

from cryolattice_analyzer.figures.micrograph_figures import (
    cell_figure,
    micrograph_figure,
    spectrum_figure,
)
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.imaging.power_spectrum import power_spectrum
from cryolattice_analyzer.lens.ctf import CtfFit
from cryolattice_analyzer.report.findings import Findings
from cryolattice_analyzer.report.page import (
    FigureOfReport,
    Item,
    Section,
    TableOfReport,
)
from cryolattice_analyzer.report.wording import integer


def image_section(found: Findings) -> Section:
    """Show the micrograph, its spectrum and what was measured on them."""
    image, lattice = found.image, found.lattice
    pixel = image.pixel_size_angstrom
    spectrum = to_png(
        spectrum_figure(
            power_spectrum(image.counts, pixel),
            lattice.lattice if lattice else None,
            lattice.superlattice if lattice else None,
        )
    )
    ordered = lattice is not None and lattice.superlattice.supercell != (1, 1)
    look = "No spot stands out: that is why there is no answer."
    if lattice is not None:
        look = "Rings mark the parent's reflections that stand out, on the right half. " + (
            "Squares between them are the superlattice: they are there only if the vacancies order."
            if ordered
            else "Nothing stands out between them: no longer repeat is seen."
        )
    items: list[Item] = [
        FigureOfReport(
            "power_spectrum",
            spectrum,
            "Power spectrum",
            look,
            "Power spectrum of the micrograph over its local background"
            + (", parent and superlattice spots marked." if lattice else "; no spots are marked."),
        ),
        FigureOfReport(
            "micrograph",
            to_png(micrograph_figure(image.counts, pixel, lattice.area if lattice else None)),
            "The micrograph",
            "The outline is the crystal that was averaged; it should hold what you take for "
            "crystal and leave out film and edges."
            if lattice
            else "Low-passed for display. Is there a crystal in it?",
            f"The micrograph {image.file_name}, low-passed"
            + (", with the crystal outlined." if lattice else "."),
        ),
    ]
    if found.average is not None and found.ranked is None:
        items.append(
            FigureOfReport(
                "averaged_cell",
                to_png(cell_figure(found.average)),
                "The averaged cell",
                f"Mean of {integer(found.average.cells)} cells.",
                "The averaged cell of the micrograph.",
            )
        )
    items.append(_measured(found))
    return Section("The image", "What was measured on the micrograph itself.", items)


def _measured(found: Findings) -> TableOfReport:
    """Tabulate what was measured, and where each number comes from."""
    rows: list[list[str]] = []
    if found.lattice is not None:
        (lattice,) = found.lattice.summary["lattices"]
        rows += [
            ["repeat seen", _lattice_words(lattice), "reflections of the power spectrum"],
            ["turn of a from x", f"{lattice['rotation_deg']:.2f}°", "the same"],
            [
                "superlattice",
                f"{found.lattice.summary['superlattice_snr']:.1f} σ",
                "spots between the parent's, over their local background",
            ],
            [
                "area of crystal",
                f"{100 * found.lattice.area.fraction:.0f} % of the field",
                "where the reflections are strong",
            ],
        ]
    if found.average is not None:
        rows.append(
            [
                "averaged",
                f"{integer(found.average.cells)} cells, error "
                f"{100 * found.average.image_standard_error:.1f} % of the mean",
                "all Fourier coefficients together, over the crystal",
            ]
        )
    if found.ranked is not None:
        ctf = found.ranked.ranking["ctf"]
        rows.append(
            [
                "lens",
                f"defocus {ctf['defocus_angstrom']:.0f} Å, astigmatism "
                f"{ctf['astigmatism_angstrom']:.0f} Å at {ctf['astigmatism_angle_deg']:.0f}°",
                "fitted with the best model",
            ]
        )
    if found.ctf is not None:
        rows.append(["lens, by the film", _film_words(found.ctf), "its rings"])
    image = found.image
    dose = image.dose_e_per_angstrom2
    rows += [
        ["dose", f"{dose:g} e/Å²" if dose else "not given", "file or option"],
        [
            "microscope",
            f"{image.energy_kev:g} keV, Cs {image.cs_mm:g} mm, {image.pixel_size_angstrom:g} Å/px",
            "file or option, else assumed and said in the warnings",
        ],
    ]
    return TableOfReport("Measured", ["", "value", "from"], rows)


def _lattice_words(lattice: dict[str, Any]) -> str:
    return (
        f"{lattice['a_angstrom']:.3f} × {lattice['b_angstrom']:.3f} Å, {lattice['gamma_deg']:.2f}°"
    )


def _film_words(fit: CtfFit) -> str:
    if not fit.found:
        return "rings too faint to be sure of"
    return (
        f"U {fit.defocus_u_angstrom:.0f}, V {fit.defocus_v_angstrom:.0f} Å, "
        f"{fit.angle_deg:.0f}°, to {fit.fit_resolution_angstrom:.1f} Å"
    )
