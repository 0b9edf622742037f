"""Fit the fading of several reflections with one critical dose and honest limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FadingModel = Literal["exponential", "exponential+offset"]
_PLATEAUS = np.linspace(0.0, 0.9, 61)


@dataclass(frozen=True)
class FadingData:
    """Intensities of the reflections of one spacing.

    Attributes
    ----------
    dose_edges : ndarray, shape (frames + 1,)
        Accumulated dose at the frames' borders in e/angstrom^2.
    intensity, background_variance, shot_variance : ndarray, shape (spots, frames)
        As in `spot_intensity.SpotSeries`.
    """

    dose_edges: NDArray[np.float64]
    intensity: NDArray[np.float64]
    background_variance: NDArray[np.float64]
    shot_variance: NDArray[np.float64]


@dataclass(frozen=True)
class PlateauPrior:
    """A plateau known from elsewhere, as a mean and its deviation.

    Attributes
    ----------
    mean, deviation : float
        Share of the intensity at zero dose.
    dispersion : float
        Of the fit that it enters, so that both are on one scale.
    """

    mean: float
    deviation: float
    dispersion: float


@dataclass(frozen=True)
class _PlateauGrid:
    """Plateaus to try and what chi2 each costs beforehand."""

    values: NDArray[np.float64]
    penalty: NDArray[np.float64]


@dataclass(frozen=True)
class FadingFit:
    """A fitted fading curve.

    Attributes
    ----------
    critical_dose_e_per_angstrom2 : float
    ci95_low, ci95_high : float
        Limits; 0 or infinity where the data set none.
    model : "exponential" or "exponential+offset"
    plateau : float
        Share of the intensity at zero dose that does not fade.
    initial : ndarray, shape (spots,)
        Intensity of a frame at zero dose.
    weights : ndarray, shape (spots, frames)
        Inverse variances used.
    chi2 : float
    degrees_of_freedom : int
    dispersion : float
        Factor by which the scatter exceeds the counting statistics, at least 1.
    significance : float
        Fall of chi2 from no intensity at all to the fit.
    """

    critical_dose_e_per_angstrom2: float
    ci95_low: float
    ci95_high: float
    model: FadingModel
    plateau: float
    initial: NDArray[np.float64]
    weights: NDArray[np.float64]
    chi2: float
    degrees_of_freedom: int
    dispersion: float
    significance: float


def exposure_average(
    dose_edges: NDArray[np.float64], critical_dose: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Return exp(-D/Dc) averaged over each frame's exposure.

    ``Dc (exp(-D0/Dc) - exp(-D1/Dc)) / (D1 - D0)``: taking a frame's value for that at its start
    or middle adds up to a whole frame's dose to Dc.

    Parameters
    ----------
    dose_edges : ndarray, shape (frames + 1,)
        e/angstrom^2.
    critical_dose : float or ndarray, shape (...)
        e/angstrom^2.

    Returns
    -------
    ndarray, shape (..., frames)
    """
    dc = np.asarray(critical_dose, dtype=np.float64)[..., None]
    width = np.diff(dose_edges)
    return np.asarray(np.exp(-dose_edges[:-1] / dc) * -np.expm1(-width / dc) * dc / width)


def fading_curve(
    dose: NDArray[np.float64], critical_dose: float, plateau: float
) -> NDArray[np.float64]:
    """Return ``(1 - plateau) exp(-D/Dc) + plateau``."""
    return np.asarray((1.0 - plateau) * np.exp(-dose / critical_dose) + plateau)


