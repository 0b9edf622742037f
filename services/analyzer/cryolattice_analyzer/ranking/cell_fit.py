"""Least squares of the cell model, many starts at a time (Levenberg-Marquardt)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.ranking.cell_model import CellModel, predict, predict_with_derivatives

# Starts worked on together: few enough for the cache, enough to hide the interpreter.
BATCH = 16
# A step that lowers the penalised chi2 by less than this ends a fit.
TOLERANCE = 1e-2
# Bounds of the parameters, in the order of `cell_model.PARAMETERS`: a step may not leave what is
# physical (an envelope that amplifies, a fading that grows).
LOWEST = np.array([-1e5, -1e4, -1e4, -np.inf, -np.inf, -3.0, -4.0, -1.5])
HIGHEST = np.array([1e5, 1e4, 1e4, np.inf, np.inf, 1.0, 80.0, 4.0])


@dataclass(frozen=True)
class Prior:
    """Independent gaussian priors of the parameters; an infinite ``sd`` leaves one free.

    Attributes
    ----------
    mean : ndarray, shape (s, 8)
        Of each start.
    sd : ndarray, shape (8,)
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]

    @property
    def precision(self) -> NDArray[np.float64]:
        """1 / sd^2."""
        return np.asarray(1 / self.sd**2)


@dataclass(frozen=True)
class CellFits:
    """Fits of several starts.

    Attributes
    ----------
    parameters : ndarray, shape (s, 8)
    chi2 : ndarray, shape (s,)
        Of the data.
    penalty : ndarray, shape (s,)
        Of the prior: sum of ((p - mean) / sd)^2.
    hessian : ndarray, shape (s, 8, 8)
        Half the second derivatives of chi2 + penalty (Gauss-Newton).
    """

    parameters: NDArray[np.float64]
    chi2: NDArray[np.float64]
    penalty: NDArray[np.float64]
    hessian: NDArray[np.float64]


def fit_cells(
    model: CellModel,
    psi: NDArray[np.complex64],
    observed: NDArray[np.complex128],
    sigma: NDArray[np.float64],
    start: NDArray[np.float64],
    prior: Prior,
    *,
    iterations: int = 20,
) -> CellFits:
    """Fit from each start.

    Parameters
    ----------
    model : CellModel
    psi : ndarray of complex64, shape (s, b)
        Beams of each start.
    observed : ndarray of complex128, shape (n,)
    sigma : ndarray, shape (n,)
        Of each real and imaginary part.
    start : ndarray, shape (s, 8)
    prior : Prior
    iterations : int
        At most.

    Returns
    -------
    CellFits
    """
    parts = [
        _fit_batch(
            model,
            psi[i : i + BATCH],
            observed,
            sigma,
            start[i : i + BATCH],
            Prior(prior.mean[i : i + BATCH], prior.sd),
            iterations,
        )
        for i in range(0, len(psi), BATCH)
    ]
    return CellFits(
        parameters=np.concatenate([p.parameters for p in parts]),
        chi2=np.concatenate([p.chi2 for p in parts]),
        penalty=np.concatenate([p.penalty for p in parts]),
        hessian=np.concatenate([p.hessian for p in parts]),
    )


def _chi2(
    predicted: NDArray[np.complex128],
    observed: NDArray[np.complex128],
    sigma: NDArray[np.float64],
) -> NDArray[np.float64]:
    residual = (predicted - observed) / sigma
    return np.asarray((residual.real**2 + residual.imag**2).sum(axis=1))


def _fit_batch(
    model: CellModel,
    psi: NDArray[np.complex64],
    observed: NDArray[np.complex128],
    sigma: NDArray[np.float64],
    start: NDArray[np.float64],
    prior: Prior,
    iterations: int,
) -> CellFits:
    count, size = start.shape
    parameters = start.copy()
    damping = np.full(count, 1e-2)
    hessian = np.zeros((count, size, size))
    chi2 = np.zeros(count)
    active = np.arange(count)
    for iteration in range(iterations + 1):
        value, slope = predict_with_derivatives(model, psi[active], parameters[active])
        residual = (value - observed) / sigma
        slope = slope / sigma
        chi2[active] = (residual.real**2 + residual.imag**2).sum(axis=1)
        columns = np.concatenate([slope.real, slope.imag], axis=2)
        rows = np.concatenate([residual.real, residual.imag], axis=1)
        normal = columns @ columns.swapaxes(1, 2)
        normal[:, np.arange(size), np.arange(size)] += prior.precision
        gradient = (columns @ rows[:, :, None])[:, :, 0]
        gradient += (parameters[active] - prior.mean[active]) * prior.precision
        hessian[active] = normal
        if iteration == iterations:
            break
        accepted, gain = _try_steps(
            model, psi, observed, sigma, prior, active, normal, gradient, damping, parameters, chi2
        )
        active = active[accepted & (gain > TOLERANCE)]
        if len(active) == 0:
            break
    penalty = ((parameters - prior.mean) ** 2 * prior.precision).sum(axis=1)
    return CellFits(parameters, chi2, penalty, hessian)


def _try_steps(
    model: CellModel,
    psi: NDArray[np.complex64],
    observed: NDArray[np.complex128],
    sigma: NDArray[np.float64],
    prior: Prior,
    active: NDArray[np.int64],
    normal: NDArray[np.float64],
    gradient: NDArray[np.float64],
    damping: NDArray[np.float64],
    parameters: NDArray[np.float64],
    chi2: NDArray[np.float64],
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Move each active start downhill, with more damping where a step fails; in place."""
    diagonal = np.einsum("sii->si", normal)
    accepted = np.zeros(len(active), np.bool_)
    gain = np.zeros(len(active))
    for _ in range(6):
        todo = np.flatnonzero(~accepted)
        if len(todo) == 0:
            break
        which = active[todo]
        damped = normal[todo].copy()
        damped[:, np.arange(damped.shape[1]), np.arange(damped.shape[1])] += (
            damping[which, None] * diagonal[todo]
        )
        step = -np.linalg.solve(damped, gradient[todo][:, :, None])[:, :, 0]
        trial = np.clip(parameters[which] + step, LOWEST, HIGHEST)
        trial_chi2 = _chi2(predict(model, psi[which], trial), observed, sigma)
        before = parameters[which]
        change = trial_chi2 - chi2[which]
        centre = prior.mean[which]
        change += (((trial - centre) ** 2 - (before - centre) ** 2) * prior.precision).sum(axis=1)
        good = change <= 0
        parameters[which[good]] = trial[good]
        chi2[which[good]] = trial_chi2[good]
        damping[which] = np.where(good, np.maximum(damping[which] / 8, 1e-7), damping[which] * 8)
        accepted[todo[good]] = True
        gain[todo[good]] = -change[good]
    return accepted, gain
