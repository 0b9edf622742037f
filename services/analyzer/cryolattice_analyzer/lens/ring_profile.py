"""The rings of a fitted lens along the radius, to be drawn beside the data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from cryolattice_analyzer.lens.ring_fit import spline_basis
from cryolattice_analyzer.lens.transfer import Lens, contrast_transfer

BACKGROUND_KNOTS = 10
VISIBILITY_KNOTS = 6
# For pictures: averaged along the rings with this standard deviation.
AVERAGED_DEG = 4.0
AZIMUTHS = 720
NOISE_WINDOW_BINS = 4.0
NOISE_SHARE = 2.0
# share of the mean defocus below which a direction counts as without rings
_LEAST_LOCAL_DEFOCUS = 1e-3


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
    envelope = spline_basis(k, VISIBILITY_KNOTS)
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
    """Return a spectrum without its background, averaged along its rings, and its fit.

    Both are in units of the greater of the rings' own height and the noise that is left, so that
    rings stand between -1 and 1 and fade where noise hides them. Frequencies outside the profile
    are not a number.

    Parameters
    ----------
    power : ndarray, shape (ny, nx)
        As given to `ring_profile`, like `step_per_angstrom` and `lens`.
    profile : RingProfile

    Returns
    -------
    data, fit : ndarray, shape (ny, nx)
    """
    along = equal_phase_frequency(power.shape, step_per_angstrom, lens)
    k = profile.k_per_angstrom

    inside = (along >= k[0]) & (along <= k[-1])

    def over(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.interp(along, k, values))

    fit = over(profile.visibility * profile.expected)
    data = _along_rings(power - over(profile.background), step_per_angstrom, lens)
    index = np.searchsorted(k, along[inside]).clip(0, len(k) - 1)
    # the median, for a crystal's spots are no noise
    left = scipy.ndimage.median(np.abs(data - fit)[inside], index, np.arange(len(k)))
    noise = scipy.ndimage.gaussian_filter1d(1.48 * np.nan_to_num(left), NOISE_WINDOW_BINS)
    scale = np.where(inside, over(np.maximum(profile.visibility / 2, NOISE_SHARE * noise)), np.nan)
    return data / scale, fit / scale


def _along_rings(
    power: NDArray[np.float64], step: tuple[float, float], lens: Lens
) -> NDArray[np.float64]:
    """Average over a few degrees along the rings of the lens."""
    ny, nx = power.shape
    ratio = lens.half_difference_angstrom / lens.defocus_angstrom
    turns = np.arange(AZIMUTHS) * 2 * np.pi / AZIMUTHS
    # k^2 (defocus + A cos 2 (phi - angle)) is the same along a ring; none closes where A is larger
    local = 1 + ratio * np.cos(2 * (turns - math.radians(lens.angle_deg)))
    stretch = 1 / np.sqrt(np.maximum(local, _LEAST_LOCAL_DEFOCUS))
    radii = np.arange(math.ceil(math.hypot(ny, nx) / 2) * 2) / 2 * min(step)
    k = radii[:, None] * stretch
    rows = ny // 2 + k * np.sin(turns) / step[1]
    columns = nx // 2 + k * np.cos(turns) / step[0]
    polar = scipy.ndimage.map_coordinates(power, [rows, columns], order=1, mode="nearest")
    polar = scipy.ndimage.gaussian_filter1d(
        polar, AVERAGED_DEG / 360 * AZIMUTHS, axis=1, mode="wrap"
    )
    ky = (np.arange(ny) - ny // 2)[:, None] * step[1]
    kx = (np.arange(nx) - nx // 2)[None, :] * step[0]
    place = equal_phase_frequency(power.shape, step, lens) / min(step) * 2
    turn = (np.arctan2(ky, kx) % (2 * np.pi)) / (2 * np.pi) * AZIMUTHS
    closed = np.concatenate([polar, polar[:, :1]], axis=1)
    return np.asarray(scipy.ndimage.map_coordinates(closed, [place, turn], order=1, mode="nearest"))
