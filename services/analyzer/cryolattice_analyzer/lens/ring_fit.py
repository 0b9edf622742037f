"""Separable least squares of rings on a smooth background.

In the spectrum's bins power = background(k) + visibility(k) * CTF^2, with
CTF^2 = (1 - cos 2 chi') / 2 and chi' = -chi + asin(amplitude contrast). Background and visibility
are smooth and enter linearly, so that only the lens is searched (variable projection: Golub and
Pereyra, SIAM J. Numer. Anal. 10 (1973) 413).
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import scipy.interpolate
import scipy.ndimage
import scipy.optimize
from numpy.typing import NDArray

from cryolattice_analyzer.lens.ctf_fit import CtfFit, LensCandidate, lens_found, no_lens
from cryolattice_analyzer.lens.ring_spectrum import RADIAL_BINS, SECTORS, SpectrumBins
from cryolattice_analyzer.lens.transfer import ANGSTROM_PER_MM, Lens

BACKGROUND_KNOTS = 8
# Visibility of the rings: a sum of gaussians in k, of these shares of the spectrum's edge.
VISIBILITY_WIDTHS = (0.25, 0.5, 1.0)
# Rings are reported when they lower chi2 by this many units (of independent residuals); peaks of
# pure speckle over the whole search reach 15, seldom 20.
FOUND_CHI2 = 19.5
ALTERNATIVES = 8
SAME_OPTIMUM_ANGSTROM = 60.0
# Share that the four weakest of six directions have: 2/3 for even rings, 0.4 under strong drift.
SMALLEST_SHARE_AROUND = 0.3
# Rings are seen in a window of the radius where they stand so far above chance.
WINDOWS = 16
SEEN_SIGMA = 3.0


class RingProblem:
    """Separable least squares of rings on a smooth background."""

    def __init__(
        self, bins: SpectrumBins, wavelength: float, cs_mm: float, amplitude_contrast: float
    ) -> None:
        self.bins = bins
        square = bins.k**2
        self.defocus_slope = np.pi * wavelength * square
        cs = cs_mm * ANGSTROM_PER_MM
        self.fixed = -0.5 * np.pi * cs * wavelength**3 * square**2 + math.asin(amplitude_contrast)
        self.cos, self.sin = np.cos(2 * bins.azimuth), np.sin(2 * bins.azimuth)
        self.background = spline_basis(bins.k, BACKGROUND_KNOTS) * bins.weight[:, None]
        self.edge = float(bins.k.max())
        self.envelope = visibility_basis(bins.k, self.edge) * bins.weight[:, None]
        self.target = bins.power * bins.weight
        self.base, _ = np.linalg.qr(self.background)
        self.left = self.target - self.base @ (self.base.T @ self.target)

    def oscillation(self, defocus: float, ax: float, ay: float) -> NDArray[np.float64]:
        """-cos 2 chi' of each bin, averaged over the bin's width."""
        local = defocus + ax * self.cos + ay * self.sin
        phase = 2 * (self.fixed + self.defocus_slope * local)
        return np.asarray(-1 * np.cos(phase) * self.smear(local, self.defocus_slope, self.bins.k))

    def smear(
        self,
        defocus: NDArray[np.float64],
        slope: NDArray[np.float64],
        k: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Contrast left of rings finer than the bins: without it, aliases would fit."""
        turns = 2 * defocus * slope / np.pi / k * self.bins.width
        return np.asarray(np.sinc(np.clip(turns, -1, 1)))

    def project(self, lens: tuple[float, float, float]) -> tuple[float, NDArray[np.float64]]:
        """Fall of chi2 by the rings of a lens, and the residual."""
        rings = self.envelope * self.oscillation(*lens)[:, None]
        rings = rings - self.base @ (self.base.T @ rings)
        basis, triangle = np.linalg.qr(rings)
        amounts = basis.T @ self.left
        fitted = basis @ amounts
        # Rings of negative visibility fit the complement: allowed, but worth nothing.
        visibility = np.linalg.lstsq(triangle, amounts, rcond=None)[0]
        sign = float((self.envelope @ visibility).sum())
        fall = float(amounts @ amounts)
        return (fall if sign > 0 else 0.0), self.left - fitted

    def solve(self, low: float, high: float) -> CtfFit:
        """Search, refine the best optima, and judge."""
        starts = self._search(low, high)
        optima: list[tuple[float, tuple[float, float, float], NDArray[np.float64]]] = []
        for lens in starts:
            fall, refined, jacobian = self._refine(lens)
            same = any(abs(refined[0] - other[1][0]) < SAME_OPTIMUM_ANGSTROM for other in optima)
            if not same and low <= refined[0] <= high and fall > 0:
                optima.append((fall, refined, jacobian))
        if not optima:
            return no_lens(())
        optima.sort(key=lambda o: -o[0])
        fall, best, jacobian = optima[0]
        scatter = self.scatter(best)
        alternatives = tuple(LensCandidate(Lens(*o[1]), o[0] / scatter) for o in optima)
        if fall / scatter < FOUND_CHI2 or not self._around(best):
            return no_lens(alternatives)
        return lens_found(Lens(*best), jacobian, scatter, 1 / self._resolution(best), alternatives)

    def refine(self, fit: CtfFit) -> CtfFit:
        """Fit the lens again to these bins; what was found stays where this leads elsewhere."""
        start = fit.lens
        _, refined, jacobian = self._refine(_parameters(start))
        if abs(refined[0] - start.defocus_angstrom) > SAME_OPTIMUM_ANGSTROM:
            return fit
        best = LensCandidate(Lens(*refined), fit.score)
        return lens_found(
            best.lens,
            jacobian,
            self.scatter(refined),
            fit.fit_resolution_angstrom,
            (best, *fit.alternatives[1:]),
        )

    def range_of_rings(
        self, lens: Lens, rings: float, spacing_angstrom: float
    ) -> tuple[float, float] | None:
        """Spatial frequencies from the second zero to a spacing; None if few rings lie there."""
        order = np.argsort(self.bins.k)
        k = self.bins.k[order]
        turns = (self.fixed + self.defocus_slope * lens.defocus_angstrom)[order] / np.pi
        inside = k <= 1 / spacing_angstrom
        beyond = np.flatnonzero(turns >= 2)
        if not beyond.size or inside.all() or turns[inside][-1] - 2 < rings:
            return None
        return float(k[beyond[0]]), 1 / spacing_angstrom

    def _around(self, lens: tuple[float, float, float]) -> bool:
        """Whether the rings go all the way round: streaks and fringes fill one direction only."""
        _, residual = self.project(lens)
        explained = (self.left - residual) * self.left
        group = np.minimum((self.bins.azimuth / np.pi * 6).astype(np.int64), 5)
        falls = np.sort(np.bincount(group, explained, 6))
        return bool(falls[:4].sum() > SMALLEST_SHARE_AROUND * falls.sum())

    def scatter(self, lens: tuple[float, float, float]) -> float:
        """Variance of the residual per independent number, from the residual itself."""
        _, residual = self.project(lens)
        freedom = max(len(residual) - BACKGROUND_KNOTS - len(VISIBILITY_WIDTHS) - 3, 1)
        return float(residual @ residual) / freedom * self.correlated(residual)

    def correlated(self, residual: NDArray[np.float64]) -> float:
        """Bins of one independent number: a taper makes neighbouring bins alike."""
        grid = np.zeros(SECTORS * RADIAL_BINS)
        grid[self.bins.cell] = residual
        table = grid.reshape(SECTORS, RADIAL_BINS)
        power = float((table**2).sum())

        def alike(sectors: int, radii: int) -> float:
            moved = np.roll(table, sectors, axis=0)[:, radii:]
            return max(float((table[:, : RADIAL_BINS - radii] * moved).sum()) / power, 0.0)

        along = 1 + 2 * sum(alike(0, lag) for lag in (1, 2, 3))
        return along * (1 + 2 * sum(alike(lag, 0) for lag in (1, 2)))

    def _search(self, low: float, high: float) -> list[tuple[float, float, float]]:
        """Best defoci of groups of sectors; the astigmatism follows from how they differ."""
        step = 0.35 / float(self.defocus_slope.max())
        grid = np.arange(low, high + step, min(step, 60.0))
        group = (self.bins.azimuth / np.pi * 6).astype(np.int64) % 6
        curves = np.zeros((6, len(grid)))
        for g in range(6):
            members = group == g
            curves[g] = self._curve(members, grid)
        smooth = scipy.ndimage.gaussian_filter1d(curves, 1.0, axis=1)
        centres = (np.arange(6) + 0.5) * np.pi / 6
        halves = np.array([0.0, 60.0, 120.0, 180.0, 250.0, 350.0, 500.0])
        turns = np.arange(8) * np.pi / 8
        table = []
        for half in halves:
            for turn in turns[: 1 if half == 0 else 8]:
                shift = half * np.cos(2 * (centres - turn))
                total = np.zeros(len(grid))
                for g in range(6):
                    total += np.interp(grid + shift[g], grid, smooth[g], left=0, right=0)
                table.append((half * np.cos(2 * turn), half * np.sin(2 * turn), total))
        best = np.max([t[2] for t in table], axis=0)
        peaks = [
            i
            for i in range(len(grid))
            if best[i] >= best[max(i - 3, 0) : i + 4].max() and best[i] > 0
        ]
        peaks.sort(key=lambda i: -float(best[i]))
        starts = []
        for i in peaks[:ALTERNATIVES]:
            ax, ay, _ = max(table, key=lambda t: t[2][i])
            starts.append((float(grid[i]), float(ax), float(ay)))
        return starts

    def _curve(self, members: NDArray[np.bool_], grid: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fall of chi2 over defocus in one group of sectors, by radius alone."""
        index = np.minimum(
            ((self.bins.k[members] - self.bins.k.min()) / np.ptp(self.bins.k) * RADIAL_BINS).astype(
                np.int64
            ),
            RADIAL_BINS - 1,
        )
        weight = self.bins.weight[members] ** 2
        total = np.bincount(index, weight, RADIAL_BINS)
        full = total > 0
        mean = np.bincount(index, weight * self.bins.power[members], RADIAL_BINS)[full]
        radius = np.bincount(index, weight * self.bins.k[members], RADIAL_BINS)[full] / total[full]
        slope = np.bincount(index, weight * self.defocus_slope[members], RADIAL_BINS)[full]
        fixed = np.bincount(index, weight * self.fixed[members], RADIAL_BINS)[full]
        slope, fixed, root = slope / total[full], fixed / total[full], np.sqrt(total[full])
        base, _ = np.linalg.qr(spline_basis(radius, BACKGROUND_KNOTS) * root[:, None])
        target = mean / root
        target = target - base @ (base.T @ target)
        envelope = visibility_basis(radius, self.edge)[:, 1:] * root[:, None]
        waves = -1 * np.cos(2 * (fixed + grid[:, None] * slope))
        waves *= self.smear(grid[:, None], slope, radius)
        rings = waves[:, :, None] * envelope
        rings = rings - base @ (base.T @ rings)
        gram = rings.swapaxes(1, 2) @ rings + 1e-9 * np.eye(2)
        cross = rings.swapaxes(1, 2) @ target
        solution = np.linalg.solve(gram, cross[:, :, None])[:, :, 0]
        fall = (solution * cross).sum(axis=1)
        return np.where(solution.sum(axis=1) > 0, fall, 0.0)

    def _refine(
        self, start: tuple[float, float, float]
    ) -> tuple[float, tuple[float, float, float], NDArray[np.float64]]:
        def residual(p: NDArray[np.float64]) -> NDArray[np.float64]:
            return self.project((float(p[0]), float(p[1]), float(p[2])))[1]

        def slope(p: NDArray[np.float64]) -> NDArray[np.float64]:
            # Steps of fixed length: those in proportion to a value fail where it is zero.
            steps = 3.0 * np.eye(3)
            return np.stack([(residual(p + d) - residual(p - d)) / 6.0 for d in steps], axis=1)

        fit = scipy.optimize.least_squares(
            residual,
            np.array(start),
            jac=slope,
            x_scale=(50.0, 50.0, 50.0),
            max_nfev=20,
            xtol=1e-5,
            ftol=1e-7,
        )
        lens = (float(fit.x[0]), float(fit.x[1]), float(fit.x[2]))
        return self.project(lens)[0], lens, np.asarray(fit.jac)

    def _resolution(self, lens: tuple[float, float, float]) -> float:
        """Largest k up to which rings correlate with the spectrum, in windows of the radius.

        One window without rings may lie between, such as the one around the first zero.
        """
        oscillation = self.oscillation(*lens)
        independent = 1 / self.correlated(self.project(lens)[1])
        edges = np.linspace(self.bins.k.min(), self.bins.k.max(), WINDOWS + 1)
        reached, missed = edges[0], 0
        for low, high in pairwise(edges):
            here = (self.bins.k >= low) & (self.bins.k <= high)
            if np.count_nonzero(here) < 12:
                continue
            root = self.bins.weight[here]
            base, _ = np.linalg.qr(spline_basis(self.bins.k[here], 2) * root[:, None])
            data, model = self.bins.power[here] * root, oscillation[here] * root
            data = data - base @ (base.T @ data)
            model = model - base @ (base.T @ model)
            norm = math.sqrt(float(data @ data) * float(model @ model))
            correlation = float(data @ model) / norm if norm > 0 else 0.0
            if correlation * math.sqrt(len(data) * independent) > SEEN_SIGMA:
                reached, missed = high, 0
            elif reached > edges[0] and (missed := missed + 1) > 1:
                break
        return float(reached)


def visibility_basis(k: NDArray[np.float64], edge: float) -> NDArray[np.float64]:
    """Return gaussians of k, (n, widths), for rings that fade towards the spectrum's edge."""
    widths = np.array(VISIBILITY_WIDTHS) * edge
    return np.asarray(np.exp(-((k[:, None] / widths) ** 2)))


def spline_basis(k: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return B-splines over the range of k, (n, count), linear where fewer than four."""
    degree = min(3, count - 1)
    inner = np.linspace(k.min(), k.max(), count - degree + 1)
    knots = np.concatenate([[inner[0]] * degree, inner, [inner[-1]] * degree])
    return np.asarray(
        scipy.interpolate.BSpline.design_matrix(
            np.clip(k, knots[0], knots[-1]), knots, degree
        ).toarray()
    )


def _parameters(lens: Lens) -> tuple[float, float, float]:
    return lens.defocus_angstrom, lens.astigmatism_x_angstrom, lens.astigmatism_y_angstrom
