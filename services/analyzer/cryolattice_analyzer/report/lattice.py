"""What a report says of a lattice and of the averaged cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryolattice_analyzer.figures.micrograph_figures import (
    cell_figure,
    micrograph_figure,
    spectrum_figure,
)
from cryolattice_analyzer.figures.reflection_figures import reflections_figure
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.imaging.average import AveragedCell
from cryolattice_analyzer.imaging.power_spectrum import power_spectrum
from cryolattice_analyzer.jobs.stored import (
    StoredLattice,
    StoredMicrograph,
    load_average,
    load_lattice,
    load_micrograph,
)
from cryolattice_analyzer.report.page import (
    Answer,
    FigureOfReport,
    Item,
    Page,
    Section,
    TableOfReport,
)
from cryolattice_analyzer.report.wording import integer, sentence

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

_ROWS = 20
# The indexed spectrum shows so much more than the outermost spot marked.
_MARGIN = 1.15

_TERMS = [
    (
        "Superlattice",
        "A repeat longer than the cell's. Its spots are judged against the background beside them, "
        "in standard deviations (σ).",
    ),
    (
        "Mismatch",
        "Difference of a or b from the parent's, the larger of the two. Strain is seldom above "
        "1 %; more is the calibration or another crystal.",
    ),
]


def describe_lattice(page: Page, readers: dict[str, DatasetReader]) -> None:
    """Add a micrograph's lattice, and its averaged cell where there is one, to a page."""
    image = load_micrograph(readers["micrograph"])
    found = load_lattice(readers["lattice"])
    page.kicker = page.title
    page.terms += _TERMS
    page.data = readers["lattice"].json("lattice.json")
    if found is None:
        _nothing(page, image)
        page.sections.append(Section("The image", "What was searched.", _field(image, None)))
        return
    _answer(page, found)
    if "average" in readers:
        average = load_average(readers["average"])
        page.data["average"] = readers["average"].json("average.json")
        _averaged(page, average)
    page.sections.append(Section("The image", "Where the lattice is.", _field(image, found)))


def _nothing(page: Page, image: StoredMicrograph) -> None:
    page.verdict, page.tone = "not found", "open"
    page.headline = "No lattice is found"
    page.lead = sentence(page.data["reason"])
    page.answers = [
        Answer(
            "What would help?",
            "More signal",
            ["A crystal on a zone axis, thicker, with more dose; a parent's CIF with --parent."],
        ),
        Answer(
            "What to check?",
            f"{image.pixel_size_angstrom:.4g} Å a pixel",
            ["The scale: with a parent it may be off by 4 %, not more."],
        ),
    ]


def _answer(page: Page, found: StoredLattice) -> None:
    (lattice,) = found.summary["lattices"]
    a, b, gamma = (lattice[name] for name in ("a_angstrom", "b_angstrom", "gamma_deg"))
    repeat = lattice["superlattice"]
    errors = found.lattice.standard_errors
    page.verdict, page.tone = "found", "sure"
    page.headline = f"{a:.3f} × {b:.3f} Å, {gamma:.2f}°"
    page.lead = (
        f"The repeat that is seen: {repeat[0]} × {repeat[1]} of the cell."
        if repeat
        else "The repeat that is seen; no longer one stands out."
    )
    mismatch = lattice["mismatch_percent"]
    page.answers = [
        Answer(
            "What is the lattice?",
            f"a {a:.3f}, b {b:.3f} Å",
            [
                f"Angle {gamma:.2f}°, a turned by {lattice['rotation_deg']:.2f}° from x to y.",
                f"Noise alone errs by {errors[0]:.1g} and {errors[1]:.1g} Å; calibration and "
                "distortion come on top.",
            ],
        ),
        Answer(
            "Is there a superlattice?",
            f"{repeat[0]} × {repeat[1]}" if repeat else "None is seen",
            [f"Evidence {found.summary['superlattice_snr']:.1f} σ."],
        ),
        Answer(
            "Does it agree with the parent?",
            "No parent given" if mismatch is None else f"{mismatch:+.2f} %",
            ["Give its CIF with --parent to compare."]
            if mismatch is None
            else ["The larger difference of a and b from the parent's."],
        ),
        Answer(
            "How much crystal is there?",
            f"{100 * found.area.fraction:.0f} % of the field",
            [f"{lattice['spots']} reflections stand out of the spectrum."],
        ),
    ]


