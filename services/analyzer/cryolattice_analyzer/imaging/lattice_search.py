"""Searches in a whitened power spectrum: a known cell over rotation and scale, or any cell at all.

The evidence of a reflection is -ln p, where p is the chance that noise alone gives so high a
maximum near the predicted place. It is clipped, so that one strong spot (or a fringe) cannot stand
for a lattice. Sums of -ln p over n reflections follow a Gamma(n) law in noise (Fisher's method).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import gamma

from cryolattice_analyzer.imaging.power_spectrum import PowerSpectrum

# Evidence of one reflection counts up to this -ln p (p = 6e-6).
EVIDENCE_CLIP = 12.0
# Relative departure of a reflection from the turned and scaled cell: strain, shear, distortion.
STRAIN_TOLERANCE = 0.012
# Inside this many bins of zero frequency the crystal's outline, not its lattice, makes the
# spectrum.
INNER_BINS = 8
# Without a known cell, spots that are there must lie on nodes with less chance than this.
LOG10_COINCIDENCE_LIMIT = -2.0


@dataclass(frozen=True)
class CellMatch:
    """A reciprocal basis found in a spectrum, before refinement.

    ``log10_false_alarm`` is the decimal logarithm of the chance that noise gives evidence this high
    anywhere in the search.
    """

    reciprocal: NDArray[np.float64]
    log10_false_alarm: float


def log10_gamma_tail(total: NDArray[np.float64] | float, shape: float) -> NDArray[np.float64]:
    """Decimal logarithm of the upper tail of a Gamma law of unit scale, safe from underflow."""
    x = np.asarray(total, dtype=np.float64)
    with np.errstate(divide="ignore"):
        exact = gamma.logsf(x, shape)
        leading = (shape - 1) * np.log(np.maximum(x, 1e-300)) - x - gammaln(shape)
    return np.asarray(np.where(np.isfinite(exact), exact, leading) / np.log(10))


def evidence_map(
    whitened: NDArray[np.float64], radius_bins: int, usable: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """-ln p of the highest value within `radius_bins` of each bin, calibrated on the map itself.

    Neighbouring bins of a windowed spectrum are correlated, so the number of independent values
    under the maximum is taken from the median over the `usable` bins instead of counted.
    """
    highest = scipy.ndimage.maximum_filter(whitened, size=2 * radius_bins + 1, mode="wrap")
    middle = float(np.median(highest[usable]))
    independent = np.log(0.5) / np.log1p(-np.exp(-middle))
    chance = -np.expm1(independent * np.log1p(-np.exp(-np.maximum(highest, 1e-6))))
    evidence = -np.log(np.maximum(chance, 1e-300))
    return np.asarray(np.where(usable, evidence, 0.0))


def half_plane_indices(
    reciprocal: NDArray[np.float64], g_max: float, g_min: float = 0.0
) -> NDArray[np.int64]:
    """List indices (h, k) of one of each Friedel pair with g_min < |g| <= g_max, nearest first."""
    metric = reciprocal @ reciprocal.T
    inverse = np.linalg.inv(metric)
    h_max = int(np.floor(g_max * np.sqrt(inverse[0, 0])))
    k_max = int(np.floor(g_max * np.sqrt(inverse[1, 1])))
    h, k = np.meshgrid(np.arange(0, h_max + 1), np.arange(-k_max, k_max + 1), indexing="ij")
    hk = np.stack([h.ravel(), k.ravel()], axis=1)
    hk = hk[(hk[:, 0] > 0) | (hk[:, 1] > 0)]
    length = np.linalg.norm(hk @ reciprocal, axis=1)
    keep = (length <= g_max) & (length > g_min)
    hk, length = hk[keep], length[keep]
    return np.asarray(hk[np.argsort(length.round(9), kind="stable")], dtype=np.int64)


def usable_bins(spectrum: PowerSpectrum) -> NDArray[np.bool_]:
    """All bins but those around zero frequency."""
    ny, nx = spectrum.power.shape
    row, column = spectrum.centre
    rows, columns = np.ogrid[:ny, :nx]
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 > INNER_BINS**2)


def _lookup(
    maps: list[NDArray[np.float64]],
    radii: list[int],
    spectrum: PowerSpectrum,
    g: NDArray[np.float64],
    slack: float,
) -> NDArray[np.float64]:
    """Evidence at frequencies `g` (..., 2), from the map whose radius covers `slack` x |g|."""
    bins = np.rint(spectrum.bins(g)).astype(np.int64)
    ny, nx = spectrum.power.shape
    inside = (bins[..., 0] >= 0) & (bins[..., 0] < ny) & (bins[..., 1] >= 0) & (bins[..., 1] < nx)
    rows, columns = np.clip(bins[..., 0], 0, ny - 1), np.clip(bins[..., 1], 0, nx - 1)
    wanted = 1 + slack * np.linalg.norm(g, axis=-1) / min(spectrum.step_per_angstrom)
    choice = np.clip(np.searchsorted(radii, wanted), 0, len(radii) - 1)
    stack = np.stack(maps)
    return np.asarray(np.where(inside, stack[choice, rows, columns], 0.0))


def search_cell(
    spectrum: PowerSpectrum,
    reciprocal: NDArray[np.float64],
    *,
    rotation_range_deg: float,
    scale_tolerance: float,
    strain_tolerance: float,
    g_max: float,
) -> CellMatch:
    """Best rotation and isotropic scale of a known cell.

    Parameters
    ----------
    spectrum : PowerSpectrum
    reciprocal : ndarray, shape (2, 2)
        Rows a*, b* of the cell with a along +x, 1/angstrom.
    rotation_range_deg : float
        Rotations from minus to plus half of this are tried (the period of the lattice).
    scale_tolerance : float
        Relative change of all lengths, both ways.
    strain_tolerance : float
        Relative departure of a reflection from the rotated and scaled cell.
    g_max : float
        Reflections up to here count, 1/angstrom.

    Returns
    -------
    CellMatch
    """
    step = min(spectrum.step_per_angstrom)
    usable = usable_bins(spectrum)
    widest = 1 + int(np.ceil(strain_tolerance * g_max / step))
    radii = sorted({1, 2, 3, *range(1, widest + 1, 2), widest})
    radii = [radius for radius in radii if radius <= widest]
    whitened = spectrum.whitened
    maps = [np.minimum(evidence_map(whitened, radius, usable), EVIDENCE_CLIP) for radius in radii]
    hk = half_plane_indices(reciprocal, g_max / (1 + scale_tolerance), INNER_BINS * step)
    turn = step / g_max
    angles = np.deg2rad(rotation_range_deg) * (
        np.arange(n_angles := int(np.ceil(np.deg2rad(rotation_range_deg) / turn))) / n_angles - 0.5
    )
    n_scales = 2 * int(np.ceil(scale_tolerance / turn)) + 1
    scales = 1 / np.linspace(1 - scale_tolerance, 1 + scale_tolerance, n_scales)
    g0 = hk @ reciprocal
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    turned = np.stack([cos * g0[:, 0] - sin * g0[:, 1], sin * g0[:, 0] + cos * g0[:, 1]], axis=-1)
    totals = np.stack(
        [
            _lookup(maps, radii, spectrum, turned * scale, strain_tolerance).sum(axis=1)
            for scale in scales
        ]
    )
    best_scale, best_angle = np.unravel_index(int(np.argmax(totals)), totals.shape)
    angle = angles[best_angle]
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    tail = float(log10_gamma_tail(float(totals.max()), len(hk)))
    return CellMatch(
        reciprocal=reciprocal @ rotation * scales[best_scale],
        log10_false_alarm=min(0.0, tail + np.log10(totals.size)),
    )


def strongest_peaks(
    spectrum: PowerSpectrum, g_max: float, number: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Highest local maxima of the half plane: frequencies (n, 2) and -ln p over the whole plane."""
    usable = usable_bins(spectrum)
    whitened = spectrum.whitened
    local = scipy.ndimage.maximum_filter(whitened, size=7, mode="wrap") == whitened
    ny, nx = whitened.shape
    rows, columns = np.nonzero(local & usable)
    g = spectrum.frequencies(np.stack([rows, columns], axis=1).astype(np.float64))
    half = (g[:, 0] > 1e-12) | ((np.abs(g[:, 0]) <= 1e-12) & (g[:, 1] > 0))
    keep = half & (np.linalg.norm(g, axis=1) <= g_max)
    rows, columns, g = rows[keep], columns[keep], g[keep]
    area = np.pi * g_max**2 / np.prod(spectrum.step_per_angstrom) / 2
    evidence = whitened[rows, columns] - np.log(min(area, ny * nx / 2))
    order = np.argsort(-evidence)[:number]
    order = order[evidence[order] > np.log(20.0)]
    exact = np.array([subpixel_peak(whitened, rows[i], columns[i]) for i in order]).reshape(-1, 2)
    return spectrum.frequencies(exact), evidence[order]


