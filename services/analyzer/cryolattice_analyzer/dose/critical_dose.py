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
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.dose.diffraction_lattice import DiffractionLattice
from cryolattice_analyzer.dose.diffraction_series import (
    DiffractionSeries,
    check_dose_per_frame,
    repair_hot_pixels,
)
from cryolattice_analyzer.dose.diffraction_spots import register_sum
from cryolattice_analyzer.dose.dose_fit import FadingData, FadingFit, FadingModel, fading_curve
from cryolattice_analyzer.dose.fading_groups import fit_groups
from cryolattice_analyzer.dose.reflections import group_by_spacing, symmetrised_metric
from cryolattice_analyzer.dose.spot_intensity import IntensityKind, SpotSeries
from cryolattice_analyzer.dose.spot_tracking import index_series, measure_series


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
    index = index_series(frames, series.pixel_size_per_angstrom, lattice_angstrom)
    lattice, drift = index.lattice, index.drift_px
    spots = measure_series(frames, index, kind)
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
        mask=index.mask,
        pixel_size_per_angstrom=series.pixel_size_per_angstrom,
        dose_per_frame_e_per_angstrom2=dose,
        name=series.name,
        warnings=_warnings(rows, lattice),
    )


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


def _data(spots: SpotSeries, members: NDArray[np.int64], edges: NDArray[np.float64]) -> FadingData:
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
