"""Index a diffraction series, follow its drift, and measure its reflections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.dose.diffraction_lattice import DiffractionLattice, fit_lattice, shifted
from cryolattice_analyzer.dose.diffraction_spots import (
    Spots,
    find_spots,
    register_sum,
    track_by_spots,
    white_noise,
)
from cryolattice_analyzer.dose.direct_beam import DirectBeam, find_beam_stop, find_direct_beam
from cryolattice_analyzer.dose.reflections import predict_positions
from cryolattice_analyzer.dose.spot_intensity import (
    IntensityKind,
    SpotSeries,
    estimate_noise,
    measure_spots,
    radial_background,
)
from cryolattice_analyzer.dose.spot_widths import fit_widths, stack_sigma


@dataclass(frozen=True)
class IndexedSeries:
    """Where everything is in a series.

    Attributes
    ----------
    lattice : DiffractionLattice
        In the first frame.
    drift_px : ndarray, shape (frames, 2)
        (y, x) against the first frame.
    mask : ndarray of bool, shape (y, x)
        False in the shadow of a beam stop.
    beam : DirectBeam or None
        None if it is blocked.
    """

    lattice: DiffractionLattice
    drift_px: NDArray[np.float64]
    mask: NDArray[np.bool_]
    beam: DirectBeam | None


def index_series(
    frames: NDArray[np.float32],
    pixel_size_per_angstrom: float,
    lattice_angstrom: float | None = None,
) -> IndexedSeries:
    """Find beam stop, direct beam, lattice and drift of a series.

    Parameters
    ----------
    frames : ndarray, shape (frames, y, x)
    pixel_size_per_angstrom : float
    lattice_angstrom : float, optional
        A spacing that the lattice must have, within 5 %.

    Returns
    -------
    IndexedSeries

    Raises
    ------
    InvalidInputError
        As `diffraction_lattice.fit_lattice`.
    """
    mask = find_beam_stop(frames[2 * len(frames) // 3 :].sum(axis=0, dtype=np.float64))
    beam = find_direct_beam(frames)
    shape = (frames.shape[1], frames.shape[2])
    spacing = (
        None if lattice_angstrom is None else 1.0 / (lattice_angstrom * pixel_size_per_angstrom)
    )
    drift = np.zeros((len(frames), 2)) if beam is None else beam.track_px - beam.track_px[0]
    excluded = None if beam is None else (beam.position_px, beam.radius_px)
    # How long the spots last is not known yet: take the sum that shows most of them.
    lengths = sorted({max(len(frames) // part, 1) for part in (16, 8, 4, 2)})
    if beam is None:
        lengths = lengths[:2]
    sums = [register_sum(frames[:n], drift[:n]) for n in lengths]
    origin = beam.position_px if beam else None

    def index(spots: Spots) -> DiffractionLattice | InvalidInputError:
        try:
            return fit_lattice(spots, origin, shape, spacing)
        except InvalidInputError as error:
            return error

    spots = max((find_spots(total, mask, excluded) for total in sums), key=lambda s: len(s.snr))
    lattice = index(spots)
    if isinstance(lattice, InvalidInputError) or lattice.indexed < max(0.8 * lattice.seen, 20):
        # Few spots, or so many that they pass for noise: judge them by the white noise alone.
        noises = [white_noise(frames[:n].sum(axis=0, dtype=np.float64)) for n in lengths]
        denser = max(
            (find_spots(t, mask, excluded, w) for t, w in zip(sums, noises, strict=True)),
            key=lambda s: len(s.snr),
        )
        again = index(denser)
        if not isinstance(again, InvalidInputError) and (
            isinstance(lattice, InvalidInputError)
            or (again.indexed > lattice.indexed and again.indexed > 0.7 * again.seen)
        ):
            spots, lattice = denser, again
    if isinstance(lattice, InvalidInputError):
        raise lattice
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
    return IndexedSeries(lattice, drift, mask, beam)


def measure_series(
    frames: NDArray[np.float32], index: IndexedSeries, kind: IntensityKind = "integrated"
) -> SpotSeries:
    """Measure every reflection that the lattice predicts on the detector, in every frame.

    Parameters
    ----------
    frames : ndarray, shape (frames, y, x)
    index : IndexedSeries
    kind : {"integrated", "amplitude"}

    Returns
    -------
    SpotSeries
        Without reflections in the direct beam's halo, behind a stop or cut by the edge.
    """
    lattice, drift, mask, beam = index.lattice, index.drift_px, index.mask, index.beam
    shape = (frames.shape[1], frames.shape[2])
    hk, places = predict_positions(lattice, shape, 3.0)
    centres = lattice.origin_px + drift
    positions = drift[:, None, :] + places[None, :, :]
    distances = np.hypot(*(places - lattice.origin_px).T)
    reach = float(np.clip(0.5 * np.linalg.norm(lattice.basis_px[0]), 4.0, 14.0))
    early = register_sum(frames[: max(len(frames) // 4, 2)], drift[: max(len(frames) // 4, 2)])
    free, sigma, weights = _free_pixels(early, index, places, reach)
    if beam is not None:
        clear = distances > beam.radius_px + 1.5 * sigma
        hk, positions = hk[clear], positions[:, clear]
        distances, weights = distances[clear], weights[clear]
    radial = radial_background(frames, centres, free)
    widths = fit_widths(frames, positions, distances, weights, reach, start_sigma_px=sigma)
    noise = estimate_noise(frames, free)
    return measure_spots(
        frames,
        hk,
        positions,
        centres,
        widths=widths,
        radial=radial,
        noise=noise,
        mask=mask,
        basis_px=lattice.basis_px,
        kind=kind,
    )


def _free_pixels(
    early: NDArray[np.float64], index: IndexedSeries, places: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.bool_], float, NDArray[np.float64]]:
    """Pixels between the reflections, the spots' width in the first frames, their strengths."""
    lattice, drift, mask, beam = index.lattice, index.drift_px, index.mask, index.beam
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
        fractional = (np.stack([yy, xx], axis=2) - lattice.origin_px - middle) @ np.linalg.inv(
            lattice.basis_px
        )
        off = (fractional - np.rint(fractional)) @ lattice.basis_px
        free = mask & ((off**2).sum(axis=2) > radius**2)
        if free.mean() > 0.15 * mask.mean():
            break
    if beam is not None:
        free &= np.hypot(yy - beam.position_px[0], xx - beam.position_px[1]) > beam.radius_px
    return free, sigma, strength * 2.0 * np.pi * sigma**2
