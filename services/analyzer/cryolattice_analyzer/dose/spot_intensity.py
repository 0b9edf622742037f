"""Background-free intensity of every reflection in every frame, with its variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryolattice_analyzer.dose.spot_widths import WidthModel

IntensityKind = Literal["integrated", "amplitude"]
# The weighting profile is a little wider than the spot: 2 % more noise, a fifth less sensitive
# to a wrong width.
_WEIGHT_WIDTH = 1.25


@dataclass(frozen=True)
class DetectorNoise:
    """Variance of a pixel: ``gain * expected + constant``; (1, 0) is a counting detector."""

    gain: float
    constant: float


@dataclass(frozen=True)
class SpotSeries:
    """Intensities of reflections over a series.

    Attributes
    ----------
    hk : ndarray of int, shape (n, 2)
    intensity : ndarray, shape (n, frames)
        Counts (integrated) or counts per pixel (amplitude) above background.
    background_variance : ndarray, shape (n, frames)
        Part of the variance that does not depend on the reflection.
    shot_variance : ndarray, shape (n, frames)
        Variance per unit of expected intensity, to be multiplied by the model's intensity and
        not by the measured one, which would favour low measurements.
    """

    hk: NDArray[np.int64]
    intensity: NDArray[np.float64]
    background_variance: NDArray[np.float64]
    shot_variance: NDArray[np.float64]


def estimate_noise(frames: NDArray[np.float32], free: NDArray[np.bool_]) -> DetectorNoise:
    """Measure gain and constant of the noise from differences of successive frames.

    The photon-transfer line (Janesick, 2007): variance against mean, over blocks of 16 x 16
    pixels free of spots. With too narrow a range of means for a line, the gain is the ratio.

    Parameters
    ----------
    frames : ndarray, shape (frames, y, x)
    free : ndarray of bool, shape (y, x)
        Pixels without reflections.
    """
    late = frames[len(frames) // 3 :].astype(np.float64)
    difference = np.diff(late, axis=0)
    variance = 0.5 * (difference - difference.mean(axis=(1, 2), keepdims=True)) ** 2
    mean = late.mean(axis=0)
    ny, nx = (size // 16 for size in free.shape)

    def blocks(image: NDArray[np.float64]) -> NDArray[np.float64]:
        cut = np.where(free, image, 0.0)[: ny * 16, : nx * 16]
        return np.asarray(cut.reshape(ny, 16, nx, 16).sum(axis=(1, 3)).ravel())

    count = blocks(np.ones(free.shape))
    enough = count > 64
    if enough.sum() < 8:
        return DetectorNoise(1.0, 0.0)
    mean_b = blocks(mean)[enough] / count[enough]
    variance_b = blocks(variance.mean(axis=0))[enough] / count[enough]
    ratio = float(np.median(variance_b) / max(float(np.median(mean_b)), 1e-12))
    low, high = np.percentile(mean_b, [5.0, 95.0])
    if low > 0 and high > 1.5 * low:
        weight = np.sqrt(count[enough]) / np.maximum(variance_b, 1e-12)
        design = np.column_stack([mean_b, np.ones_like(mean_b)]) * weight[:, None]
        gain, constant = np.linalg.lstsq(design, variance_b * weight, rcond=None)[0]
        if gain > 0:
            return DetectorNoise(float(gain), float(constant))
    return DetectorNoise(ratio if low > 0 else 1.0, 0.0 if low > 0 else float(variance_b.mean()))


def radial_background(
    frames: NDArray[np.float32],
    centres_px: NDArray[np.float64],
    free: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Mean over circles about the origin, outside the spots, smoothed over radius and frames.

    It takes the curvature out of the diffuse background; what is left under a spot is a plane.

    Parameters
    ----------
    frames : ndarray, shape (frames, y, x)
    centres_px : ndarray, shape (frames, 2)
    free : ndarray of bool, shape (y, x)

    Returns
    -------
    ndarray, shape (frames, radii)
        Counts per pixel at radius 0, 1, 2 ... px.
    """
    y, x = np.nonzero(free)
    reach = int(np.hypot(*frames.shape[1:])) + 2
    total = np.zeros((len(frames), reach))
    count = np.zeros((len(frames), reach))
    for index, frame in enumerate(frames):
        radius = np.hypot(y - centres_px[index, 0], x - centres_px[index, 1])
        low = radius.astype(int)
        part = radius - low
        values = frame[y, x].astype(np.float64)
        for bins, share in ((low, 1.0 - part), (low + 1, part)):
            total[index] += np.bincount(bins, weights=share * values, minlength=reach)[:reach]
            count[index] += np.bincount(bins, weights=share, minlength=reach)[:reach]
    sigma = (2.0, 1.5)
    smooth = ndimage.gaussian_filter(total, sigma, mode="nearest")
    norm = ndimage.gaussian_filter(count, sigma, mode="nearest")
    known = norm > 1e-6
    filled = np.where(known, smooth / np.maximum(norm, 1e-6), 0.0)
    for index in range(len(frames)):
        places = np.flatnonzero(known[index])
        if places.size:
            filled[index] = np.interp(np.arange(reach), places, filled[index, places])
    return np.asarray(filled)


