"""The power spectrum of a film in narrow sectors of radius and azimuth, spots left out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError

SECTORS = 36
RADIAL_BINS = 256


@dataclass(frozen=True)
class SpectrumBins:
    """Mean power in bins of radius and azimuth."""

    k: NDArray[np.float64]
    azimuth: NDArray[np.float64]
    power: NDArray[np.float64]
    weight: NDArray[np.float64]
    width: float
    cell: NDArray[np.int64]


def require_centred(power: NDArray[np.floating], name: str) -> None:
    """Refuse a power spectrum whose zero frequency is not in the middle.

    Parameters
    ----------
    power : ndarray, shape (ny, nx)
    name : str
        Of the file, for the message.

    Raises
    ------
    InvalidInputError
        The strongest part lies in a corner or at an edge.
    """
    ny, nx = power.shape
    reach = max(8, min(ny, nx) // 32)
    tiles = [
        (place, np.roll(power, (reach - y, reach - x), (0, 1))[: 2 * reach, : 2 * reach])
        for place, y, x in (
            ("the middle", ny // 2, nx // 2),
            ("the first pixel", 0, 0),
            ("the first column", ny // 2, 0),
            ("the first row", 0, nx // 2),
        )
    ]
    # the median: zero frequency itself is often set to something
    place = max(tiles, key=lambda tile: float(np.median(tile[1])))[0]
    if place != "the middle":
        raise InvalidInputError(
            f"{name}: the spectrum is strongest around {place}, but zero frequency must be in the "
            "middle: shift it there (fftshift), and give both halves of a half spectrum",
            field="power_spectrum",
        )


def film_periodogram(
    values: NDArray[np.float64],
    pixel_size_angstrom: float,
    film: NDArray[np.bool_] | None,
    tile: int,
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Mean periodogram of overlapping tiles (Welch), weighted by how much of each is film."""
    ny, nx = values.shape
    if film is None:
        film = np.ones(values.shape, np.bool_)
    edge = scipy.ndimage.gaussian_filter(film.astype(np.float64), 4.0)
    weights = np.clip(2 * edge - 1, 0, 1)
    level = np.average(values, weights=weights + 1e-12)
    # Slow changes of the film's level would leak into the innermost rings.
    smooth = scipy.ndimage.gaussian_filter((values - level) * weights, tile / 16) / np.maximum(
        scipy.ndimage.gaussian_filter(weights, tile / 16), 1e-3
    )
    flat = (values - level - smooth) * weights
    window = np.hanning(tile + 1)[:tile]
    taper = np.outer(window, window)
    total, used = np.zeros((tile, tile)), 0.0
    for y in _offsets(ny, tile):
        for x in _offsets(nx, tile):
            share = weights[y : y + tile, x : x + tile] * taper
            if share.sum() < 0.02 * taper.sum():
                continue
            part = flat[y : y + tile, x : x + tile] * taper
            # Tiles add in proportion to the film that they hold.
            total += np.abs(np.fft.fftshift(np.fft.fft2(part))) ** 2
            used += float((share**2).sum())
    step = 1 / (tile * pixel_size_angstrom)
    return total / max(used, 1e-12), (step, step)


def _offsets(size: int, tile: int) -> list[int]:
    count = max(1, math.ceil((size - tile) / (tile / 2)) + 1)
    return [round(i * (size - tile) / max(count - 1, 1)) for i in range(count)]


def polar_bins(
    power: NDArray[np.floating],
    step: tuple[float, float],
    k_low: float,
    k_high: float,
    spots: NDArray[np.float64] | None,
) -> SpectrumBins:
    """Average the half plane in sectors, without spots."""
    ny, nx = power.shape
    y, x = np.mgrid[0:ny, 0:nx]
    kx, ky = (x - nx // 2) * step[0], (y - ny // 2) * step[1]
    k = np.hypot(kx, ky)
    keep = (k >= k_low) & (k <= k_high) & ((ky > 0) | ((ky == 0) & (kx > 0)))
    # The axes of the spectrum hold what the image's borders leave.
    keep &= (np.abs(x - nx // 2) > 1) & (np.abs(y - ny // 2) > 1)
    if spots is not None:
        for gx, gy in np.concatenate([spots, -1 * spots]):
            near = np.hypot((kx - gx) / step[0], (ky - gy) / step[1]) < 3.5
            keep &= ~near
    values, radius = power[keep].astype(np.float64), k[keep]
    azimuth = np.arctan2(ky[keep], kx[keep]) % np.pi
    radial = np.minimum(
        ((radius - k_low) / (k_high - k_low) * RADIAL_BINS).astype(np.int64), RADIAL_BINS - 1
    )
    # Whatever stands out of its own ring by far more than speckle does is a spot.
    for _ in range(3):
        count = np.maximum(np.bincount(radial, minlength=RADIAL_BINS), 1)
        mean = np.bincount(radial, values, RADIAL_BINS) / count
        spread = np.sqrt(np.bincount(radial, (values - mean[radial]) ** 2, RADIAL_BINS) / count)
        good = values <= (mean + 5 * spread)[radial]
        values, radius, azimuth, radial = (
            values[good],
            radius[good],
            azimuth[good],
            radial[good],
        )
    sector = np.minimum((azimuth / np.pi * SECTORS).astype(np.int64), SECTORS - 1)
    cell = sector * RADIAL_BINS + radial
    size = SECTORS * RADIAL_BINS
    count = np.bincount(cell, minlength=size)
    full = count > 0
    number = count[full]
    mean_power = np.bincount(cell, values, size)[full] / number
    centre = np.bincount(cell, radius, size)[full] / number
    angle = np.bincount(cell, azimuth, size)[full] / number
    # Speckle is proportional to the power of the ring.
    ring = np.bincount(radial, values, RADIAL_BINS) / np.maximum(
        np.bincount(radial, minlength=RADIAL_BINS), 1
    )
    level = ring[np.flatnonzero(full) % RADIAL_BINS]
    # A windowed periodogram's own resolution is about one and a half of its bins.
    width = math.hypot((k_high - k_low) / RADIAL_BINS, 1.5 * max(step))
    weight = np.sqrt(number) / np.maximum(level, 1e-300)
    return SpectrumBins(centre, angle, mean_power, weight, width, np.flatnonzero(full))
