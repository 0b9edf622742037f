"""How wide the reflections are, over the detector and over the series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

_SHELLS = 3
# Terms of the polynomial that are tried together, fewest first.
_SHAPES = (
    [0],
    [0, 1],
    [0, 2],
    [0, 1, 2],
    [0, 2, 4],
    [0, 1, 2, 3],
    [0, 1, 2, 4],
    [0, 1, 2, 3, 4, 5],
)


@dataclass(frozen=True)
class WidthModel:
    """Variance of the spots' Gaussian profile, a polynomial in frame and scattering angle.

    ``sigma^2 = c . (1, u, x, x u, x^2, x^2 u)`` with x the frame over the number of frames and
    u the squared distance from the origin over its maximum. Spots broaden as a crystal breaks
    up, and more so at high angle.

    Attributes
    ----------
    coefficients : ndarray, shape (6,)
    last : float
        The last x at which spots were wide enough above noise; the width is held from there.
    distance_px : float
        The distance at which u is 1.
    least, most : float
        Bounds of sigma in pixels.
    """

    coefficients: NDArray[np.float64]
    last: float
    distance_px: float
    least: float
    most: float

    def sigma_px(
        self, frame_fraction: NDArray[np.float64], distance_px: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return sigma for (broadcast) x and distances from the origin."""
        x = np.minimum(frame_fraction, self.last)
        u = (distance_px / self.distance_px) ** 2
        terms = _terms(*np.broadcast_arrays(x, u))
        variance = np.tensordot(self.coefficients, terms, axes=1)
        return np.sqrt(np.clip(variance, self.least**2, self.most**2))