def measure_spots(
    frames: NDArray[np.float32],
    hk: NDArray[np.int64],
    positions_px: NDArray[np.float64],
    centres_px: NDArray[np.float64],
    *,
    widths: WidthModel,
    radial: NDArray[np.float64],
    noise: DetectorNoise,
    mask: NDArray[np.bool_],
    basis_px: NDArray[np.float64],
    kind: IntensityKind = "integrated",
) -> SpotSeries:
    """Fit profile and sloping background at every predicted position in every frame.

    The model of a window is ``I P + b0 + by y + bx x`` plus the profiles of neighbouring
    reflections that reach into it; P is a Gaussian of unit volume and of the width model's
    sigma, so that I is the integrated intensity whatever the spot's width. The amplitude,
    I / (2 pi sigma^2), fades too fast where spots broaden.

    Parameters
    ----------
    frames : ndarray, shape (frames, y, x)
    hk : ndarray of int, shape (n, 2)
    positions_px : ndarray, shape (frames, n, 2)
    centres_px : ndarray, shape (frames, 2)
        Origin in every frame.
    widths : WidthModel
    radial : ndarray, shape (frames, radii)
        From `radial_background`.
    noise : DetectorNoise
    mask : ndarray of bool, shape (y, x)
        True where pixels count.
    basis_px : ndarray, shape (2, 2)
    kind : {"integrated", "amplitude"}

    Returns
    -------
    SpotSeries
        Reflections of whose core less than 95 % is visible are left out.
    """
    count = len(frames)
    fraction = (np.arange(count) + 0.5) / count
    distance = np.hypot(*(positions_px[0] - centres_px[0]).T)
    sigma = widths.sigma_px(fraction[:, None], distance[None, :])
    spacing = float(np.linalg.norm(basis_px, axis=1).min())
    around = [(i, j) for i in range(-2, 3) for j in range(-2, 3) if (i, j) != (0, 0)]
    steps = np.array(around)
    kept: list[int] = []
    results: list[tuple[NDArray[np.float64], ...]] = []
    for spot in range(len(hk)):
        reach = max(4.5 * float(sigma[:, spot].max()), 4.0)
        reach = max(min(reach, 0.8 * spacing), 2.5 * float(sigma[:, spot].max()))
        near = steps @ basis_px
        near = near[np.hypot(*near.T) < reach + 3.0 * sigma[:, spot].max()]
        window = _window(frames, positions_px[:, spot], centres_px, radial, mask, reach=reach)
        measured = _fit_window(window, sigma[:, spot], near, noise)
        if measured is not None:
            kept.append(spot)
            results.append(measured)
    if not kept:
        empty = np.zeros((0, count))
        return SpotSeries(hk[:0], empty, empty, empty)
    intensity, background, shot = (np.array(part) for part in zip(*results, strict=True))
    if kind == "amplitude":
        height = 1.0 / (2.0 * np.pi * sigma[:, kept].T ** 2)
        intensity, background, shot = intensity * height, background * height**2, shot * height
    return SpotSeries(hk[kept], intensity, background, shot)