def _field(image: StoredMicrograph, found: StoredLattice | None) -> list[Item]:
    pixel = image.pixel_size_angstrom
    reach = 0.7
    if found is not None:
        reach = max(float(np.hypot(*spot.g_per_angstrom)) for spot in found.lattice.spots)
    return [
        FigureOfReport(
            "power_spectrum",
            to_png(
                spectrum_figure(
                    power_spectrum(image.counts, pixel),
                    found.lattice if found else None,
                    found.superlattice if found else None,
                    g_max_per_angstrom=min(max(_MARGIN * reach, 0.7), 0.48 / pixel),
                )
            ),
            "The power spectrum, indexed" if found else "The power spectrum",
            "Rings mark reflections that stand out, on the right half; they must sit on spots. "
            "Squares are the superlattice's."
            if found
            else "Spots on a lattice would be a crystal's.",
            "Power spectrum over its local background"
            + (", spots marked and indexed." if found else "."),
        ),
        FigureOfReport(
            "micrograph",
            to_png(micrograph_figure(image.counts, pixel, found.area if found else None)),
            "The micrograph",
            "The outline is the crystal: where the reflections are strong."
            if found
            else "Low-passed for display. Is there a crystal in it?",
            f"The micrograph {image.file_name}, low-passed"
            + (", with the crystal outlined." if found else "."),
        ),
    ]


def _averaged(page: Page, average: AveragedCell) -> None:
    m, n = average.supercell
    error = 100 * average.image_standard_error
    page.headline = f"{integer(average.cells)} cells averaged"
    page.lead = (
        f"The mean cell of {m} × {n}, {np.hypot(*average.direct[0]):.3f} × "
        f"{np.hypot(*average.direct[1]):.3f} Å, known to {error:.2f} % of the mean intensity."
    )
    known = np.abs(average.coefficients) > 3 * average.standard_error
    finest = 1 / float(np.hypot(*average.g_per_angstrom[known].T).max()) if known.any() else None
    page.answers.insert(
        0,
        Answer(
            "How well is the cell known?",
            f"± {error:.2f} %",
            [
                "Standard error of any pixel of the averaged cell, of its mean.",
                f"{int(known.sum())} of {len(known)} Fourier coefficients stand above 3 σ"
                + (f", the finest at {finest:.2f} Å." if finest else "."),
            ],
        ),
    )
    order = np.argsort(-np.abs(average.coefficients))[:_ROWS]
    page.sections.append(
        Section(
            "The averaged cell",
            "All Fourier coefficients were fitted together over the crystal's area.",
            [
                FigureOfReport(
                    "averaged_cell",
                    to_png(cell_figure(average)),
                    "The averaged cell",
                    "2 × 2 cells. Contrast well above the standard error is real; whether atoms "
                    "are dark or bright depends on defocus and thickness.",
                    f"Mean image of {integer(average.cells)} cells.",
                ),
                FigureOfReport(
                    "reflections",
                    to_png(reflections_figure(average)),
                    "Its Fourier coefficients",
                    "Points above the grey band are known. Bars are standard errors, from the "
                    "background beside each reflection.",
                    "Amplitude of each Fourier coefficient against spatial frequency, with its "
                    "standard error.",
                ),
                TableOfReport(
                    "Strongest coefficients",
                    ["h k", "d (Å)", "amplitude", "phase (°)", "σ"],
                    [
                        [
                            f"{average.h[i]} {average.k[i]}",
                            f"{1 / np.hypot(*average.g_per_angstrom[i]):.3f}",
                            f"{abs(average.coefficients[i]):.4f}",
                            f"{np.degrees(np.angle(average.coefficients[i])):.0f}",
                            f"{abs(average.coefficients[i]) / average.standard_error[i]:.1f}",
                        ]
                        for i in order
                    ],
                    f"Of {len(average.h)}, in units of the mean intensity; h and k count in the "
                    f"cell of {m} × {n}.",
                    numbers=4,
                ),
            ],
        )
    )