def subpixel_peak(values: NDArray[np.float64], row: int, column: int) -> tuple[float, float]:
    """Vertex of parabolas through the logarithms of a maximum and its four neighbours."""
    ny, nx = values.shape
    logs = [
        np.log(np.maximum(values[[(row - 1) % ny, row, (row + 1) % ny], column], 1e-12)),
        np.log(np.maximum(values[row, [(column - 1) % nx, column, (column + 1) % nx]], 1e-12)),
    ]
    offsets = []
    for before, here, after in logs:
        curvature = 2 * here - before - after
        offsets.append(
            float(np.clip((after - before) / (2 * curvature), -0.5, 0.5)) if curvature > 0 else 0.0
        )
    return row + offsets[0], column + offsets[1]


def search_any_cell(spectrum: PowerSpectrum, *, g_max: float) -> CellMatch | None:
    """Shortest basis that indexes the strongest spots, without a known cell.

    Pairs of the strongest spots are tried as a basis; each basis is judged by how improbable it is
    that so many of the other spots fall on its nodes by chance (a binomial tail). The false alarm
    also counts how improbable three such spots are in noise.

    Returns
    -------
    CellMatch or None
        None where fewer than three spots stand out, or chance explains how they lie.
    """
    peaks, evidence = strongest_peaks(spectrum, g_max, 40)
    if len(peaks) < 3:
        return None
    step = max(spectrum.step_per_angstrom)
    tolerance = 2.0 * step
    sizes = sorted({size for size in (6, 12, 24, len(peaks)) if size <= len(peaks)} | {3})
    best: tuple[float, NDArray[np.float64], int] | None = None
    seeds = np.concatenate([peaks[:12], -peaks[:12]])
    for i in range(min(len(peaks), 12)):
        for seed in seeds:
            pair = np.stack([peaks[i], seed])
            # The smallest area that any lattice kept below could have; less is one line.
            if abs(np.linalg.det(pair)) < 0.2 * (INNER_BINS * step) ** 2:
                continue
            basis = reduced_basis(pair)
            area = float(np.linalg.det(basis))
            shortest = min(np.linalg.norm(basis, axis=1))
            if shortest < INNER_BINS * step or area < 0.2 * shortest**2:
                continue
            index = peaks @ np.linalg.inv(basis)
            miss = np.linalg.norm((index - np.rint(index)) @ basis, axis=1)
            on_node = (miss < tolerance) & (np.abs(np.rint(index)).sum(axis=1) > 0)
            chance = min(1.0, np.pi * tolerance**2 / area)
            # Weak peaks may be artefacts: the strongest few are judged by themselves too.
            for size in sizes:
                hits = int(np.count_nonzero(on_node[:size])) - 2
                score = _log10_binomial_tail(size - 2, hits, chance)
                if best is None or score < best[0] - 1e-9:
                    nodes = np.flatnonzero(on_node)
                    best = (score, basis, int(nodes[min(2, nodes.size - 1)]))
    if best is None:
        return None
    coincidence = best[0] + np.log10(len(sizes) * 12.0 * len(seeds))
    if coincidence > LOG10_COINCIDENCE_LIMIT:
        return None
    three_spots = -3 * float(evidence[best[2]]) / np.log(10)
    return CellMatch(best[1], max(-300.0, min(0.0, coincidence + min(0.0, three_spots))))


def _log10_binomial_tail(trials: int, hits: int, chance: float) -> float:
    if hits <= 0:
        return 0.0
    k = np.arange(hits, trials + 1)
    logs = (
        gammaln(trials + 1)
        - gammaln(k + 1)
        - gammaln(trials - k + 1)
        + k * np.log(chance)
        + (trials - k) * np.log1p(-min(chance, 1 - 1e-12))
    )
    return float(np.logaddexp.reduce(logs) / np.log(10))


def reduced_basis(reciprocal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shortest reciprocal basis of the same lattice (Lagrange's reduction), right-handed.

    Of the two settings the one whose direct a is not shorter than b is not chosen: a <= b.
    """
    u, v = reciprocal[0].copy(), reciprocal[1].copy()
    if np.linalg.norm(u) > np.linalg.norm(v):
        u, v = v, u
    for _ in range(64):
        v = v - np.rint(v @ u / (u @ u)) * u
        if np.linalg.norm(v) >= np.linalg.norm(u) * (1 - 1e-12):
            break
        u, v = v, u
    # The longer reciprocal vector belongs to the shorter direct one.
    basis = np.stack([v, u])
    if np.linalg.det(basis) < 0:
        basis[1] *= -1
    return basis
