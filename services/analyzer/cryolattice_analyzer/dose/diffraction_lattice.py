"""Index the spots of a diffraction pattern on a two-dimensional reciprocal lattice."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.dose.diffraction_spots import Spots

_OUTLIERS = 0.05
_FEWEST_SPOTS = 6
_HINT_TOLERANCE = 0.05


@dataclass(frozen=True)
class DiffractionLattice:
    """A reciprocal lattice on the detector.

    Attributes
    ----------
    basis_px : ndarray, shape (2, 2)
        Rows are the two shortest reciprocal vectors (y, x) in pixels; both are free, so a
        camera's ellipticity is part of them.
    origin_px : ndarray, shape (2,)
        (y, x) of the undiffracted beam.
    residual_px : float
        Root mean square distance of the indexed spots from their nodes.
    indexed : int
        Spots on a node.
    seen : int
        Spots found.
    """

    basis_px: NDArray[np.float64]
    origin_px: NDArray[np.float64]
    residual_px: float
    indexed: int
    seen: int


def fit_lattice(
    spots: Spots,
    beam_px: tuple[float, float] | None,
    frame_shape: tuple[int, int],
    spacing_px: float | None = None,
) -> DiffractionLattice:
    """Find the lattice on which the spots lie.

    Vectors between spots propose bases; each is refined by least squares from its anchor
    outwards and judged by the likelihood of the positions, in which a spot lies on a node
    (Gaussian) with 95 % or anywhere in the frame: a needlessly dense lattice has more nodes
    to miss and loses. Spots left over, if they are enough and at rational places, make the
    lattice a superlattice of index 2 to 4.

    Parameters
    ----------
    spots : Spots
    beam_px : (y, x) or None
        The direct beam. Without it (or if it is no node) the origin is the node about which
        the spots are symmetric (Friedel's law).
    frame_shape : (ny, nx)
    spacing_px : float, optional
        Length of a reciprocal vector that the lattice must have, within 5 %.

    Returns
    -------
    DiffractionLattice

    Raises
    ------
    InvalidInputError
        Too few spots, or no lattice (field ``series``); none with the wanted spacing (field
        ``lattice``).
    """
    positions = spots.positions_px
    if len(positions) < _FEWEST_SPOTS:
        raise InvalidInputError(
            f"only {len(positions)} diffraction spots stand out of the background; an index needs "
            f"{_FEWEST_SPOTS}: check that the first frames show sharp reflections",
            field="series",
        )
    tolerance = max(0.6, 0.3 * spots.sigma_px)
    area = float(frame_shape[0] * frame_shape[1])
    best: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None
    found_any = False
    centre = np.array(beam_px) if beam_px is not None else None
    for anchor in _anchors(positions, centre):
        for pair in _candidate_bases(positions, spots.sigma_px):
            fitted = _grow(positions, anchor, pair, tolerance)
            if fitted is None:
                continue
            origin, basis = fitted
            basis = reduce_basis(basis)
            if np.linalg.norm(basis[0]) < 3.0 * spots.sigma_px:
                continue
            found_any = True
            if spacing_px is not None and not _has_spacing(basis, spacing_px):
                continue
            likelihood = _likelihood(positions, origin, basis, tolerance, area)
            if best is None or likelihood > best[0] + 1e-9:
                best = (likelihood, origin, basis)
        if best is not None and _share(positions, best[1], best[2], tolerance) > 0.6:
            break
    if best is None and found_any and spacing_px is not None:
        raise InvalidInputError(
            f"no lattice of the pattern has a reflection {spacing_px:.2f} px from the centre, "
            "where the given lattice spacing puts one: check the lattice and the pixel size",
            field="lattice",
        )
    if best is None or _share(positions, best[1], best[2], tolerance) < 0.4:
        raise InvalidInputError(
            f"the {len(positions)} spots found lie on no common lattice: check that the series "
            "shows one crystal along a zone axis",
            field="series",
        )
    _, origin, basis = best
    basis = _superlattice(positions, origin, basis, tolerance)
    origin, basis, kept = _refine(positions, spots.snr, origin, basis, 3.0 * tolerance)
    origin = _choose_origin(spots, origin, basis, centre, frame_shape)
    residual = _residuals(positions, origin, basis)
    return DiffractionLattice(
        basis,
        origin,
        float(np.sqrt((residual[kept] ** 2).sum(axis=1).mean())),
        int(kept.sum()),
        len(positions),
    )


def reduce_basis(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the two shortest independent vectors (Gauss's reduction), right-handed."""
    a, b = basis[0].copy(), basis[1].copy()
    for _ in range(60):
        if a @ a > b @ b:
            a, b = b, a
        steps = round(float(a @ b) / float(a @ a))
        if steps == 0:
            break
        b = b - steps * a
    if a[0] * b[1] - a[1] * b[0] < 0:
        b = -b
    return np.array([a, b])


def shifted(lattice: DiffractionLattice, shift_px: NDArray[np.float64]) -> DiffractionLattice:
    """Return the lattice with its origin moved by (y, x)."""
    return replace(lattice, origin_px=lattice.origin_px + shift_px)


def _anchors(
    positions: NDArray[np.float64], centre: NDArray[np.float64] | None
) -> list[NDArray[np.float64]]:
    """Points that should be nodes: the beam, else strong spots near the middle of all."""
    middle = positions.mean(axis=0) if centre is None else centre
    strong = positions[: max(len(positions) // 2, 6)]
    near = strong[np.argsort(((strong - middle) ** 2).sum(axis=1))][:3]
    return ([centre] if centre is not None else []) + list(near)


def _candidate_bases(
    positions: NDArray[np.float64], sigma_px: float, most: int = 24
) -> list[NDArray[np.float64]]:
    """Pairs of vectors between spots, those that recur most often."""
    strong = positions[:90]
    vectors = (strong[:, None] - strong[None, :]).reshape(-1, 2)
    vectors = vectors[(vectors[:, 0] > 0) | ((vectors[:, 0] == 0) & (vectors[:, 1] > 0))]
    length = np.hypot(*vectors.T)
    vectors = vectors[length > 3.0 * sigma_px]
    vectors = vectors[np.argsort(np.hypot(*vectors.T))][:1500]
    close = np.hypot(*(vectors[:, None] - vectors[None, :]).transpose(2, 0, 1)) < 1.5
    votes = close.sum(axis=1)
    chosen: list[NDArray[np.float64]] = []
    left = np.ones(len(vectors), dtype=bool)
    # Short vectors recur most; a mild preference for them breaks ties.
    worth = votes / np.sqrt(np.hypot(*vectors.T))
    while left.any() and len(chosen) < most:
        index = int(np.argmax(np.where(left, worth, -1.0)))
        member = close[index]
        chosen.append(vectors[member].mean(axis=0))
        left &= np.hypot(*(vectors - vectors[index]).T) > 3.0
    pairs = []
    for a, b in itertools.combinations(chosen, 2):
        area = abs(float(a[0] * b[1] - a[1] * b[0]))
        if area > 0.25 * float(np.linalg.norm(a) * np.linalg.norm(b)):
            pairs.append(np.array([a, b]))
    return pairs


def _grow(
    positions: NDArray[np.float64],
    anchor: NDArray[np.float64],
    basis: NDArray[np.float64],
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Refine from the anchor outwards, so that a small error cannot slip an index far out."""
    origin = anchor
    distance = np.hypot(*(positions - anchor).T)
    longest = float(np.linalg.norm(basis, axis=1).max())
    reach = 2.2 * longest
    while True:
        near = distance < reach
        if near.sum() >= 4:
            kept = near & (np.hypot(*_residuals(positions, origin, basis).T) < 3.0 * tolerance)
            if kept.sum() >= 4:
                solved = _solve(positions[kept], np.ones(kept.sum()), origin, basis)
                if solved is None:
                    return None
                origin, basis = solved
        if reach > distance.max():
            return (origin, basis) if near.sum() >= 4 else None
        reach *= 1.6


def _solve(
    positions: NDArray[np.float64],
    weights: NDArray[np.float64],
    origin: NDArray[np.float64],
    basis: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    hk = np.rint((positions - origin) @ np.linalg.inv(basis))
    design = np.column_stack([np.ones(len(hk)), hk]) * weights[:, None]
    if np.linalg.matrix_rank(design) < 3:
        return None
    answer = np.linalg.lstsq(design, positions * weights[:, None], rcond=None)[0]
    if abs(np.linalg.det(answer[1:])) < 1.0:
        return None
    return answer[0], answer[1:]


def _refine(
    positions: NDArray[np.float64],
    snr: NDArray[np.float64],
    origin: NDArray[np.float64],
    basis: NDArray[np.float64],
    limit_px: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    weights = np.minimum(snr, 40.0)
    kept = np.hypot(*_residuals(positions, origin, basis).T) < limit_px
    for _ in range(4):
        solved = _solve(positions[kept], weights[kept], origin, basis)
        if solved is None:
            break
        origin, basis = solved
        distance = np.hypot(*_residuals(positions, origin, basis).T)
        typical = float(np.median(distance[kept]))
        kept = distance < min(limit_px, max(4.0 * typical, 0.3))
    return origin, basis, kept


def _residuals(
    positions: NDArray[np.float64], origin: NDArray[np.float64], basis: NDArray[np.float64]
) -> NDArray[np.float64]:
    hk = (positions - origin) @ np.linalg.inv(basis)
    return np.asarray((hk - np.rint(hk)) @ basis)


def _likelihood(
    positions: NDArray[np.float64],
    origin: NDArray[np.float64],
    basis: NDArray[np.float64],
    sigma: float,
    area: float,
) -> float:
    square = (_residuals(positions, origin, basis) ** 2).sum(axis=1)
    cell = abs(float(np.linalg.det(basis)))
    on_node = (1 - _OUTLIERS) * cell / (2 * np.pi * sigma**2) * np.exp(-square / (2 * sigma**2))
    return float(np.log(on_node + _OUTLIERS).sum()) - 1e-6 * area / cell


def _share(
    positions: NDArray[np.float64],
    origin: NDArray[np.float64],
    basis: NDArray[np.float64],
    tolerance: float,
) -> float:
    return float((np.hypot(*_residuals(positions, origin, basis).T) < 3.0 * tolerance).mean())


def _has_spacing(basis: NDArray[np.float64], spacing_px: float) -> bool:
    hk = np.array([(h, k) for h in range(-4, 5) for k in range(-4, 5) if (h, k) != (0, 0)])
    lengths = np.hypot(*(hk @ basis).T)
    return bool((np.abs(lengths / spacing_px - 1.0) < _HINT_TOLERANCE).any())


def _superlattice(
    positions: NDArray[np.float64],
    origin: NDArray[np.float64],
    basis: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.float64]:
    """Return a denser basis if the spots left over lie on it, else `basis`."""
    residual = np.hypot(*_residuals(positions, origin, basis).T)
    rest = positions[residual > 3.0 * tolerance]
    if len(rest) < 4:
        return basis
    for index in (2, 3, 4):
        for a in (n for n in range(1, index + 1) if index % n == 0):
            c = index // a
            for shear in range(c):
                trial = reduce_basis(np.linalg.inv(np.array([[a, shear], [0, c]])) @ basis)
                cell = abs(float(np.linalg.det(trial)))
                chance = math.pi * (3.0 * tolerance) ** 2 / cell
                hits = _share(rest, origin, trial, tolerance)
                if chance < 0.5 and hits > 0.8 and len(rest) * math.log(1 / chance) > 10.0:
                    return trial
    return basis


def _choose_origin(
    spots: Spots,
    origin: NDArray[np.float64],
    basis: NDArray[np.float64],
    beam: NDArray[np.float64] | None,
    frame_shape: tuple[int, int],
) -> NDArray[np.float64]:
    if beam is not None:
        node = origin + np.rint((beam - origin) @ np.linalg.inv(basis)) @ basis
        if np.linalg.norm(node - beam) < 0.2 * np.linalg.norm(basis[0]):
            return np.asarray(node)
    positions, strength = spots.positions_px, np.sqrt(np.maximum(spots.strength, 0.0))
    middle = (positions * strength[:, None]).sum(axis=0) / strength.sum()
    nearest = np.rint((middle - origin) @ np.linalg.inv(basis))
    limit = 0.25 * min(frame_shape)
    best, best_score = origin, -np.inf
    for step in itertools.product(range(-6, 7), repeat=2):
        node = origin + (nearest + np.array(step)) @ basis
        if np.linalg.norm(node - middle) > limit:
            continue
        mirrored = 2 * node - positions
        inside = ((mirrored >= 0) & (mirrored < np.array(frame_shape))).all(axis=1)
        gap = np.hypot(*(mirrored[:, None] - positions[None, :]).transpose(2, 0, 1))
        partner = np.argmin(gap, axis=1)
        matched = gap[np.arange(len(gap)), partner] < 0.25 * np.linalg.norm(basis[0])
        # the weaker of two partners: their product hardly falls when a smooth pattern is shifted
        shared = np.where(matched & inside, np.minimum(strength, strength[partner]), 0.0)
        score = float(
            (shared**2).sum() / max((strength[inside] ** 2).sum(), 0.5 * (strength**2).sum())
        )
        if score > best_score:
            best, best_score = node, score
    return np.asarray(best)
