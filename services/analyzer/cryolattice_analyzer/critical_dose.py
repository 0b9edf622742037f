"""Critical doses of the reflections of a diffraction series, and their comparison.

The critical dose is the accumulated dose at which a reflection's background-free intensity has
fallen to 1/e of its value at zero dose; where a part of the intensity never fades, that of the
fading part. Reflections that first grow, or fade only after a latent dose, are no exponentials:
their misfit widens the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from cryolattice.errors import InvalidInputError
from numpy.typing import NDArray
from scipy import stats

from cryolattice_analyzer.diffraction_lattice import (
    DiffractionLattice,
    fit_lattice,
    group_by_spacing,
    predict_positions,
    shifted,
    symmetrised_metric,
)
from cryolattice_analyzer.diffraction_series import (
    DiffractionSeries,
    check_dose_per_frame,
    repair_hot_pixels,
)
from cryolattice_analyzer.diffraction_spots import (
    DirectBeam,
    find_beam_stop,
    find_direct_beam,
    find_spots,
    register_sum,
    track_by_spots,
)
from cryolattice_analyzer.dose_fit import (
    FadingData,
    FadingFit,
    FadingModel,
    exposure_average,
    fading_curve,
    fit_fading,
)
from cryolattice_analyzer.spot_intensity import (
    IntensityKind,
    SpotSeries,
    estimate_noise,
    measure_spots,
    radial_background,
)
from cryolattice_analyzer.spot_widths import fit_widths, stack_sigma

# A row needs this fall of chi2 (5 deviations) and limits within this ratio of each other.
LEAST_SIGNIFICANCE = 25.0
WIDEST_INTERVAL = 3.0


@dataclass(frozen=True)
class DoseRow:
    """Critical dose of one spacing.

    Attributes
    ----------
    d_angstrom : float
        Of the fitted lattice.
    spots : int
        Reflections fitted together.
    critical_dose_e_per_angstrom2, ci95_low, ci95_high : float
        e/angstrom^2.
    model : "exponential" or "exponential+offset"
    """

    d_angstrom: float
    spots: int
    critical_dose_e_per_angstrom2: float
    ci95_low: float
    ci95_high: float
    model: FadingModel


@dataclass(frozen=True)
class FadingCurve:
    """What a figure of one row shows.

    Attributes
    ----------
    d_angstrom : float
    dose_e_per_angstrom2 : ndarray, shape (frames,)
        Accumulated dose in the middle of each frame.
    intensity, standard_error : ndarray, shape (frames,)
        Mean over the spots, as a share of the intensity at zero dose.
    fine_dose_e_per_angstrom2, fitted : ndarray
        The fitted curve.
    plateau : float
        Share that does not fade.
    """

    d_angstrom: float
    dose_e_per_angstrom2: NDArray[np.float64]
    intensity: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    fine_dose_e_per_angstrom2: NDArray[np.float64]
    fitted: NDArray[np.float64]
    plateau: float


@dataclass(frozen=True)
class DoseResult:
    """Everything measured on one series.

    Attributes
    ----------
    rows : tuple of DoseRow
        Largest spacing first.
    curves : tuple of FadingCurve
        One a row.
    lattice : DiffractionLattice
        In the first frame.
    drift_px : ndarray, shape (frames, 2)
        (y, x) against the first frame.
    summed : ndarray, shape (y, x)
        Sum of the registered frames.
    reflections_px : ndarray, shape (n, 2)
        (y, x) of the measured reflections of `rows` in `summed`.
    mask : ndarray of bool, shape (y, x)
        False in the shadow of a beam stop.
    pixel_size_per_angstrom, dose_per_frame_e_per_angstrom2 : float
    name : str
    warnings : tuple of str
    """

    rows: tuple[DoseRow, ...]
    curves: tuple[FadingCurve, ...]
    lattice: DiffractionLattice
    drift_px: NDArray[np.float64]
    summed: NDArray[np.float64]
    reflections_px: NDArray[np.float64]
    mask: NDArray[np.bool_]
    pixel_size_per_angstrom: float
    dose_per_frame_e_per_angstrom2: float
    name: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ImprovementRow:
    """Critical dose of one series over that of another, at one spacing."""

    d_angstrom: float
    factor: float
    ci95_low: float
    ci95_high: float


def analyse_dose_series(
    series: DiffractionSeries,
    dose_per_frame_e_per_angstrom2: float,
    lattice_angstrom: float | None = None,
    kind: IntensityKind = "integrated",
) -> DoseResult:
    """Measure the critical dose of every spacing that the series can tell.

    Strong spots of the first frames give the lattice; every reflection that it predicts on the
    detector is then measured in every frame, seen or not, and those of one spacing are fitted
    together. Left out are spacings whose reflections together stand less than 5 deviations
    above the background and those whose 95 % limits are missing or a factor 3 apart or more;
    reflections in the direct beam's halo, behind a beam stop or cut by the edge.

    Parameters
    ----------
    series : DiffractionSeries
    dose_per_frame_e_per_angstrom2 : float
        The first frame begins at zero dose.
    lattice_angstrom : float, optional
        A spacing that the crystal is known to have: the lattice must have a reflection within
        5 % of it. It is not needed; it guards against a wrong index of a weak pattern.
    kind : {"integrated", "amplitude"}

    Returns
    -------
    DoseResult

    Raises
    ------
    InvalidInputError
        A dose or lattice that cannot be; too few spots; no lattice; nothing that fades.
    """
    dose = check_dose_per_frame(dose_per_frame_e_per_angstrom2)
    if lattice_angstrom is not None and not (
        math.isfinite(lattice_angstrom) and lattice_angstrom > 0
    ):
        raise InvalidInputError(
            f"a lattice spacing of {lattice_angstrom} angstrom cannot be; give a positive length",
            field="lattice",
        )
    frames = repair_hot_pixels(series.frames)
    lattice, drift, mask, beam = _index(frames, series, lattice_angstrom)
    spots = _measure(frames, lattice, drift, mask, beam, kind)
    groups = group_by_spacing(
        spots.hk, symmetrised_metric(lattice.basis_px), series.pixel_size_per_angstrom
    )
    edges = dose * np.arange(len(frames) + 1, dtype=np.float64)
    fits = fit_groups([_data(spots, members, edges) for _, members in groups])
    rows, curves, used = [], [], []
    for (d_angstrom, members), fit in zip(groups, fits, strict=True):
        if fit is None:
            continue
        rows.append(
            DoseRow(
                d_angstrom,
                len(members),
                fit.critical_dose_e_per_angstrom2,
                fit.ci95_low,
                fit.ci95_high,
                fit.model,
            )
        )
        curves.append(_curve(d_angstrom, _data(spots, members, edges), fit))
        used.append(lattice.origin_px + spots.hk[members] @ lattice.basis_px)
    if not rows:
        raise InvalidInputError(
            f"{series.name}: no reflection fades measurably within "
            f"{edges[-1]:g} e/angstrom^2: check the dose per frame, or record more dose",
            field="series",
        )
    return DoseResult(
        rows=tuple(rows),
        curves=tuple(curves),
        lattice=lattice,
        drift_px=drift,
        summed=register_sum(frames, drift),
        reflections_px=np.concatenate(used),
        mask=mask,
        pixel_size_per_angstrom=series.pixel_size_per_angstrom,
        dose_per_frame_e_per_angstrom2=dose,
        name=series.name,
        warnings=_warnings(rows, lattice),
    )


def fit_groups(data: list[FadingData]) -> list[FadingFit | None]:
    """Fit every spacing; None for one that cannot be told.

    Whether there is a plateau is asked of all spacings together first (the sum of their gains
    in chi2, each over its dispersion, at 1 %): no single spacing can tell a slow fading from a
    fast one onto a plateau when the series is short. If so, each spacing has its own plateau;
    if not, only those have one that demand it alone (1 % over all of them, after Bonferroni).
    """
    plain = [fit_fading(group, "exponential") for group in data]
    seen = [fit.significance > LEAST_SIGNIFICANCE + len(fit.initial) for fit in plain]
    count = max(sum(seen), 1)
    raised: list[FadingFit | None] = [
        fit_fading(group, "exponential+offset") if known else None
        for group, known in zip(data, seen, strict=True)
    ]
    gains = np.array(
        [
            max(p.chi2 - r.chi2, 0.0) / r.dispersion if r is not None else 0.0
            for p, r in zip(plain, raised, strict=True)
        ]
    )
    everywhere = float(gains.sum()) > _half_chi2_limit(count, 0.01)
    alone = float(stats.chi2.isf(0.02 / count, 1))
    chosen: list[FadingFit | None] = []
    for p, r, gain in zip(plain, raised, gains, strict=True):
        fit = r if r is not None and (everywhere or gain > alone) else p
        told = (
            r is not None
            and fit.ci95_low > 0
            and math.isfinite(fit.ci95_high)
            and fit.ci95_high < WIDEST_INTERVAL * fit.ci95_low
        )
        chosen.append(fit if told else None)
    return chosen


def compare(
    rows_a: tuple[DoseRow, ...] | list[DoseRow], rows_b: tuple[DoseRow, ...] | list[DoseRow]
) -> list[ImprovementRow]:
    """Return the critical dose of series a over that of b at the spacings of both.

    Rows are paired if their spacings agree within 1 %. The limits are those of the difference
    of two independent logarithms, each side combined from the sides that move it.

    Returns
    -------
    list of ImprovementRow
        Largest spacing first.
    """
    pairs = sorted(
        (abs(math.log(a.d_angstrom / b.d_angstrom)), i, j)
        for i, a in enumerate(rows_a)
        for j, b in enumerate(rows_b)
        if abs(math.log(a.d_angstrom / b.d_angstrom)) < 0.01
    )
    taken_a: set[int] = set()
    taken_b: set[int] = set()
    result = []
    for _, i, j in pairs:
        if i in taken_a or j in taken_b:
            continue
        taken_a.add(i)
        taken_b.add(j)
        (down_a, up_a), (down_b, up_b) = _log_errors(rows_a[i]), _log_errors(rows_b[j])
        factor = rows_a[i].critical_dose_e_per_angstrom2 / rows_b[j].critical_dose_e_per_angstrom2
        result.append(
            ImprovementRow(
                0.5 * (rows_a[i].d_angstrom + rows_b[j].d_angstrom),
                factor,
                factor * math.exp(-math.hypot(down_a, up_b)),
                factor * math.exp(math.hypot(up_a, down_b)),
            )
        )
    return sorted(result, key=lambda row: -row.d_angstrom)


def _log_errors(row: DoseRow) -> tuple[float, float]:
    centre = row.critical_dose_e_per_angstrom2
    return math.log(centre / row.ci95_low), math.log(row.ci95_high / centre)


def _half_chi2_limit(count: int, level: float) -> float:
    """Limit that a sum of `count` one-sided gains exceeds by chance with this probability.

    Each gain is zero or chi-square distributed with one degree of freedom, with equal odds, as
    the plateau cannot be negative (Self and Liang, 1987).
    """
    odds = stats.binom.pmf(np.arange(1, count + 1), count, 0.5)
    low, high = 0.0, 200.0 + 4.0 * count
    for _ in range(60):
        middle = 0.5 * (low + high)
        chance = float((odds * stats.chi2.sf(middle, np.arange(1, count + 1))).sum())
        low, high = (middle, high) if chance > level else (low, middle)
    return high


def _index(
    frames: NDArray[np.float32], series: DiffractionSeries, lattice_angstrom: float | None
) -> tuple[DiffractionLattice, NDArray[np.float64], NDArray[np.bool_], DirectBeam | None]:
    """Lattice in the first frame, drift, beam stop and direct beam."""
    mask = find_beam_stop(frames.sum(axis=0, dtype=np.float64))
    beam = find_direct_beam(frames)
    shape = (frames.shape[1], frames.shape[2])
    spacing = (
        None
        if lattice_angstrom is None
        else 1.0 / (lattice_angstrom * series.pixel_size_per_angstrom)
    )
    drift = np.zeros((len(frames), 2)) if beam is None else beam.track_px - beam.track_px[0]
    excluded = None if beam is None else (beam.position_px, beam.radius_px)
    # How long the spots last is not known yet: take the sum that shows most of them.
    lengths = sorted({max(len(frames) // part, 1) for part in (16, 8, 4, 2)})
    if beam is None:
        lengths = lengths[:2]
    found = [find_spots(register_sum(frames[:n], drift[:n]), mask, excluded) for n in lengths]
    spots = max(found, key=lambda s: len(s.snr))
    lattice = fit_lattice(spots, beam.position_px if beam else None, shape, spacing)
    if beam is None:
        hk, places = predict_positions(lattice, shape, 4.0)
        gap = np.hypot(*(places[:, None] - spots.positions_px[None, :]).transpose(2, 0, 1))
        nearest = gap.argmin(axis=1)
        weights = np.where(
            gap[np.arange(len(hk)), nearest] < 2.0, np.maximum(spots.strength[nearest], 0), 0.0
        )
        tracked = track_by_spots(frames, places, weights, spots.sigma_px, mask)
        lattice = shifted(lattice, tracked[0])
        drift = tracked - tracked[0]
    return lattice, drift, mask, beam


def _measure(
    frames: NDArray[np.float32],
    lattice: DiffractionLattice,
    drift: NDArray[np.float64],
    mask: NDArray[np.bool_],
    beam: DirectBeam | None,
    kind: IntensityKind,
) -> SpotSeries:
    shape = (frames.shape[1], frames.shape[2])
    hk, places = predict_positions(lattice, shape, 3.0)
    centres = lattice.origin_px + drift
    positions = drift[:, None, :] + places[None, :, :]
    distances = np.hypot(*(places - lattice.origin_px).T)
    reach = float(np.clip(0.5 * np.linalg.norm(lattice.basis_px[0]), 4.0, 14.0))
    early = register_sum(frames[: max(len(frames) // 4, 2)], drift[: max(len(frames) // 4, 2)])
    free, sigma, weights = _free_pixels(early, lattice, places, drift, mask, beam, reach)
    if beam is not None:
        clear = distances > beam.radius_px + 1.5 * sigma
        hk, positions = hk[clear], positions[:, clear]
        distances, weights = distances[clear], weights[clear]
    radial = radial_background(frames, centres, free)
    widths = fit_widths(frames, positions, distances, weights, reach, sigma)
    noise = estimate_noise(frames, free)
    return measure_spots(
        frames, hk, positions, centres, widths, radial, noise, mask, lattice.basis_px, kind
    )


def _free_pixels(
    early: NDArray[np.float64],
    lattice: DiffractionLattice,
    places: NDArray[np.float64],
    drift: NDArray[np.float64],
    mask: NDArray[np.bool_],
    beam: DirectBeam | None,
    reach: float,
) -> tuple[NDArray[np.bool_], float, NDArray[np.float64]]:
    """Pixels between the reflections, the spots' width in the first frames, their strengths."""
    y, x = np.rint(places).astype(int).T
    padded = np.pad(early, 2, mode="reflect")
    core = sum(padded[y + i, x + j] for i in (1, 2, 3) for j in (1, 2, 3)) / 9.0
    half = round(0.5 * reach)
    ring = np.mean(
        [
            early[
                np.clip(y + round(1.5 * half * np.sin(t)), 0, early.shape[0] - 1),
                np.clip(x + round(1.5 * half * np.cos(t)), 0, early.shape[1] - 1),
            ]
            for t in np.arange(12) * np.pi / 6
        ],
        axis=0,
    )
    rise = np.maximum(core - ring, 0.0)
    distance = np.hypot(*(places - lattice.origin_px).T)
    visible = mask[y, x] & (distance > (beam.radius_px if beam else 0.0) + 2.0)
    strength = np.where(visible & (rise > 0.02 * np.max(rise[visible], initial=0.0)), rise, 0.0)
    sigma, error, _ = stack_sigma(early, places, strength, reach)
    if not (np.isfinite(sigma) and error < 0.3 * sigma):
        sigma = 0.25 * reach
    sigma = min(sigma, 0.5 * reach)
    free = mask.copy()
    yy, xx = np.indices(early.shape)
    spread = float(np.abs(drift).max(initial=0.0))
    middle = drift.mean(axis=0)
    # All nodes are shut out, seen or not; in a dense lattice little is left, but enough.
    for radius in (3.0 * sigma + 0.5 * spread, 2.2 * sigma):
        fractional = (
            np.stack([yy, xx], axis=2) - lattice.origin_px - middle
        ) @ np.linalg.inv(lattice.basis_px)
        off = (fractional - np.rint(fractional)) @ lattice.basis_px
        free = mask & ((off**2).sum(axis=2) > radius**2)
        if free.mean() > 0.15 * mask.mean():
            break
    if beam is not None:
        free &= np.hypot(yy - beam.position_px[0], xx - beam.position_px[1]) > beam.radius_px
    return free, sigma, strength * 2.0 * np.pi * sigma**2


