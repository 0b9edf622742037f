"""Find strong spots in a diffraction pattern, and follow their drift through a series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SPOT_SNR = 6.0
_SCALES_PX = (1.0, 1.4, 2.0, 2.8, 4.0, 5.6)


@dataclass(frozen=True)
class Spots:
    """Peaks of one pattern, the most significant first.

    Attributes
    ----------
    positions_px : ndarray, shape (n, 2)
        (y, x), to a fraction of a pixel.
    snr : ndarray, shape (n,)
        Height of the matched filter over its local noise.
    strength : ndarray, shape (n,)
        Counts above background, about (for weighting only).
    sigma_px : float
        Standard deviation of the spots' typical profile.
    """

    positions_px: NDArray[np.float64]
    snr: NDArray[np.float64]
    strength: NDArray[np.float64]
    sigma_px: float


def filtered_snr(
    image: NDArray[np.float64],
    sigma_px: float,
    mask: NDArray[np.bool_],
    white: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Filter an image for spots of one size.

    A Gaussian of the spot's size minus the local mean over a ring around it; the noise is the
    filter's own scatter in the neighbourhood (a median of absolute values), so that gain, film
    grain and slopes count as noise.

    Parameters
    ----------
    image : ndarray, shape (y, x)
    sigma_px : float
    mask : ndarray of bool, shape (y, x)
        True where pixels count.
    white : ndarray, shape (y, x), optional
        Standard deviation of each pixel's white noise (`white_noise`), to be used instead of
        the scatter where spots stand so densely that they are the scatter.

    Returns
    -------
    signal, snr : ndarray, shape (y, x)
    """
    weight = mask.astype(np.float64)

    def mean(sigma: float) -> NDArray[np.float64]:
        norm = ndimage.gaussian_filter(weight, sigma)
        return np.asarray(
            ndimage.gaussian_filter(image * weight, sigma) / np.maximum(norm, 1e-3), np.float64
        )

    core, wide, wider = mean(sigma_px), mean(2.0 * sigma_px), mean(2.6 * sigma_px)
    ring = (2.6**2 * wider - 2.0**2 * wide) / (2.6**2 - 2.0**2)
    signal = np.where(mask, core - ring, 0.0)
    if white is None:
        noise = _local_noise(signal, mask, max(int(8 * sigma_px), 12))
    else:
        # Square of the filter's norm: Gaussians of widths s, t overlap by 1 / (2 pi (s^2 + t^2)).
        size, amount = np.array([1.0, 2.0, 2.6]), np.array([1.0, 2.0**2, -(2.6**2)])
        amount[1:] /= 2.6**2 - 2.0**2
        overlap = 1.0 / (2 * np.pi * (size[:, None] ** 2 + size[None, :] ** 2))
        noise = white * float(np.sqrt(amount @ overlap @ amount)) / sigma_px
    return signal, signal / noise


