"""What a fit of rings says of the lens, with its intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.lens.transfer import Lens


@dataclass(frozen=True)
class LensCandidate:
    """One local optimum of the ring fit: the lens and by how much it lowers chi2."""

    lens: Lens
    score: float


@dataclass(frozen=True)
class CtfFit:
    """Defocus and astigmatism of a film.

    Attributes
    ----------
    found : bool
        Whether the spectrum shows rings at all.
    defocus_u_angstrom, defocus_v_angstrom, angle_deg : float
        CTFFIND's convention; not a number where not found.
    fit_resolution_angstrom : float
        Spacing to which rings are significant; infinite where not found.
    ci95 : dict of str to (float, float)
        Of the three values.
    score : float
        By how much the rings lower chi2, in units of the residual scatter.
    alternatives : tuple of LensCandidate
        All local optima, best first, the answer included.
    """

    found: bool
    defocus_u_angstrom: float
    defocus_v_angstrom: float
    angle_deg: float
    fit_resolution_angstrom: float
    ci95: dict[str, tuple[float, float]] = field(default_factory=dict)
    score: float = 0.0
    alternatives: tuple[LensCandidate, ...] = ()

    @property
    def lens(self) -> Lens:
        """The fitted lens."""
        return Lens.from_uv(self.defocus_u_angstrom, self.defocus_v_angstrom, self.angle_deg)


def _intervals(lens: Lens, covariance: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
    half = max(lens.half_difference_angstrom, 1e-6)
    unit = np.array([lens.astigmatism_x_angstrom, lens.astigmatism_y_angstrom]) / half
    across = np.array([-unit[1], unit[0]])
    gradient_u, gradient_v = np.array([1.0, *unit]), np.array([1.0, *-unit])
    turn = np.array([0.0, *across]) / (2 * half)

    def spread(gradient: NDArray[np.float64]) -> float:
        return 1.96 * math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))

    angle = min(math.degrees(spread(turn)), 90.0)
    u, v, a = lens.defocus_u_angstrom, lens.defocus_v_angstrom, lens.angle_deg
    return {
        "defocus_u_angstrom": (u - spread(gradient_u), u + spread(gradient_u)),
        "defocus_v_angstrom": (v - spread(gradient_v), v + spread(gradient_v)),
        "angle_deg": (a - angle, a + angle),
    }


def lens_found(
    lens: Lens,
    jacobian: NDArray[np.float64],
    scatter: float,
    resolution_angstrom: float,
    alternatives: tuple[LensCandidate, ...],
) -> CtfFit:
    """Return the fit of a lens whose rings show.

    Parameters
    ----------
    lens : Lens
    jacobian : ndarray, shape (bins, 3)
        Of the residual by mean defocus and both components of astigmatism, per angstrom.
    scatter : float
        Variance of the residual.
    resolution_angstrom : float
        Spacing to which rings are significant.
    alternatives : tuple of LensCandidate
    """
    return CtfFit(
        found=True,
        defocus_u_angstrom=lens.defocus_u_angstrom,
        defocus_v_angstrom=lens.defocus_v_angstrom,
        angle_deg=lens.angle_deg,
        fit_resolution_angstrom=resolution_angstrom,
        ci95=_intervals(lens, np.linalg.pinv(jacobian.T @ jacobian) * scatter),
        score=alternatives[0].score,
        alternatives=alternatives,
    )


def no_lens(alternatives: tuple[LensCandidate, ...]) -> CtfFit:
    """Return the fit of a spectrum without rings."""
    nan = math.nan
    score = alternatives[0].score if alternatives else 0.0
    return CtfFit(False, nan, nan, nan, math.inf, {}, score, alternatives)