def _data(
    spots: SpotSeries, members: NDArray[np.int64], edges: NDArray[np.float64]
) -> FadingData:
    return FadingData(
        edges,
        spots.intensity[members],
        spots.background_variance[members],
        spots.shot_variance[members],
    )


def _curve(d_angstrom: float, data: FadingData, fit: FadingFit) -> FadingCurve:
    """Weighted mean of the spots' intensities over their own I0."""
    edges = data.dose_edges
    initial = np.maximum(fit.initial, 0.0)[:, None]
    norm = (fit.weights * initial**2).sum(axis=0)
    mean = (fit.weights * initial * data.intensity).sum(axis=0) / norm
    fine = np.linspace(0.0, edges[-1], 241)
    return FadingCurve(
        d_angstrom=d_angstrom,
        dose_e_per_angstrom2=0.5 * (edges[1:] + edges[:-1]),
        intensity=mean,
        standard_error=np.sqrt(fit.dispersion / norm),
        fine_dose_e_per_angstrom2=fine,
        fitted=fading_curve(fine, fit.critical_dose_e_per_angstrom2, fit.plateau),
        plateau=fit.plateau,
    )


def _warnings(rows: list[DoseRow], lattice: DiffractionLattice) -> tuple[str, ...]:
    notes = []
    if lattice.indexed < 0.7 * lattice.seen:
        notes.append(
            f"{lattice.seen - lattice.indexed} of {lattice.seen} spots are not on the lattice: "
            "a second crystal, or ice, may overlap reflections"
        )
    if lattice.residual_px > 0.6:
        notes.append(
            f"spots lie {lattice.residual_px:.1f} px (rms) off the lattice: "
            "check the pattern for distortion"
        )
    if any(row.model == "exponential+offset" for row in rows):
        notes.append("part of the intensity does not fade: critical doses are of the fading part")
    return tuple(notes)


__all__ = [
    "DoseResult",
    "DoseRow",
    "FadingCurve",
    "ImprovementRow",
    "analyse_dose_series",
    "compare",
    "exposure_average",
    "fit_groups",
]