def fit_fading(
    data: FadingData, model: FadingModel, prior: PlateauPrior | None = None
) -> FadingFit:
    """Fit I0_s [(1 - p) E(D; Dc) + p] with a shared Dc (and p), one I0 a spot.

    Weights are inverse variances of the model's expected counts, updated three times. The
    limits are those of the profile likelihood in ln Dc, with p and all I0 refitted, at the
    95 % quantile of Student's t scaled by the dispersion: the largest of chi2 over its degrees
    of freedom, the same for the sum curve of the group (fluctuations common to all spots), and
    Cochran's Q over spots (each spot having a Dc of its own); Q and the sum curve have few
    degrees of freedom, which t allows for by Satterthwaite's formula.

    Parameters
    ----------
    data : FadingData
    model : "exponential" or "exponential+offset"
    prior : PlateauPrior, optional
        What other spacings say of the plateau.

    Returns
    -------
    FadingFit
    """
    edges = data.dose_edges
    with_offset = model == "exponential+offset"
    plateaus = _PLATEAUS if with_offset else np.zeros(1)
    if with_offset and prior is not None:
        reach = 5.0 * prior.deviation
        plateaus = np.linspace(max(prior.mean - reach, 0.0), min(prior.mean + reach, 0.9), 41)
    penalty = np.zeros(len(plateaus))
    if prior is not None:
        penalty = prior.dispersion * ((plateaus - prior.mean) / prior.deviation) ** 2
    grid = _PlateauGrid(plateaus, penalty)
    first, total = float(edges[1] - edges[0]), float(edges[-1])
    log_grid = np.linspace(np.log(0.1 * first), np.log(50.0 * total), 260)
    expected = np.maximum(_smooth(data.intensity), 0.0)
    low, high = 0, len(log_grid) - 1
    for _ in range(4):
        weights = 1.0 / (data.background_variance + data.shot_variance * expected)
        chi2 = _profile(data, weights, log_grid, grid)[0]
        best = int(np.argmin(chi2))
        low, high = max(best - 1, 0), min(best + 1, len(log_grid) - 1)
        log_dc, plateau = _polish(data, weights, (log_grid[low], log_grid[high]), grid)
        curve = (1 - plateau) * exposure_average(edges, float(np.exp(log_dc))) + plateau
        initial = (weights * data.intensity) @ curve / (weights @ curve**2)
        expected = np.maximum(initial, 0.0)[:, None] * curve
    chi2_best = float((weights * (data.intensity - expected) ** 2).sum())
    spots, frames = data.intensity.shape
    freedom = max(spots * (frames - 1) - 1 - int(with_offset), 1)
    dispersion, quantile = _dispersion(data, weights, expected, freedom, (log_dc, plateau))
    threshold = quantile**2 * dispersion
    ci = _limits(
        data, weights, (log_grid[0], log_grid[-1]), grid, log_dc=log_dc, threshold=threshold
    )
    return FadingFit(
        critical_dose_e_per_angstrom2=float(np.exp(log_dc)),
        ci95_low=ci[0],
        ci95_high=ci[1],
        model=model,
        plateau=float(plateau),
        initial=initial,
        weights=weights,
        chi2=chi2_best,
        degrees_of_freedom=freedom,
        dispersion=dispersion,
        significance=float((weights * data.intensity**2).sum()) - chi2_best,
    )