def _local_noise(
    signal: NDArray[np.float64], mask: NDArray[np.bool_], block_px: int
) -> NDArray[np.float64]:
    """Median absolute value in blocks, interpolated: spots fill a minority of each block."""
    ny, nx = signal.shape
    rows, columns = max(ny // block_px, 1), max(nx // block_px, 1)
    level = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            part = (
                slice(i * ny // rows, (i + 1) * ny // rows),
                slice(j * nx // columns, (j + 1) * nx // columns),
            )
            chosen = np.abs(signal[part][mask[part]])
            level[i, j] = 1.4826 * np.median(chosen) if chosen.size >= 8 else np.nan
    known = level[np.isfinite(level) & (level > 0)]
    level = np.where(np.isfinite(level) & (level > 0), level, np.median(known) if known.size else 1)
    zoomed = ndimage.zoom(level, (ny / rows, nx / columns), order=1, grid_mode=True, mode="nearest")
    return np.asarray(zoomed[:ny, :nx], np.float64)


def find_spots(
    image: NDArray[np.float64],
    mask: NDArray[np.bool_],
    excluded: tuple[tuple[float, float], float] | None = None,
    white: NDArray[np.float64] | None = None,
) -> Spots:
    """Find the spots that stand out from their surroundings by 6 deviations.

    Parameters
    ----------
    image : ndarray, shape (y, x)
    mask : ndarray of bool
        True where pixels count.
    excluded : ((y, x), radius_px), optional
        A disc, such as the direct beam's, in which nothing is looked for.
    white : ndarray, optional
        As in `filtered_snr`.

    Returns
    -------
    Spots
        Of the filter width (1 to 5.6 px) at which the spots are most significant.
    """
    allowed = mask.copy()
    if excluded is not None:
        (y0, x0), radius = excluded
        yy, xx = np.ogrid[: image.shape[0], : image.shape[1]]
        allowed &= (yy - y0) ** 2 + (xx - x0) ** 2 > radius**2
    best: Spots | None = None
    best_total = -1.0
    for sigma in _SCALES_PX:
        if 20 * sigma > min(image.shape):
            break
        found = _peaks_at_scale(image, allowed, sigma, white)
        total = float(np.sqrt(np.minimum(found.snr, 50.0)).sum())
        if total > best_total:
            best, best_total = found, total
    if best is None:
        raise ValueError(f"an image of shape {image.shape} is too small for spots")
    return best


def _peaks_at_scale(
    image: NDArray[np.float64],
    allowed: NDArray[np.bool_],
    sigma_px: float,
    white: NDArray[np.float64] | None,
) -> Spots:
    signal, snr = filtered_snr(image, sigma_px, allowed, white)
    # Near a masked edge half a ring is missing and slopes look like spots.
    inner = ndimage.binary_erosion(
        allowed, iterations=max(int(np.ceil(1.5 * sigma_px)), 1), border_value=0
    )
    size = 2 * int(np.ceil(1.5 * sigma_px)) + 1
    peak = (snr == ndimage.maximum_filter(snr, size=size)) & (snr > SPOT_SNR) & inner
    places = np.argwhere(peak)
    places = places[np.argsort(-snr[peak])][:2000]
    positions = np.array([_vertex(signal, y, x) for y, x in places]).reshape(-1, 2)
    strength = signal[places[:, 0], places[:, 1]] * 4 * np.pi * sigma_px**2
    return Spots(positions, snr[places[:, 0], places[:, 1]], strength, sigma_px)


def _vertex(values: NDArray[np.float64], y: int, x: int) -> tuple[float, float]:
    """Peak of a parabola through three samples along each axis."""

    def shift(before: float, at: float, after: float) -> float:
        bend = before - 2 * at + after
        return float(np.clip((before - after) / (2 * bend), -0.7, 0.7)) if bend < 0 else 0.0

    ny, nx = values.shape
    if not (0 < y < ny - 1 and 0 < x < nx - 1):
        return float(y), float(x)
    return (
        y + shift(values[y - 1, x], values[y, x], values[y + 1, x]),
        x + shift(values[y, x - 1], values[y, x], values[y, x + 1]),
    )


def white_noise(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of the noise that neighbouring pixels do not share.

    From a difference of second derivatives, which smooth spots pass hardly at all (Immerkaer,
    1996), as a local mean; the image must not have been interpolated.
    """
    kernel = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
    rough = ndimage.convolve(image, kernel, mode="reflect")
    return np.asarray(np.sqrt(ndimage.gaussian_filter(rough**2, 8.0) / 36.0) + 1e-12)


def register_sum(
    frames: NDArray[np.float32], shifts_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum frames after taking out each one's shift (y, x), by linear interpolation.

    For finding spots and for display only: intensities are measured on the raw frames.
    """
    total = np.zeros(frames.shape[1:])
    for frame, shift in zip(frames, shifts_px, strict=True):
        total += ndimage.shift(frame.astype(np.float64), -shift, order=1, mode="nearest")
    return total


def track_by_spots(
    frames: NDArray[np.float32],
    positions_px: NDArray[np.float64],
    weights: NDArray[np.float64],
    sigma_px: float,
    mask: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Follow the drift by the reflections, for a series whose direct beam is blocked.

    Each frame is filtered for spots and its signal at the known positions, weighted, is
    maximised over a shift of at most 3 px from the frame before. When the spots have faded
    (less than 5 deviations altogether) the last shift is kept: what is left to measure is
    nothing by then.

    Parameters
    ----------
    frames : ndarray, shape (frames, y, x)
    positions_px : ndarray, shape (n, 2)
        (y, x) in the first frames.
    weights : ndarray, shape (n,)
        Expected counts.
    sigma_px : float
    mask : ndarray of bool, shape (y, x)

    Returns
    -------
    ndarray, shape (frames, 2)
        Shift (y, x) of each frame in pixels.
    """
    offsets = np.arange(-3.0, 3.01, 0.25)
    dy, dx = np.meshgrid(offsets, offsets, indexing="ij")
    shifts = np.zeros((len(frames), 2))
    current = np.zeros(2)
    for index, frame in enumerate(frames):
        signal, snr = filtered_snr(frame.astype(np.float64), sigma_px, mask)
        inside = np.abs(snr) > 0
        noise = float(np.median(np.abs(signal[inside] / snr[inside]))) if inside.any() else 1.0
        y = positions_px[:, 0, None] + current[0] + dy.ravel()
        x = positions_px[:, 1, None] + current[1] + dx.ravel()
        sampled = ndimage.map_coordinates(signal, [y, x], order=1, mode="constant")
        score = (weights[:, None] * sampled).sum(axis=0).reshape(dy.shape)
        peak = tuple(int(k) for k in np.unravel_index(np.argmax(score), score.shape))
        if score[peak] > 5.0 * noise * float(np.sqrt((weights**2).sum())):
            y_fine, x_fine = _vertex(score, peak[0], peak[1])
            current = current + np.array([y_fine, x_fine]) * 0.25 - 3.0
        shifts[index] = current
    return shifts
