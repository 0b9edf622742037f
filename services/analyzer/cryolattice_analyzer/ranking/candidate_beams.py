"""A candidate's beams, brought into the setting of the averaged cell.

The simulator hands over psi(r) = sum psi_hk exp(2 pi i g.r) of the exit wave at a series of
thicknesses, in the candidate's own cell. Here they are indexed on the supercell of the average,
turned and mirrored by the operations that the view's lattice allows, and interpolated in thickness.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import scipy.fft
import scipy.interpolate
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError

# Two settings are the same image when their waves agree to this correlation after a shift.
SAME_WAVE = 1 - 1e-4


@dataclass(frozen=True)
class CandidateBeams:
    """Exit waves of one candidate over thickness.

    Attributes
    ----------
    hk : ndarray of int, shape (b, 2)
        Orders on the candidate's own cell.
    psi : ndarray of complex, shape (t, b)
        Fourier coefficients of the exit wave; the mean incident intensity is 1.
    thickness_angstrom : ndarray, shape (t,)
        Increasing, above 0.
    repeats : tuple of int
        The candidate's cell in parent cells along a and b of the view.
    """

    hk: NDArray[np.int64]
    psi: NDArray[np.complexfloating]
    thickness_angstrom: NDArray[np.float64]
    repeats: tuple[int, int]

    def __post_init__(self) -> None:
        t, b = self.psi.shape
        if self.hk.shape != (b, 2) or self.thickness_angstrom.shape != (t,) or t == 0:
            raise InvalidInputError(
                f"beams {self.psi.shape}, orders {self.hk.shape} and thicknesses "
                f"{self.thickness_angstrom.shape} do not belong together: (t, b), (b, 2), (t,)",
                field="beams",
            )
        if self.thickness_angstrom[0] <= 0 or np.any(np.diff(self.thickness_angstrom) <= 0):
            raise InvalidInputError(
                "thicknesses must be positive and increasing, in angstrom", field="beams"
            )
        if min(self.repeats) < 1 or not np.any(np.all(self.hk == 0, axis=1)):
            raise InvalidInputError(
                f"beams of a {self.repeats[0]} x {self.repeats[1]} cell: multiples must be 1 or "
                "more, and the direct beam (0, 0) must be among the orders",
                field="beams",
            )


def lattice_operations(
    a_angstrom: float, b_angstrom: float, gamma_deg: float, *, tolerance: float = 0.01
) -> list[NDArray[np.int64]]:
    """List the turns and mirrors that map a plane lattice onto itself (its holohedry).

    Parameters
    ----------
    a_angstrom, b_angstrom, gamma_deg : float
        The ideal cell of the view, not the strained one observed.
    tolerance : float
        Relative, on the metric.

    Returns
    -------
    list of ndarray of int, shape (2, 2)
        Matrices W on fractional coordinates, x' = W x; the identity first.
    """
    cos = np.cos(np.radians(gamma_deg))
    metric = np.array(
        [
            [a_angstrom**2, a_angstrom * b_angstrom * cos],
            [a_angstrom * b_angstrom * cos, b_angstrom**2],
        ]
    )
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    operations = []
    for entries in product((1, 0, -1), repeat=4):
        w = np.array(entries).reshape(2, 2)
        if abs(w[0, 0] * w[1, 1] - w[0, 1] * w[1, 0]) != 1:
            continue
        if np.all(np.abs(w.T @ metric @ w - metric) <= tolerance * scale):
            operations.append(w)
    operations.sort(key=lambda w: not np.array_equal(w, np.eye(2, dtype=np.int64)))
    return operations


def on_supercell(
    beams: CandidateBeams, supercell: tuple[int, int], operation: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Orders (b, 2) of the turned candidate on the average's supercell.

    Returns None where the turned candidate has beams between the supercell's (a 2 x 1 cell turned
    by 90 degrees has no place in a 2 x 1 average).
    """
    if any(n % m for n, m in zip(supercell, beams.repeats, strict=True)):
        return None
    inverse = np.rint(np.linalg.inv(operation)).astype(np.int64)
    # Orders in units of the parent's a*, b* are hk / repeats; a row vector q turns into q W^-1.
    common = beams.repeats[0] * beams.repeats[1]
    parent = (beams.hk * (common // np.array(beams.repeats))) @ inverse
    orders = parent * np.array(supercell)
    if np.any(orders % common):
        return None
    return np.asarray(orders // common, dtype=np.int64)


def best_overlap(
    first_orders: NDArray[np.int64],
    first: NDArray[np.complexfloating],
    second_orders: NDArray[np.int64],
    second: NDArray[np.complexfloating],
) -> float:
    """Greatest correlation of two exit waves over all shifts of the origin, without direct beams.

    The direct beam is the same in every setting: only the scattered part can tell waves apart.
    Waves without any scattering agree.
    """
    top = int(max(np.abs(first_orders).max(), np.abs(second_orders).max()))
    size = scipy.fft.next_fast_len(2 * top + 1)
    grids = np.zeros((2, size, size), np.complex128)
    for grid, orders, values in zip(
        grids, (first_orders, second_orders), (first, second), strict=True
    ):
        grid[orders[:, 0] % size, orders[:, 1] % size] = values
        grid[0, 0] = 0
    norm = float(np.linalg.norm(grids[0]) * np.linalg.norm(grids[1]))
    if norm == 0:
        return 1.0 if not grids.any() else 0.0
    cross = scipy.fft.ifft2(grids[0] * grids[1].conj(), norm="forward")
    return float(np.abs(cross).max()) / norm


def distinct_settings(
    beams: CandidateBeams, supercell: tuple[int, int], operations: list[NDArray[np.int64]]
) -> list[tuple[int, NDArray[np.int64]]]:
    """Operations that give different images, apart from a shift of the origin.

    Returns
    -------
    list of (int, ndarray of int, shape (b, 2))
        Index of the operation and the orders on the supercell.
    """
    middle = beams.psi[len(beams.psi) // 2]
    settings: list[tuple[int, NDArray[np.int64]]] = []
    for index, operation in enumerate(operations):
        orders = on_supercell(beams, supercell, operation)
        if orders is not None and not any(
            best_overlap(orders, middle, other, middle) >= SAME_WAVE for _, other in settings
        ):
            settings.append((index, orders))
    if not settings:
        raise InvalidInputError(
            f"a candidate's cell of {beams.repeats[0]} x {beams.repeats[1]} parent cells does not "
            f"fit into the average's {supercell[0]} x {supercell[1]}; average a common multiple",
            field="supercell",
        )
    return settings


def interpolate_thickness(
    beams: CandidateBeams,
    g_square_per_angstrom2: NDArray[np.float64],
    wavelength_angstrom: float,
    thickness_angstrom: NDArray[np.float64],
) -> NDArray[np.complex128]:
    """Beams between the simulated thicknesses.

    What remains after the free propagation exp(-i pi lambda g^2 t) and the mean inner potential's
    phase are taken out varies slowly, and a cubic spline follows it; the entrance surface, where
    only the direct beam is, is one of its knots.

    Parameters
    ----------
    beams : CandidateBeams
    g_square_per_angstrom2 : ndarray, shape (b,)
        Of the candidate's ideal cell.
    wavelength_angstrom : float
    thickness_angstrom : ndarray, shape (n,)
        Within 0 and the greatest simulated thickness.

    Returns
    -------
    ndarray of complex128, shape (n, b)
    """
    direct = np.all(beams.hk == 0, axis=1)
    knots = np.concatenate([[0.0], beams.thickness_angstrom])
    entrance = direct.astype(np.complex128)[None, :]
    psi = np.concatenate([entrance, beams.psi.astype(np.complex128)])
    first = np.angle(psi[1, direct][0]) / knots[1]
    rate = first - np.pi * wavelength_angstrom * g_square_per_angstrom2
    slow = psi * np.exp(-1j * rate * knots[:, None])
    spline = scipy.interpolate.make_interp_spline(knots, slow, k=min(3, len(knots) - 1))
    values = spline(thickness_angstrom) * np.exp(1j * rate * thickness_angstrom[:, None])
    return np.asarray(values)
