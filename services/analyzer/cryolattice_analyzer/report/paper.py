"""The counterparts of a paper's figures.

The paper is Janicek et al., Nano Letters 2024, doi 10.1021/acs.nanolett.4c01996: cryo-TEM of the
antiperovskite Na2NH2BH4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from cryolattice_analyzer.figures import style
from cryolattice_analyzer.figures.cell_figures import cells_figure
from cryolattice_analyzer.figures.dose_figures import critical_dose_figure, fading_figure
from cryolattice_analyzer.figures.micrograph_figures import micrograph_figure, spectrum_figure
from cryolattice_analyzer.figures.pattern_figures import (
    diffraction_figure,
    measured_beside_simulated_figure,
    spot_spacings,
)
from cryolattice_analyzer.figures.simulation_figures import (
    exit_wave_figure,
    image_of,
    structure_figure,
    thickness_figure,
)
from cryolattice_analyzer.imaging.power_spectrum import power_spectrum
from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.report.paper_evidence import PaperEvidence

SERIES_ANGSTROM = tuple(round(18.8 * n, 1) for n in range(1, 17))
MOVIE = "movie_fading.gif"
PRISTINE, ORDERED = "Parent, mean occupancies", "Best ordering"


@dataclass(frozen=True)
class PaperFigure:
    """One figure: its name says which of the paper's it stands beside.

    Attributes
    ----------
    name : str
        Of its files.
    figure : Figure
    title, caption : str
    sources : tuple of str
        Kinds of the datasets that it shows; ``series`` and ``compare`` are the diffraction series.
    wide : bool
        Whether it takes the width of a page.
    """

    name: str
    figure: Figure
    title: str
    caption: str
    sources: tuple[str, ...]
    wide: bool = False


def paper_figures(evidence: PaperEvidence) -> Iterator[PaperFigure]:
    """Draw the figures one after the other, in the paper's order."""
    yield from _fading(evidence)
    yield from _micrograph(evidence)
    yield from _simulation(evidence)


def _fading(evidence: PaperEvidence) -> Iterator[PaperFigure]:
    cold, warm = evidence.series
    thickness = evidence.thickness_angstrom
    innermost = float(spot_spacings(evidence.pristine, thickness)[0])
    yield PaperFigure(
        "figure_1b_pristine_diffraction",
        measured_beside_simulated_figure(cold, evidence.pristine, thickness),
        "1B. Diffraction of the pristine crystal",
        f"Left: measured, the first frame of the series at {cold.label}, logarithmic. Right: "
        f"simulated by multislice for the parent with its mean occupancies, {thickness:.1f} Å "
        f"thick. The innermost spots lie at {evidence.doses[0].rows[0].d_angstrom:.2f} Å and "
        f"{innermost:.2f} Å.",
        ("series", "beams"),
        wide=True,
    )
    yield PaperFigure(
        "figure_3b_fading",
        fading_figure(evidence.doses),
        "3B. Fading of the reflections",
        f"Measured: integrated intensities at {cold.label} and {warm.label} with exponentials "
        "fitted to them, each frame as the integral over its own exposure; dotted lines fall from "
        "1/e to the critical doses.",
        ("series", "compare", "dose"),
        wide=True,
    )
    yield PaperFigure(
        "figure_3c_critical_dose",
        critical_dose_figure(evidence.doses),
        "3C. Critical dose against spatial frequency",
        f"Measured at {cold.label} and {warm.label}; bars are 95 % intervals.",
        ("dose",),
    )


def _micrograph(evidence: PaperEvidence) -> Iterator[PaperFigure]:
    image, lattice = evidence.image, evidence.lattice
    (found,) = lattice.summary["lattices"]
    pixel = image.pixel_size_angstrom
    yield PaperFigure(
        "figure_4a_micrograph",
        micrograph_figure(image.counts, pixel, lattice.area),
        "4A. Micrograph",
        f"Measured: {image.file_name}, {image.dose_e_per_angstrom2:g} e/Å², low-passed for display."
        if image.dose_e_per_angstrom2
        else f"Measured: {image.file_name}, low-passed for display.",
        ("micrograph", "lattice"),
    )
    yield PaperFigure(
        "figure_4b_power_spectrum",
        spectrum_figure(power_spectrum(image.counts, pixel), lattice.lattice, lattice.superlattice),
        "4B. Its power spectrum",
        f"Measured, over the local background. Spots of the parent (ringed) and of a "
        f"{found['a_angstrom']:.2f} × {found['b_angstrom']:.2f} Å superlattice (boxed), marked in "
        "the right half.",
        ("micrograph", "lattice"),
    )
    yield PaperFigure(
        "figure_4c_averaged_cell",
        cells_figure([("Averaged cell", evidence.cells.average)], evidence.direct, _OVER_MEAN),
        "4C. Averaged cell",
        f"Measured: mean of {evidence.average.cells:.0f} cells of the crystal, standard error "
        f"{100 * evidence.average.image_standard_error:.1f} % of the mean.",
        ("average", "ranking"),
    )


