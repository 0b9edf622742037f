"""What a report says of a lens fitted to a film's rings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from cryolattice_analyzer.figures.ring_figures import ring_profile_figure, ring_spectrum_figure
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.jobs.stored import StoredSpectrum, load_ctf, load_ctf_spectrum
from cryolattice_analyzer.lens.ctf import CtfFit
from cryolattice_analyzer.lens.ring_profile import RingProfile, flattened, ring_profile
from cryolattice_analyzer.lens.transfer import electron_wavelength_angstrom
from cryolattice_analyzer.report.page import Answer, FigureOfReport, Page, Section, TableOfReport
from cryolattice_analyzer.report.wording import integer

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

# The figures go so far beyond the last ring seen, and begin so far inside the first zero.
_BEYOND, _WITHIN = 1.25, 0.55

_TERMS = [
    ("Defocus", "Positive is underfocus. U is the greatest, V the least, at right angles to U."),
    ("Angle", "Azimuth of U from +x towards +y, y down the rows of the file, as CTFFIND gives it."),
    (
        "Rings",
        "An amorphous film scatters everywhere alike; what the lens lets through of it makes rings "
        "in the power spectrum (Thon rings). They vanish where the contrast transfer is zero.",
    ),
    (
        "95 %",
        "From the scatter of the spectrum about the fit. An error of the pixel size, of the "
        "energy or of Cs comes on top.",
    ),
]


def describe_ctf(page: Page, reader: DatasetReader) -> None:
    """Add the fit of a lens to a page."""
    fit = load_ctf(reader)
    spectrum, amplitude_contrast = load_ctf_spectrum(reader)
    page.kicker = page.title
    page.terms += _TERMS
    page.data = reader.json("ctf.json")
    if fit.found:
        _found(page, fit)
    else:
        _not_found(page)
    page.answers.append(_told(spectrum, amplitude_contrast))
    page.sections.append(
        Section("The rings", "What was fitted, beside the fit.", [*ring_figures(reader)])
    )
    if fit.found:
        page.sections.append(
            Section("The numbers", "As CTFFIND defines them.", [_table(fit)]),
        )


def ring_figures(reader: DatasetReader) -> list[FigureOfReport]:
    """Draw the spectrum that a lens was fitted to, beside the fit where rings were found."""
    fit = load_ctf(reader)
    spectrum, amplitude_contrast = load_ctf_spectrum(reader)
    if not fit.found:
        return [_bare_spectrum(spectrum)]
    return _ring_figures(fit, spectrum, amplitude_contrast)


def _found(page: Page, fit: CtfFit) -> None:
    lens = fit.lens
    low, high = fit.ci95["defocus_u_angstrom"]
    half = (high - low) / 2
    page.verdict, page.tone = "found", "sure"
    page.headline = f"{integer(lens.defocus_angstrom)} Å under focus"
    page.lead = (
        f"Fitted to the rings of an amorphous film, which are seen to "
        f"{fit.fit_resolution_angstrom:.2f} Å."
    )
    least, most = fit.ci95["angle_deg"]
    page.answers = [
        Answer(
            "What is the defocus?",
            f"{integer(lens.defocus_angstrom)} Å",
            [
                f"U {integer(fit.defocus_u_angstrom)}, V {integer(fit.defocus_v_angstrom)}, each "
                f"± {half:.0f} Å (95 %)."
            ],
        ),
        Answer(
            "How astigmatic is it?",
            f"{2 * lens.half_difference_angstrom:.0f} Å at {fit.angle_deg:.0f}°",
            [f"U - V; the angle is known to ± {(most - least) / 2:.0f}° (95 %)."],
        ),
        Answer(
            "How far do the rings reach?",
            f"{fit.fit_resolution_angstrom:.2f} Å",
            ["Finer detail has no measured contrast transfer."],
        ),
    ]


def _not_found(page: Page) -> None:
    page.verdict, page.tone = "not found", "open"
    page.headline = "No rings stand out of the spectrum"
    page.lead = "Nothing in it tells the defocus."
    page.answers = [
        Answer(
            "What is missing?",
            "Rings all the way round",
            [
                "Rings come from amorphous film: carbon, ice, or damaged crystal. Fringes and "
                "streaks fill one direction only and do not count."
            ],
        ),
        Answer(
            "What would help?",
            "More film or more dose",
            [
                "Check pixel size, energy and Cs; take an image with bare film; sum more frames.",
                "A defocus outside the range that was searched (--defocus) is not found.",
            ],
        ),
    ]


def _told(spectrum: StoredSpectrum, amplitude_contrast: float) -> Answer:
    return Answer(
        "What was told?",
        f"{spectrum.energy_kev:g} keV, Cs {spectrum.cs_mm:g} mm",
        [f"Amplitude contrast {amplitude_contrast:g}. From file or option, else in the remarks."],
    )


def _edge(spectrum: StoredSpectrum) -> float:
    ny, nx = map(int, spectrum.power.shape)
    dx, dy = spectrum.step_per_angstrom
    return min(dx * nx, dy * ny) / 2


def _ring_figures(
    fit: CtfFit, spectrum: StoredSpectrum, amplitude_contrast: float
) -> list[FigureOfReport]:
    lens, edge = fit.lens, 0.95 * _edge(spectrum)
    wavelength = electron_wavelength_angstrom(spectrum.energy_kev)
    first = 1 / math.sqrt(wavelength * lens.defocus_angstrom)
    high = min(max(_BEYOND / fit.fit_resolution_angstrom, 2 * first), edge)
    profile = ring_profile(
        spectrum.power,
        spectrum.step_per_angstrom,
        lens,
        wavelength_angstrom=wavelength,
        cs_mm=spectrum.cs_mm,
        amplitude_contrast=amplitude_contrast,
        range_per_angstrom=(_WITHIN * min(first, edge), high),
    )
    data, fitted = flattened(spectrum.power, spectrum.step_per_angstrom, lens, profile)
    return [
        FigureOfReport(
            "ring_spectrum",
            to_png(
                ring_spectrum_figure(
                    data, fitted, spectrum.step_per_angstrom, high, lens, _zeros(profile)
                )
            ),
            "The spectrum beside the fit",
            "Every ring on the left must go on to the right. Dashed lines are the first zeros of "
            "the fit, the red marks the direction of U. The data are averaged over a few degrees "
            "along the rings, their background taken off; both halves fade where noise is "
            "stronger than the rings.",
            "Left half: power spectrum without its background. Right half: fitted rings.",
        ),
        FigureOfReport(
            "ring_profile",
            to_png(ring_profile_figure(profile, fit.fit_resolution_angstrom)),
            "The rings along the radius",
            "Maxima and zeros must agree as far as rings are seen; a drift outwards is an error of "
            "Cs or pixel size. The astigmatism is taken out before averaging.",
            "Mean power along the rings against spatial frequency, with background and fit; below "
            "the same over the background.",
            wide=True,
        ),
    ]


def _zeros(profile: RingProfile) -> NDArray[np.float64]:
    """Frequencies between which the transfer changes its sign."""
    k, transfer = profile.k_per_angstrom, profile.transfer
    at = np.flatnonzero(np.diff(np.sign(transfer)) != 0)
    share = transfer[at] / (transfer[at] - transfer[at + 1])
    return np.asarray(k[at] + share * (k[at + 1] - k[at]))


def _smooth(power: NDArray[np.floating]) -> NDArray[np.float64]:
    """Take speckle off, which would hide rings from the eye."""
    return np.asarray(scipy.ndimage.gaussian_filter(power.astype(np.float64), 1.5))


def _bare_spectrum(spectrum: StoredSpectrum) -> FigureOfReport:
    return FigureOfReport(
        "ring_spectrum",
        to_png(
            ring_spectrum_figure(
                np.log(np.maximum(_smooth(spectrum.power), np.finfo(np.float32).tiny)),
                None,
                spectrum.step_per_angstrom,
                _edge(spectrum),
            )
        ),
        "The spectrum",
        "Logarithmic. Rings around the middle would be the film's; there are none that stand out.",
        "Power spectrum, logarithmic grey scale.",
    )


def _table(fit: CtfFit) -> TableOfReport:
    rows = []
    for label, name, unit, digits in (
        ("defocus U", "defocus_u_angstrom", "Å", 0),
        ("defocus V", "defocus_v_angstrom", "Å", 0),
        ("angle of U", "angle_deg", "°", 1),
    ):
        low, high = fit.ci95[name]
        rows.append(
            [
                label,
                f"{getattr(fit, name):.{digits}f} {unit}",
                f"{low:.{digits}f} to {high:.{digits}f}",
            ]
        )
    return TableOfReport("The lens", ["", "value", "95 %"], rows, numbers=2)
