"""Defocus and astigmatism from the rings that an amorphous film makes in the power spectrum."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.lens.ctf_fit import CtfFit, LensCandidate
from cryolattice_analyzer.lens.ring_fit import ALTERNATIVES, RingProblem
from cryolattice_analyzer.lens.ring_spectrum import film_periodogram, polar_bins
from cryolattice_analyzer.lens.transfer import electron_wavelength_angstrom

__all__ = ["CtfFit", "LensCandidate", "fit_ctf", "fit_ctf_spectrum"]

DEFOCUS_RANGE_ANGSTROM = (300.0, 30000.0)
# Share of the field below which bare film is too little to be fitted alone.
SMALLEST_FILM = 0.04
HINT_WEIGHT = 0.7
# A film scatters no rings beyond.
FILM_LIMIT_PER_ANGSTROM = 1.2
# Where this many rings lie between the second zero and this spacing, they alone give the lens.
TRUSTED_RINGS = 5.0
TRUSTED_SPACING_ANGSTROM = 5.0


def film_spectrum(
    image: NDArray[np.floating], pixel_size_angstrom: float, film: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Power spectrum of a micrograph's film, zero frequency in the middle, and its bins' width.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
    pixel_size_angstrom : float
    film : ndarray of bool, shape (ny, nx), optional
        The whole image by default or where too little of it is film.
    """
    # Several tiles, so that speckle averages out.
    tile = min(512, max(min(image.shape) // 2, 128), *image.shape)
    return film_periodogram(image.astype(np.float64), pixel_size_angstrom, enough(film), tile)


def enough(film: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Return the film, or None where it is too little to be fitted alone."""
    return film if film is not None and film.mean() >= SMALLEST_FILM else None


def fit_ctf(
    image: NDArray[np.floating],
    pixel_size_angstrom: float,
    *,
    energy_kev: float,
    cs_mm: float,
    amplitude_contrast: float = 0.07,
    film: NDArray[np.bool_] | None = None,
    spots_per_angstrom: NDArray[np.float64] | None = None,
    defocus_range_angstrom: tuple[float, float] = DEFOCUS_RANGE_ANGSTROM,
    resolution_angstrom: tuple[float, float] | None = None,
) -> CtfFit:
    """Fit the lens to a micrograph.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
    pixel_size_angstrom : float
    energy_kev, cs_mm : float
    amplitude_contrast : float
        0 to 1; of the film.
    film : ndarray of bool, shape (ny, nx), optional
        Where the film lies bare, beside the crystal; the whole image by default or where too little
        of it is film.
    spots_per_angstrom : ndarray, shape (n, 2), optional
        Reflections (x, y) to leave out, with their Friedel mates; others are clipped as outliers.
    defocus_range_angstrom : tuple of float
    resolution_angstrom : tuple of float, optional
        As in `fit_ctf_spectrum`.

    Returns
    -------
    CtfFit
    """
    bare = enough(film)

    def fit(part: NDArray[np.bool_] | None) -> CtfFit:
        power, step = film_spectrum(image, pixel_size_angstrom, part)
        return fit_ctf_spectrum(
            power,
            step,
            energy_kev=energy_kev,
            cs_mm=cs_mm,
            amplitude_contrast=amplitude_contrast,
            spots_per_angstrom=spots_per_angstrom,
            defocus_range_angstrom=defocus_range_angstrom,
            resolution_angstrom=resolution_angstrom,
        )

    result = fit(bare)
    if result.found or bare is None:
        return result
    # Film on the crystal has rings too, but the crystal's own scattering can pass for them: they
    # count as hints, not as an answer.
    hints = [LensCandidate(o.lens, o.score * HINT_WEIGHT) for o in fit(None).alternatives]
    merged = sorted([*result.alternatives, *hints], key=lambda o: -o.score)
    return replace(result, alternatives=tuple(merged[: 2 * ALTERNATIVES]))


def fit_ctf_spectrum(
    power: NDArray[np.floating],
    step_per_angstrom: tuple[float, float],
    *,
    energy_kev: float,
    cs_mm: float,
    amplitude_contrast: float = 0.07,
    spots_per_angstrom: NDArray[np.float64] | None = None,
    defocus_range_angstrom: tuple[float, float] = DEFOCUS_RANGE_ANGSTROM,
    resolution_angstrom: tuple[float, float] | None = None,
) -> CtfFit:
    """Fit the lens to a power spectrum.

    Rings are looked for in the whole spectrum. Where there are many, the lens is then fitted to
    those from the second zero to 5 angstrom: further out the nominal spherical aberration and the
    depth of the specimen shift them, further in the background falls steeply.

    Parameters
    ----------
    power : ndarray, shape (ny, nx)
        Zero frequency at ``[ny // 2, nx // 2]``; any smooth monotonic scaling will do.
    step_per_angstrom : tuple of float
        Width of a bin along x and y.
    energy_kev, cs_mm, amplitude_contrast : float
    spots_per_angstrom : ndarray, shape (n, 2), optional
    defocus_range_angstrom : tuple of float
    resolution_angstrom : tuple of float, optional
        Largest and smallest spacing used instead, from first to last.

    Returns
    -------
    CtfFit

    Raises
    ------
    InvalidInputError
        An energy, amplitude contrast, defocus or resolution that cannot be.
    """
    if not 0 <= amplitude_contrast <= 1:
        raise InvalidInputError(
            f"amplitude contrast {amplitude_contrast:g}: it must lie between 0 and 1",
            field="amplitude_contrast",
        )
    low, high = defocus_range_angstrom
    if not 0 < low < high:
        raise InvalidInputError(
            f"defocus from {low:g} to {high:g} angstrom: give two positive, increasing values",
            field="defocus_range",
        )
    wavelength = electron_wavelength_angstrom(energy_kev)
    edge = min(step_per_angstrom[0] * power.shape[1], step_per_angstrom[1] * power.shape[0]) / 2

    def problem(k_low: float, k_high: float) -> RingProblem:
        bins = polar_bins(power, step_per_angstrom, k_low, k_high, spots_per_angstrom)
        return RingProblem(bins, wavelength, cs_mm, amplitude_contrast)

    if resolution_angstrom is not None:
        return problem(*_asked_range(resolution_angstrom, edge)).solve(low, high)
    whole = problem(
        min(edge, FILM_LIMIT_PER_ANGSTROM) / 15, min(0.95 * edge, FILM_LIMIT_PER_ANGSTROM)
    )
    fit = whole.solve(low, high)
    if not fit.found:
        return fit
    trusted = whole.range_of_rings(fit.lens, TRUSTED_RINGS, TRUSTED_SPACING_ANGSTROM)
    return fit if trusted is None else problem(*trusted).refine(fit)


def _asked_range(resolution_angstrom: tuple[float, float], edge: float) -> tuple[float, float]:
    """Spatial frequencies of the spacings asked for, within the spectrum."""
    coarse, fine = resolution_angstrom
    if not (math.isfinite(coarse) and 0 < fine < coarse):
        raise InvalidInputError(
            f"resolution from {coarse:g} to {fine:g} angstrom: give the larger spacing first, both "
            "positive",
            field="resolution",
        )
    k_low, k_high = 1 / coarse, min(1 / fine, 0.95 * edge)
    if k_high < 2 * k_low:
        raise InvalidInputError(
            f"resolution from {coarse:g} to {1 / k_high:.2f} angstrom: too few rings lie between; "
            f"the spectrum ends at {1 / edge:.2f} angstrom",
            field="resolution",
        )
    return k_low, k_high