def _smooth(intensity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over three frames: a start for the expected counts."""
    padded = np.pad(intensity, ((0, 0), (1, 1)), mode="edge")
    return np.asarray((padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3.0)


def _surface(
    data: FadingData,
    weights: NDArray[np.float64],
    log_dc: NDArray[np.float64],
    plateaus: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Least chi2 over initial intensities, shape (ln Dc, plateau)."""
    fading = exposure_average(data.dose_edges, np.exp(log_dc))
    curves = (1 - plateaus)[None, :, None] * fading[:, None, :] + plateaus[None, :, None]
    weighted = weights * data.intensity
    cross = np.maximum(np.tensordot(weighted, curves, axes=([1], [2])), 0.0)
    square = np.tensordot(weights, curves**2, axes=([1], [2]))
    constant = float((weighted * data.intensity).sum())
    return np.asarray(constant - (cross**2 / np.maximum(square, 1e-300)).sum(axis=0))


def plateau_profile(
    data: FadingData, fit: FadingFit, plateaus: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the least chi2 at each plateau, everything else refitted, over the dispersion.

    Parameters
    ----------
    data : FadingData
    fit : FadingFit
        Gives the weights, the dispersion and where to look for the critical dose.
    plateaus : ndarray, shape (n,)
        Shares of the intensity at zero dose.
    """
    centre = np.log(fit.critical_dose_e_per_angstrom2)
    chi2 = _surface(data, fit.weights, np.linspace(centre - 2.0, centre + 2.0, 401), plateaus)
    return np.asarray(chi2.min(axis=0) / fit.dispersion)


def _profile(
    data: FadingData,
    weights: NDArray[np.float64],
    log_dc: NDArray[np.float64],
    grid: _PlateauGrid,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least chi2 over plateau and initial intensities at each ln Dc, and that plateau."""
    plateaus = grid.values
    chi2 = _surface(data, weights, log_dc, plateaus) + grid.penalty
    best = np.argmin(chi2, axis=1)
    rows = np.arange(len(log_dc))
    value, place = chi2[rows, best], plateaus[best].astype(np.float64)
    if len(plateaus) > 2:
        inner = np.clip(best, 1, len(plateaus) - 2)
        a, b, c = chi2[rows, inner - 1], chi2[rows, inner], chi2[rows, inner + 1]
        bend = a - 2 * b + c
        move = np.where(bend > 0, 0.5 * (a - c) / np.where(bend > 0, bend, 1.0), 0.0)
        within = (best == inner) & (np.abs(move) <= 1)
        place = np.where(within, place + move * (plateaus[1] - plateaus[0]), place)
        value = np.where(within, b - 0.125 * (a - c) ** 2 / np.where(bend > 0, bend, 1.0), value)
    return value, place


def _polish(
    data: FadingData,
    weights: NDArray[np.float64],
    bracket: tuple[float, float],
    grid: _PlateauGrid,
) -> tuple[float, float]:
    """Close in on the best ln Dc; return it and its plateau."""
    low, high = bracket
    for _ in range(4):
        trials = np.linspace(low, high, 13)
        chi2, place = _profile(data, weights, trials, grid)
        best = int(np.argmin(chi2))
        low, high = trials[max(best - 1, 0)], trials[min(best + 1, 12)]
    return float(trials[best]), float(place[best])


def _limits(
    data: FadingData,
    weights: NDArray[np.float64],
    ends: tuple[float, float],
    grid: _PlateauGrid,
    *,
    log_dc: float,
    threshold: float,
) -> tuple[float, float]:
    least = float(_profile(data, weights, np.array([log_dc]), grid)[0][0])

    def crossing(end: float) -> float | None:
        # Geometric steps from the optimum bracket the crossing, bisection closes in.
        step = 0.002 if end > log_dc else -0.002
        inside, outside = log_dc, log_dc
        while True:
            outside = log_dc + step
            if (outside - end) * np.sign(step) > 0:
                return None
            if _profile(data, weights, np.array([outside]), grid)[0][0] > least + threshold:
                break
            inside, step = outside, 1.6 * step
        for _ in range(2):
            trials = np.linspace(inside, outside, 12)
            above = _profile(data, weights, trials, grid)[0] > least + threshold
            k = max(int(np.argmax(above)), 1)
            inside, outside = float(trials[k - 1]), float(trials[k])
        return 0.5 * (inside + outside)

    low, high = crossing(ends[0]), crossing(ends[1])
    return (
        0.0 if low is None else float(np.exp(low)),
        float("inf") if high is None else float(np.exp(high)),
    )


def _dispersion(
    data: FadingData,
    weights: NDArray[np.float64],
    expected: NDArray[np.float64],
    freedom: int,
    solution: tuple[float, float],
) -> tuple[float, float]:
    """Return the factor on the variance and the two-sided 95 % quantile that goes with it."""
    edges = data.dose_edges
    log_dc, plateau = solution
    rest = data.intensity - expected
    candidates = [(float((weights * rest**2).sum()) / freedom, freedom)]
    strength = expected.sum(axis=1)
    share = strength / strength.sum() if strength.sum() > 0 else np.ones(len(strength))
    common = (share[:, None] * rest).sum(axis=0)
    variance = (share[:, None] ** 2 / weights).sum(axis=0)
    frames = rest.shape[1]
    candidates.append((float((common**2 / variance).sum()) / max(frames - 2, 1), frames - 2))
    # Each spot's own step in ln Dc, to first order, orthogonal to its own I0.
    step = 1e-3
    up, down = (
        (1 - plateau) * exposure_average(edges, float(np.exp(log_dc + s))) + plateau
        for s in (step, -step)
    )
    curve = 0.5 * (up + down)
    slope = (up - down) / (2 * step)
    initial = expected[:, 0] / max(float(curve[0]), 1e-300)
    along = (weights @ (slope * curve)) / (weights @ curve**2)
    direction = initial[:, None] * (slope[None, :] - along[:, None] * curve[None, :])
    information = (weights * direction**2).sum(axis=1)
    carries = information > 1e-3 * max(float(information.max()), 1e-300)
    spots = int(carries.sum())
    if spots >= 3:
        own = (weights * direction * rest).sum(axis=1)[carries] / information[carries]
        mean = np.average(own, weights=information[carries])
        q = float((information[carries] * (own - mean) ** 2).sum())
        candidates.append((q / (spots - 1), spots - 1))
    ratio, dof = max(candidates)
    if ratio <= 1.0:
        return 1.0, float(stats.norm.ppf(0.975))
    effective = (ratio / (ratio - 1.0)) ** 2 * dof
    return float(ratio), float(stats.t.ppf(0.975, min(effective, 1e6)))