def stack_sigma(
    image: NDArray[np.float64],
    positions_px: NDArray[np.float64],
    weights: NDArray[np.float64],
    reach_px: float,
) -> tuple[float, float, float]:
    """Fit a Gaussian on a constant to the mean radial profile of several spots.

    Parameters
    ----------
    image : ndarray, shape (y, x)
    positions_px : ndarray, shape (n, 2)
    weights : ndarray, shape (n,)
        Strong spots should count for more.
    reach_px : float
        Radius of the stack.

    Returns
    -------
    sigma_px, its standard error, height over its standard error
        NaN, inf and 0 if nothing can be fitted.
    """
    half = int(np.ceil(reach_px)) + 1
    wy, wx = (k.ravel() for k in np.mgrid[-half : half + 1, -half : half + 1])
    base = np.rint(positions_px).astype(int)
    y, x = base[:, :1] + wy, base[:, 1:] + wx
    ny, nx = image.shape
    inside = (y >= 0) & (y < ny) & (x >= 0) & (x < nx)
    values = image[np.clip(y, 0, ny - 1), np.clip(x, 0, nx - 1)]
    radius = np.hypot(y - positions_px[:, :1], x - positions_px[:, 1:])
    step = 0.5
    used = inside & (radius < reach_px) & np.isfinite(values)
    bin_index = (radius[used] / step).astype(int)
    spread = np.broadcast_to(weights[:, None], values.shape)[used]
    count = np.bincount(bin_index, weights=spread)
    square = np.bincount(bin_index, weights=spread**2)
    filled = count > 0
    safe = np.where(filled, count, 1.0)
    profile = (np.bincount(bin_index, weights=spread * values[used]) / safe)[filled]
    r2 = (np.bincount(bin_index, weights=spread * radius[used] ** 2) / safe)[filled]
    error = (np.sqrt(square) / safe)[filled]
    guess = max(reach_px / 4.0, 0.7)
    height = float(profile[: max(len(profile) // 8, 1)].mean() - profile[-3:].mean())

    def model(rr: NDArray[np.float64], a: float, s2: float, b: float) -> NDArray[np.float64]:
        return np.asarray(a * np.exp(-rr / (2.0 * s2)) + b)

    try:
        best, covariance = optimize.curve_fit(
            model,
            r2,
            profile,
            p0=(height, guess**2, float(profile[-3:].mean())),
            sigma=error,
            bounds=([-np.inf, 0.2, -np.inf], [np.inf, reach_px**2, np.inf]),
            maxfev=400,
        )
    except (RuntimeError, ValueError, TypeError):
        return float("nan"), float("inf"), 0.0
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    if not np.isfinite(errors).all() or errors[0] == 0 or errors[1] == 0:
        return float("nan"), float("inf"), 0.0
    sigma = float(np.sqrt(best[1]))
    return sigma, float(errors[1] / (2.0 * sigma)), float(best[0] / errors[0])


def fit_widths(
    frames: NDArray[np.float32],
    positions_px: NDArray[np.float64],
    distances_px: NDArray[np.float64],
    weights: NDArray[np.float64],
    reach_px: float,
    *,
    start_sigma_px: float,
) -> WidthModel:
    """Measure the width in shells of angle, frame by frame, and fit the polynomial.

    Parameters
    ----------
    frames : ndarray, shape (frames, y, x)
    positions_px : ndarray, shape (frames, n, 2)
    distances_px : ndarray, shape (n,)
        From the origin.
    weights : ndarray, shape (n,)
        Expected counts; nothing below zero is used.
    reach_px : float
    start_sigma_px : float
        Width in the early frames, kept if nothing can be measured.

    Returns
    -------
    WidthModel
        With as many terms as a strict form of Schwarz's criterion supports.
    """
    farthest = float(distances_px.max())
    used = np.flatnonzero(weights > 0)
    # Shells of equal signal.
    order = used[np.argsort(distances_px[used])]
    share = np.cumsum(weights[order]) / max(weights[order].sum(), 1e-12)
    shells = [order[(share > i / _SHELLS) & (share <= (i + 1) / _SHELLS + 1e-9)] for i in range(3)]
    rows: list[tuple[float, float, float, float]] = []
    count = len(frames)
    for frame in range(count):
        image = frames[frame].astype(np.float64)
        for shell in shells:
            if shell.size < 2:
                continue
            sigma, error, snr = stack_sigma(
                image, positions_px[frame, shell], weights[shell], reach_px
            )
            if snr > 10.0 and error < 0.15 * sigma and sigma < 0.6 * reach_px:
                u = float(np.average((distances_px[shell] / farthest) ** 2, weights=weights[shell]))
                rows.append(((frame + 0.5) / count, u, sigma**2, 2.0 * sigma * error))
    constant = np.zeros(6)
    constant[0] = start_sigma_px**2
    least, most = 0.6 * start_sigma_px, min(3.0 * start_sigma_px, 0.6 * reach_px)
    if len(rows) < 3:
        return WidthModel(constant, 1.0, farthest, least, most)
    x, u, value, error = np.array(rows).T
    # A floor of 0.5 % of sigma: a Gaussian is not exactly the profile.
    error = np.hypot(error, 0.01 * value)
    terms = _terms(x, u)
    best: NDArray[np.float64] = constant
    best_score = np.inf
    for chosen in _SHAPES:
        if len(rows) < 2 * len(chosen):
            continue
        design = terms[chosen].T / error[:, None]
        answer = np.linalg.lstsq(design, value / error, rcond=None)[0]
        chi2 = float(((design @ answer - value / error) ** 2).sum())
        # Three times Schwarz's price of a term: real broadening pays it easily, and a spurious
        # slope would tilt every fading curve.
        score = chi2 + 3.0 * len(chosen) * np.log(len(rows))
        if score < best_score:
            best_score = score
            best = np.zeros(6)
            best[chosen] = answer
    # A straight line may be prolonged beyond the last measured width, a parabola may not.
    last = float(x.max()) if best[4] or best[5] else 1.0
    return WidthModel(best, last, farthest, least, most)


def _terms(x: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([np.ones_like(x), u, x, x * u, x**2, x**2 * u])