_OVER_MEAN = "Intensity / mean"


def _simulation(evidence: PaperEvidence) -> Iterator[PaperFigure]:
    pristine, ordered = evidence.pristine, evidence.ordered
    thickness = evidence.thickness_angstrom
    identifier = evidence.ranking["best"]["ordering_id"]
    defocus = evidence.lens.defocus_angstrom
    spots = [spot_spacings(crystal, thickness) for crystal in (pristine, ordered)]
    yield PaperFigure(
        "figure_5a_structures",
        structure_figure([pristine, ordered], [PRISTINE, ORDERED]),
        "5A. Structures along the beam",
        f"Left: the parent, pies show occupancies. Right: {identifier}, the ordering that explains "
        "the micrograph best. Hydrogens are left out; the frame is the supercell.",
        ("models",),
        wide=True,
    )
    yield PaperFigure(
        "figure_5b_ordered_diffraction",
        diffraction_figure([pristine, ordered], [PRISTINE, ORDERED], thickness),
        "5B. Diffraction without and with order",
        f"Simulated by multislice, {thickness:.1f} Å thick, on one scale; the direct beam is "
        f"saturated. Innermost spots: {spots[0][0]:.1f} Å without order, {spots[1][0]:.1f} Å with.",
        ("beams",),
        wide=True,
    )
    yield PaperFigure(
        "figure_5c_projected_potential",
        cells_figure(
            list(zip([PRISTINE, ORDERED], evidence.potentials, strict=True)),
            evidence.direct,
            "Projected potential (V Å)",
            colours=style.SEQUENTIAL_MAP,
            limits=(0.0, float(np.percentile(evidence.potentials, 99.2))),
        ),
        "5C. Projected potential",
        "Simulated: one period along the beam, from the atomic potentials that the multislice "
        "uses; hydrogens count as their mean over all orientations. Peaks are cut off.",
        ("potential",),
        wide=True,
    )
    yield PaperFigure(
        "figure_5d_exit_wave",
        exit_wave_figure(ordered, thickness),
        "5D. Exit wave",
        f"Simulated for {identifier}, {thickness:.1f} Å thick. The phase is that against the "
        "direct beam.",
        ("beams",),
        wide=True,
    )
    lens, cs_mm = Lens(defocus), evidence.image.cs_mm
    plane = ordered.plane(thickness)
    yield PaperFigure(
        "figure_5e_ctf_corrected",
        cells_figure(
            [
                (title, image_of(ordered, plane, lens, cs_mm, corrected=corrected))
                for title, corrected in (("Behind the lens", False), ("CTF-corrected", True))
            ],
            evidence.direct,
            "Image (incident intensity = 1)",
        ),
        f"5E. CTF-corrected image, {thickness:.1f} Å",
        f"Simulated for {identifier} at the micrograph's mean defocus, {defocus:.0f} Å, and Cs "
        f"{cs_mm:g} mm, without astigmatism and envelopes. Corrected: phases flipped where the "
        "transfer of the lens is negative, moduli as the lens passed them. The measured cell is "
        "left as recorded: 5F puts the lens into the simulation, which holds for thick crystals.",
        ("beams", "ranking"),
        wide=True,
    )
    yield PaperFigure(
        "figure_5f_cell_beside_simulation",
        cells_figure(
            [
                ("Averaged cell", evidence.cells.average),
                (f"Simulation, {thickness:.1f} Å", evidence.cells.model),
            ],
            evidence.direct,
            _OVER_MEAN,
        ),
        "5F. Averaged cell beside the simulation",
        f"Measured, and {identifier} through the fitted lens with its astigmatism "
        f"({2 * evidence.lens.half_difference_angstrom:.0f} Å) and envelopes; correlation "
        f"{evidence.ranking['best']['score']:.3f}.",
        ("average", "ranking"),
        wide=True,
    )
    yield PaperFigure(
        "figure_s6_thickness_series",
        thickness_figure(
            ordered,
            SERIES_ANGSTROM,
            lens,
            cs_mm,
            corrected=True,
            highlight_angstrom=thickness,
        ),
        "S6. Thickness series",
        f"Simulated for {identifier} at a defocus of {defocus:.0f} Å, CTF-corrected as in 5E, "
        "without envelopes; each panel has its own grey scale. Framed: the thickness found.",
        ("beams", "ranking"),
        wide=True,
    )