@dataclass(frozen=True)
class _Window:
    """Pixels around one reflection: all of shape (frames, pixels)."""

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    values: NDArray[np.float64]
    smooth: NDArray[np.float64]
    visible: NDArray[np.float64]


def _window(
    frames: NDArray[np.float32],
    places: NDArray[np.float64],
    centres: NDArray[np.float64],
    radial: NDArray[np.float64],
    mask: NDArray[np.bool_],
    *,
    reach: float,
) -> _Window:
    half = int(np.ceil(reach))
    wy, wx = (k.ravel() for k in np.mgrid[-half : half + 1, -half : half + 1])
    base = np.rint(places).astype(int)
    rows, columns = base[:, :1] + wy, base[:, 1:] + wx
    ny, nx = mask.shape
    inside = (rows >= 0) & (rows < ny) & (columns >= 0) & (columns < nx)
    rows, columns = np.clip(rows, 0, ny - 1), np.clip(columns, 0, nx - 1)
    index = np.arange(len(frames))[:, None]
    y, x = rows - places[:, :1], columns - places[:, 1:]
    visible = inside & mask[rows, columns] & (np.hypot(y, x) <= reach)
    radius = np.hypot(rows - centres[:, :1], columns - centres[:, 1:])
    low = np.minimum(radius.astype(int), radial.shape[1] - 2)
    part = radius - low
    smooth = radial[index, low] * (1.0 - part) + radial[index, low + 1] * part
    values = frames[index, rows, columns].astype(np.float64)
    return _Window(y, x, values, smooth, visible.astype(np.float64))


def _fit_window(
    window: _Window,
    sigma: NDArray[np.float64],
    near: NDArray[np.float64],
    noise: DetectorNoise,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    core = np.hypot(window.y, window.x) < 2.5 * sigma[:, None]
    if (window.visible.sum(axis=1) < 12).any():
        return None
    seen = (core & (window.visible > 0)).sum(axis=1) / np.maximum(np.pi * (2.5 * sigma) ** 2, 1.0)
    if seen.min() < 0.9:
        return None
    s2 = sigma[:, None] ** 2

    def profile(shift: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
        r2 = (window.y - shift[0]) ** 2 + (window.x - shift[1]) ** 2
        return np.asarray(np.exp(-r2 / (2.0 * variance)) / (2.0 * np.pi * variance))

    own = profile(np.zeros(2), s2)
    plane = [np.ones_like(window.y), window.y, window.x]
    others = [profile(shift, s2) for shift in near]
    weights = profile(np.zeros(2), s2 * _WEIGHT_WIDTH**2)
    model = np.stack([own, *plane, *others], axis=2)
    tests = np.stack([weights, *plane, *others], axis=2) * window.visible[:, :, None]
    # Instrumental-variable form of least squares: beta = (Z' X)^-1 Z' d.
    inverse = np.linalg.pinv(np.einsum("fpi,fpj->fij", tests, model))
    linear = np.einsum("fij,fpj->fpi", inverse, tests)
    data = window.values - window.smooth
    answer = np.einsum("fpi,fp->fi", linear, data)
    estimator = linear[:, :, 0]
    level = (
        window.smooth
        + ndimage.uniform_filter1d(answer[:, 1], min(5, len(sigma)), mode="nearest")[:, None]
    )
    for column, values in enumerate(others, start=4):
        level = level + np.maximum(answer[:, column, None], 0.0) * values
    floor = 0.02 * max(float(np.abs(level).mean()), 1e-9)
    pixel = noise.gain * np.maximum(level, floor) + noise.constant
    pixel = np.maximum(pixel, 0.02 * max(float(np.abs(pixel).mean()), 1e-9))
    background = (estimator**2 * pixel).sum(axis=1)
    shot = noise.gain * (estimator**2 * own).sum(axis=1)
    return answer[:, 0], background, shot
