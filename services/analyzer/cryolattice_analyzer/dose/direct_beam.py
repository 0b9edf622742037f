"""What hides in a diffraction series beside the spots: the direct beam and a beam stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


@dataclass(frozen=True)
class DirectBeam:
    """The undiffracted beam.

    Attributes
    ----------
    position_px : tuple of float
        (y, x) in the first frame.
    track_px : ndarray, shape (frames, 2)
        (y, x) in every frame.
    radius_px : float
        Beyond it the beam's own profile has sunk into the diffuse background.
    """

    position_px: tuple[float, float]
    track_px: NDArray[np.float64]
    radius_px: float


def find_beam_stop(total: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return a mask, True where the detector sees the pattern and False in a shadow.

    Shadow is a connected area, at least 60 px large, of less than 0.4 times the mean of the
    rest at the same distance from the pattern's centre of brightness.

    Parameters
    ----------
    total : ndarray, shape (y, x)
        Sum of late frames, in which reflections have faded and leave no dark gaps.
    """
    smooth = ndimage.gaussian_filter(ndimage.median_filter(total, size=5), 1.5)
    floor = np.percentile(smooth, 1.0)
    lifted = ndimage.gaussian_filter(np.clip(smooth - floor, 0, np.percentile(smooth, 99.0)), 6)
    yy, xx = np.mgrid[: total.shape[0], : total.shape[1]]
    bright = np.asarray(lifted > np.percentile(lifted, 90.0))
    cy, cx = yy[bright].mean(), xx[bright].mean()
    ring = (np.hypot(yy - cy, xx - cx) / 4.0).astype(int)
    rings = range(int(ring.max()) + 1)
    # The ring's upper half, not its median: a broad shadow may fill half of the inner rings.
    level = np.array(
        [np.percentile(smooth[ring == k], 70.0) if (ring == k).any() else 0.0 for k in rings]
    )
    dark = smooth < 0.4 * level[ring]
    # Poisson: with few counts a dark pixel may be chance, so the gap must be 5 deviations.
    dark &= level[ring] - smooth > 5.0 * np.sqrt(np.maximum(level[ring], 0.0) / 28.0)
    dark = np.asarray(ndimage.binary_opening(dark, iterations=3))
    labels, count = ndimage.label(dark)
    if count == 0:
        return np.ones(total.shape, dtype=bool)
    sizes = ndimage.sum_labels(dark, labels, index=np.arange(1, count + 1))
    shadow = np.isin(labels, np.flatnonzero(sizes >= 60) + 1)
    return ~np.asarray(ndimage.binary_dilation(shadow, iterations=4))


def find_direct_beam(frames: NDArray[np.float32]) -> DirectBeam | None:
    """Find the undiffracted beam and follow it; None if it is blocked.

    The beam is what remains when the reflections have faded: the one peak of the last third of
    the frames that is three times as high as any other and as bright as in the first frames.

    Parameters
    ----------
    frames : ndarray, shape (frames, y, x)
    """
    count = len(frames)
    late = ndimage.gaussian_filter(
        frames[-max(count // 3, 1) :].mean(axis=0, dtype=np.float64), 1.5
    )
    late -= np.median(late)
    y, x = (int(k) for k in np.unravel_index(np.argmax(late), late.shape))
    yy, xx = np.ogrid[: late.shape[0], : late.shape[1]]
    distance = np.hypot(yy - y, xx - x)
    elsewhere = late[distance > 0.06 * min(late.shape)]
    noise = 1.4826 * np.median(np.abs(late))
    if late[y, x] < 3.0 * elsewhere.max() or late[y, x] < 20.0 * noise:
        return None
    reach = max(int(0.05 * min(late.shape)), 6)
    start = np.array([y, x], dtype=np.float64)
    track = np.zeros((count, 2))
    heights = np.zeros(count)
    for index in range(count - 1, -1, -1):
        start, heights[index] = _centroid(frames[index], start, reach)
        track[index] = start
    if heights[: max(count // 3, 1)].mean() < 0.5 * heights[-max(count // 3, 1) :].mean():
        return None
    radius = _beam_radius(frames, track)
    return DirectBeam((float(track[0, 0]), float(track[0, 1])), track, radius)


def _centroid(
    frame: NDArray[np.float32], start: NDArray[np.float64], reach: int
) -> tuple[NDArray[np.float64], float]:
    """Centroid of what exceeds a fifth of the peak near `start`; a flat top does no harm."""
    y0 = int(np.clip(round(start[0]), reach, frame.shape[0] - reach - 1))
    x0 = int(np.clip(round(start[1]), reach, frame.shape[1] - reach - 1))
    window = frame[y0 - reach : y0 + reach + 1, x0 - reach : x0 + reach + 1].astype(np.float64)
    smooth = ndimage.gaussian_filter(window, 1.0)
    height = float(smooth.max() - np.median(window))
    labels, _ = ndimage.label(smooth - np.median(window) > 0.2 * height)
    core = labels == labels[np.unravel_index(np.argmax(smooth), smooth.shape)]
    weight = np.where(core, smooth - np.median(window) - 0.2 * height, 0.0)
    yy, xx = np.indices(window.shape)
    total = weight.sum()
    if total <= 0:
        return start, 0.0
    centre = np.array(
        [y0 - reach + (weight * yy).sum() / total, x0 - reach + (weight * xx).sum() / total]
    )
    return centre, height


def _beam_radius(frames: NDArray[np.float32], track: NDArray[np.float64]) -> float:
    """Radius at which the beam's steep profile has met the slow diffuse background.

    Read from the late frames, whose reflections have faded, and from the darker part of each
    circle, which passes between the reflections.
    """
    late = max(len(frames) // 3, 1)
    total = frames[-late:].sum(axis=0, dtype=np.float64)
    cy, cx = track[-late:].mean(axis=0)
    yy, xx = np.ogrid[: total.shape[0], : total.shape[1]]
    ring = np.hypot(yy - cy, xx - cx).astype(int)
    edge = max(int(0.15 * min(total.shape)), 8)
    profile = np.array([np.percentile(total[ring == k], 35.0) for k in range(edge)])
    drop = profile[:-1] / np.maximum(profile[1:], 1e-9)
    start = int(np.argmax(drop))
    shallow = np.flatnonzero((drop[start:-1] < 1.15) & (drop[start + 1 :] < 1.15))
    return float(start + shallow[0] + 2.0) if shallow.size else float(edge)
