"""All explanations of an observation by one candidate: screened by correlation, then refined.

A `CandidateFitter` holds what every step shares; which explanations are followed is decided in
`candidate_fit`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.ranking.candidate_beams import (
    CandidateBeams,
    distinct_settings,
    interpolate_thickness,
    lattice_operations,
)
from cryolattice_analyzer.ranking.cell_fit import CellFits, Prior, fit_cells
from cryolattice_analyzer.ranking.cell_model import CellModel, cell_model, predict
from cryolattice_analyzer.ranking.imaging_conditions import (
    Imaging,
    ViewCell,
    prior_mean,
    prior_width,
)
from cryolattice_analyzer.ranking.lens_search import LensStart, screen
from cryolattice_analyzer.ranking.observation import Observation

# Beams beyond this hardly reach the image through the envelopes.
BEAM_LIMIT_PER_ANGSTROM = 0.9
SCREEN_BEAMS_PER_ANGSTROM = 0.62
LOW_RESOLUTION_PER_ANGSTROM = 0.45
# Thicknesses are screened no finer and fitted no coarser than this.
COARSE_STEP_ANGSTROM = 14.0
FINE_STEP_ANGSTROM = 4.8
LENS_APART = 200.0


@dataclass(frozen=True)
class Mode:
    """One explanation: a turn or mirror, a thickness and a lens.

    Attributes
    ----------
    setting, thickness : int
        Indices into the fitter's `settings` and `thickness`.
    start : LensStart
        Where the lens was looked for.
    parameters : ndarray, shape (8,)
        In the order of `cell_model.PARAMETERS`.
    gain : float
        How well it correlated in the screen, with the start's prior.
    """

    setting: int
    thickness: int
    start: LensStart
    parameters: NDArray[np.float64]
    gain: float = 0.0


class CandidateFitter:
    """Models and beams of one candidate in all its settings."""

    def __init__(
        self,
        observation: Observation,
        beams: CandidateBeams,
        cell: ViewCell,
        imaging: Imaging,
    ) -> None:
        self.observation = observation
        self.imaging = imaging
        self.low = observation.within(
            max(LOW_RESOLUTION_PER_ANGSTROM, float(np.sqrt(observation.g_square.min())) * 1.01)
        )
        self.sigma = observation.sigma
        self.low_sigma = self.low.sigma
        ideal = (beams.hk / np.array(beams.repeats)) @ cell.reciprocal
        square = (ideal**2).sum(axis=1)
        self.kept = square <= BEAM_LIMIT_PER_ANGSTROM**2
        self.screened = square <= SCREEN_BEAMS_PER_ANGSTROM**2
        operations = lattice_operations(cell.a_angstrom, cell.b_angstrom, cell.gamma_deg)
        self.settings = distinct_settings(beams, observation.supercell, operations)
        self.thickness = fine_thicknesses(beams.thickness_angstrom)
        self.psi = interpolate_thickness(
            beams, square, imaging.wavelength_angstrom, self.thickness
        ).astype(np.complex64)
        wanted = np.arange(
            self.thickness[0], self.thickness[-1] + COARSE_STEP_ANGSTROM, COARSE_STEP_ANGSTROM
        )
        self.coarse = np.unique(np.abs(self.thickness[:, None] - wanted).argmin(axis=0))

    def _model(self, orders: NDArray[np.int64], observation: Observation, nodes: int) -> CellModel:
        return cell_model(
            orders,
            observation.hk,
            observation.reciprocal,
            wavelength_angstrom=self.imaging.wavelength_angstrom,
            cs_mm=self.imaging.cs_mm,
            focal_spread_angstrom=self.imaging.focal_spread_angstrom,
            nodes=nodes,
        )

    def screen(self, setting: int, starts: list[LensStart], keep: int) -> list[Mode]:
        """Best lenses of each coarse thickness in one setting, by correlation."""
        model = self._model(self.settings[setting][1][self.screened], self.low, 1)
        spread = 0.5 * (model.slopes[0] * self.imaging.focal_spread_angstrom) ** 2
        mean = prior_mean(self.imaging, starts[0])
        envelope = np.exp(-spread - 0.25 * mean[6] * model.square)
        psi = self.psi[self.coarse][:, self.screened] * envelope.astype(np.complex64)
        result = screen(model, psi, [s.lens for s in starts], self.low.coefficients, self.low_sigma)
        weight = np.array([s.log_weight for s in starts])
        hinted = weight > weight.min()
        modes = []
        for row, thickness in enumerate(self.coarse):
            ranked = np.argsort(-(result.gain[row] + 2 * weight))
            chosen = _apart(ranked, starts, keep)
            # A lens that rings hint at stays in the race, though others on the grid lie nearer to
            # one of the defoci at which the crystal's image repeats.
            if hinted.any() and not hinted[chosen].any():
                chosen.append(int(ranked[hinted[ranked]][0]))
            for index in chosen:
                parameters = prior_mean(self.imaging, starts[index])
                parameters[3:5] = result.shift[row, index]
                gain = float(result.gain[row, index] + 2 * weight[index])
                modes.append(Mode(setting, int(thickness), starts[index], parameters, gain))
        return modes

    def predict(self, mode: Mode) -> NDArray[np.complex128]:
        """Coefficients of one mode, with all the beams kept."""
        model = self._model(self.settings[mode.setting][1][self.kept], self.observation, 3)
        psi = self.psi[mode.thickness][None, self.kept]
        return np.asarray(predict(model, psi, mode.parameters[None])[0])

    def fit(self, modes: list[Mode], *, low: bool, iterations: int) -> tuple[list[Mode], CellFits]:
        """Refine modes; they come back in the same order."""
        observation, sigma = (self.low, self.low_sigma) if low else (self.observation, self.sigma)
        size = len(modes)
        parameters, hessian = np.zeros((size, 8)), np.zeros((size, 8, 8))
        chi2, penalty = np.zeros(size), np.zeros(size)
        # All starts of one call share the widths of the prior.
        groups: dict[tuple[int, float, float], list[int]] = {}
        for i, m in enumerate(modes):
            key = (m.setting, m.start.defocus_sd_angstrom, m.start.astigmatism_sd_angstrom)
            groups.setdefault(key, []).append(i)
        for (setting, _, _), members in groups.items():
            beams = self.screened if low else self.kept
            model = self._model(self.settings[setting][1][beams], observation, 3)
            prior = Prior(
                np.stack([prior_mean(self.imaging, modes[i].start) for i in members]),
                prior_width(self.imaging, modes[members[0]].start),
            )
            fits = fit_cells(
                model,
                self.psi[[modes[i].thickness for i in members]][:, beams],
                observation.coefficients,
                sigma,
                np.stack([modes[i].parameters for i in members]),
                prior,
                iterations=iterations,
            )
            parameters[members], hessian[members] = fits.parameters, fits.hessian
            chi2[members] = fits.chi2
            penalty[members] = fits.penalty + [-2 * modes[i].start.log_weight for i in members]
        fitted = [
            Mode(m.setting, m.thickness, m.start, p) for m, p in zip(modes, parameters, strict=True)
        ]
        return fitted, CellFits(parameters, chi2, penalty, hessian)


def _apart(ranked: NDArray[np.intp], starts: list[LensStart], keep: int) -> list[int]:
    """First of the ranked starts whose defoci differ enough to end in different optima."""
    chosen: list[int] = []
    for index in ranked:
        defocus = starts[index].lens.defocus_angstrom
        if all(abs(defocus - starts[c].lens.defocus_angstrom) >= LENS_APART for c in chosen):
            chosen.append(int(index))
            if len(chosen) == keep:
                break
    return chosen


def fine_thicknesses(simulated: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the simulated thicknesses, with more in between where they are far apart."""
    knots = np.concatenate([[0.0], simulated])
    parts = [
        np.linspace(low, high, max(1, math.ceil((high - low) / FINE_STEP_ANGSTROM)) + 1)[1:]
        for low, high in pairwise(knots)
    ]
    # Nothing thinner than half the first simulated thickness is claimed.
    fine = np.concatenate(parts)
    return np.asarray(fine[fine >= 0.5 * simulated[0]])
