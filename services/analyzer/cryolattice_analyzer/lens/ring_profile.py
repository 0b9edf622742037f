"""The rings of a fitted lens along the radius, to be drawn beside the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from cryolattice_analyzer.lens.ring_fit import spline_basis, visibility_basis
from cryolattice_analyzer.lens.transfer import Lens, contrast_transfer

BACKGROUND_KNOTS = 10
SMOOTHING_BINS = 0.8


@dataclass(frozen=True)
class RingProfile:
    """Mean power along the rings, the astigmatism taken out, and what was fitted to it.

    Attributes
    ----------
    k_per_angstrom : ndarray, shape (n,)
        Frequency at which the mean defocus has the same phase.
    power, background, visibility, transfer : ndarray, shape (n,)
        The fit is ``background + visibility * (transfer^2 - 1/2)``.
    """

    k_per_angstrom: NDArray[np.float64]
    power: NDArray[np.float64]
    background: NDArray[np.float64]
    visibility: NDArray[np.float64]
    transfer: NDArray[np.float64]

    @property
    def rings(self) -> NDArray[np.float64]:
        """Power over background in units of the visibility: 1/2 on a ring, -1/2 between two."""
        return np.asarray((self.power - self.background) / self.visibility)

    @property
    def expected(self) -> NDArray[np.float64]:
        """The same of the fit."""
        return np.asarray(self.transfer**2 - 0.5)


def ring_profile(
    power: NDArray[np.floating],
    step_per_angstrom: tuple[float, float],
    lens: Lens,
    *,
    wavelength_angstrom: float,
    cs_mm: float,
    amplitude_contrast: float,
    range_per_angstrom: tuple[float, float],
) -> RingProfile:
    """Average a power spectrum along the rings of a lens and fit background and visibility to it.

    Parameters
    ----------
    power : ndarray, shape (ny, nx)
        Zero frequency at ``[ny // 2, nx // 2]``.
    step_per_angstrom : tuple of float
        Width of a bin along x and y.
    lens : Lens
    wavelength_angstrom, cs_mm, amplitude_contrast : float
    range_per_angstrom : (float, float)
        Lowest and highest frequency of the profile.

    Returns
    -------
    RingProfile
    """
    low, high = range_per_angstrom
    along = equal_phase_frequency(power.shape, step_per_angstrom, lens)
    width = max(step_per_angstrom)
    count = max(int((high - low) / width), 16)
    inside = (along >= low) & (along < high)
    index = ((along[inside] - low) / (high - low) * count).astype(np.int64)
    number = np.bincount(index, minlength=count)
    full = number > 0
    mean = np.bincount(index, power[inside], count)[full] / number[full]
    k = np.bincount(index, along[inside], count)[full] / number[full]
    transfer = contrast_transfer(
        k, lens.defocus_angstrom, wavelength_angstrom, cs_mm, amplitude_contrast
    )
    background = spline_basis(k, BACKGROUND_KNOTS)
    envelope = visibility_basis(k, high)
    weight = np.sqrt(number[full]) / mean
    terms = np.concatenate([background, envelope * (transfer**2 - 0.5)[:, None]], axis=1)
    solution = np.linalg.lstsq(terms * weight[:, None], mean * weight, rcond=None)[0]
    visibility = envelope @ solution[BACKGROUND_KNOTS:]
    # rings that have died away are drawn against the last that can be seen
    least = 0.02 * float(visibility.max())
    return RingProfile(
        k_per_angstrom=k,
        power=mean,
        background=background @ solution[:BACKGROUND_KNOTS],
        visibility=np.maximum(visibility, least if least > 0 else 1e-300),
        transfer=transfer,
    )


def equal_phase_frequency(
    shape: tuple[int, ...], step_per_angstrom: tuple[float, float], lens: Lens
) -> NDArray[np.float64]:
    """Frequency at which the mean defocus has the phase that the lens has in each bin.

    The spherical aberration, the same all round, is left out: k^2 defocus is what must agree.
    """
    ny, nx = shape
    ky = (np.arange(ny) - ny // 2)[:, None] * step_per_angstrom[1]
    kx = (np.arange(nx) - nx // 2)[None, :] * step_per_angstrom[0]
    square = kx**2 + ky**2
    turned = (
        lens.astigmatism_x_angstrom * (kx**2 - ky**2) + lens.astigmatism_y_angstrom * 2 * kx * ky
    )
    return np.sqrt(np.maximum(square + turned / lens.defocus_angstrom, 0.0))


def flattened(
    power: NDArray[np.floating],
    step_per_angstrom: tuple[float, float],
    lens: Lens,
    profile: RingProfile,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the spectrum without its background, and its fit, in units of the visibility.

    Frequencies outside the profile are not a number.
    """
    along = equal_phase_frequency(power.shape, step_per_angstrom, lens)
    k = profile.k_per_angstrom
    smooth = scipy.ndimage.gaussian_filter(power.astype(np.float64), SMOOTHING_BINS)

    def over(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.interp(along, k, values, left=np.nan, right=np.nan))

    return (smooth - over(profile.background)) / over(profile.visibility), over(profile.expected)
