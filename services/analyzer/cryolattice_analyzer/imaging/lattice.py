"""The two-dimensional lattice of a micrograph.

Convention: positions and frequencies are (x, y) with x along columns and y along rows, from the
centre of pixel (0, 0). Bases are right-handed in (x, y): b lies at an angle gamma from a towards +y
as x turns towards y. ``rotation_deg`` is the azimuth of a from +x towards +y; of the settings that
the lattice's symmetry makes equal, the one nearest zero is reported, in (-45, 45] for a square
cell, (-30, 30] for a hexagonal one and (-90, 90] otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.imaging.lattice_refine import (
    ANCHOR_EVIDENCE,
    RESOLUTION_PER_ANGSTROM,
    anchor_basis,
    refine_lattice,
)
from cryolattice_analyzer.imaging.lattice_search import (
    STRAIN_TOLERANCE,
    CellMatch,
    evidence_map,
    half_plane_indices,
    search_any_cell,
    search_cell,
    usable_bins,
)
from cryolattice_analyzer.imaging.parent_cell import (
    RESEMBLANCE,
    RESEMBLANCE_DEG,
    ParentCell,
)
from cryolattice_analyzer.imaging.power_spectrum import PowerSpectrum, hann_window, power_spectrum

SCALE_TOLERANCE = 0.04
BLIND_RESOLUTION_PER_ANGSTROM = 1.2
# A lattice is reported where noise alone would give one in fewer than this share of images.
LOG10_FALSE_ALARM_LIMIT = -5.0


@dataclass(frozen=True)
class LatticeSpot:
    """One measured reflection of the lattice: indices, place (x, y) and how it stands out.

    ``snr`` is the square root of the power over the local background, an amplitude in units of the
    noise; the mean of noise alone is about 0.9.
    """

    h: int
    k: int
    g_per_angstrom: tuple[float, float]
    snr: float


@dataclass(frozen=True)
class Lattice2D:
    """A lattice in the image plane.

    Attributes
    ----------
    reciprocal : ndarray, shape (2, 2)
        Rows a*, b* in (x, y), 1/angstrom, of the parent-sized cell.
    covariance : ndarray, shape (4, 4)
        Of the elements of `reciprocal` in row order.
    spots : tuple of LatticeSpot
        One of each Friedel pair.
    log10_false_alarm : float
        Chance (decimal logarithm) that noise alone looks so much like a lattice.
    rotation_period_deg : float
        Rotations equal up to this are one setting.
    """

    reciprocal: NDArray[np.float64]
    covariance: NDArray[np.float64]
    spots: tuple[LatticeSpot, ...]
    log10_false_alarm: float
    rotation_period_deg: float = 180.0

    @property
    def direct(self) -> NDArray[np.float64]:
        """Rows a, b in (x, y), angstrom."""
        return np.asarray(np.linalg.inv(self.reciprocal).T)

    @property
    def a_angstrom(self) -> float:
        """Length of a."""
        return float(np.linalg.norm(self.direct[0]))

    @property
    def b_angstrom(self) -> float:
        """Length of b."""
        return float(np.linalg.norm(self.direct[1]))

    @property
    def gamma_deg(self) -> float:
        """Angle from a to b."""
        a, b = self.direct
        return float(np.degrees(np.arctan2(a[0] * b[1] - a[1] * b[0], a @ b)))

    @property
    def rotation_deg(self) -> float:
        """Azimuth of a from +x towards +y."""
        a = self.direct[0]
        return float(np.degrees(np.arctan2(a[1], a[0])))

    @property
    def standard_errors(self) -> tuple[float, float, float, float]:
        """Of a and b in angstrom, gamma and rotation in degrees: noise only, not calibration."""

        def derived(elements: NDArray[np.float64]) -> NDArray[np.float64]:
            a, b = np.linalg.inv(elements.reshape(2, 2)).T
            gamma = np.degrees(np.arctan2(a[0] * b[1] - a[1] * b[0], a @ b))
            return np.array([np.hypot(*a), np.hypot(*b), gamma, np.degrees(np.arctan2(a[1], a[0]))])

        here = self.reciprocal.ravel()
        step = 1e-6 * np.linalg.norm(here)
        columns = [
            (derived(here + step * e) - derived(here - step * e)) / (2 * step) for e in np.eye(4)
        ]
        jacobian = np.stack(columns, axis=1)
        a, b, gamma, rotation = np.sqrt(np.diag(jacobian @ self.covariance @ jacobian.T))
        return float(a), float(b), float(gamma), float(rotation)

    def mismatch_percent(self, parent: ParentCell) -> float:
        """Relative difference of the cell's mean length, sqrt(area), from the parent's."""
        return float(
            100 * (np.sqrt(abs(np.linalg.det(self.direct) / np.linalg.det(parent.direct))) - 1)
        )


@dataclass(frozen=True)
class LatticeSearch:
    """Result of `find_lattice`: the lattice, or why none is reported."""

    found: bool
    lattice: Lattice2D | None
    log10_false_alarm: float
    reason: str


def find_lattice(
    image: NDArray[np.floating],
    pixel_size_angstrom: float,
    parent: ParentCell | None = None,
    *,
    spectrum: PowerSpectrum | None = None,
    resolution_per_angstrom: float = RESOLUTION_PER_ANGSTROM,
) -> LatticeSearch:
    """Find the crystal's lattice in a micrograph.

    The basis is right to about 0.1 % of a length; film beside the crystal and its edge limit it.
    `average.refine_on_crystal` goes on from there, to the error that its covariance states.

    With a parent cell, rotations and scales within 4 % are searched with all reflections up to the
    resolution; strain and shear are then free. Without one, any lattice that indexes the spots.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
    pixel_size_angstrom : float
    parent : ParentCell, optional
        The parent's cell in this view.
    spectrum : PowerSpectrum, optional
        Of `image` under a Hann window, where it is at hand.
    resolution_per_angstrom : float

    Returns
    -------
    LatticeSearch
        ``found`` is False where noise would give the same evidence in more than 1 of 1e5 images,
        where all the evidence lies on one line through the origin (fringes), or where the cell
        that it refines to is not the parent's.
    """
    spectrum = spectrum if spectrum is not None else power_spectrum(image, pixel_size_angstrom)
    # An unknown cell may be small: its reflections are looked for as far as atoms scatter.
    limit = resolution_per_angstrom if parent is not None else BLIND_RESOLUTION_PER_ANGSTROM
    g_max = min(limit, 0.48 / pixel_size_angstrom)
    match, period = _coarse(spectrum, parent, g_max)
    if match is None:
        return LatticeSearch(
            False, None, 0.0, "fewer than three spots stand out, or they lie on no lattice"
        )
    alarm = match.log10_false_alarm
    if alarm > LOG10_FALSE_ALARM_LIMIT:
        return LatticeSearch(
            False,
            None,
            alarm,
            f"no lattice stands out of the noise: the chance of such a match is {10**alarm:.2g}, "
            f"and {10.0**LOG10_FALSE_ALARM_LIMIT:.2g} or less is required",
        )
    basis = anchor_basis(spectrum, match.reciprocal, g_max)
    if basis is None:
        return LatticeSearch(
            False, None, alarm, "the spots that stand out lie on one line: fringes, not a lattice"
        )
    window = hann_window((image.shape[0], image.shape[1]))
    basis, covariance = refine_lattice(
        image, pixel_size_angstrom, basis, window, spectrum, g_max=g_max
    )
    if parent is not None and not parent.resembles(basis):
        return LatticeSearch(
            False,
            None,
            alarm,
            "there is a lattice, but its cell is not the parent's: lengths differ by more than "
            f"{100 * RESEMBLANCE:.0f} % or the angle by more than {RESEMBLANCE_DEG:g} degrees",
        )
    basis, covariance = _nearest_setting(basis, covariance, period)
    lattice = Lattice2D(
        reciprocal=basis,
        covariance=covariance,
        spots=_spots(spectrum, basis, g_max),
        log10_false_alarm=alarm,
        rotation_period_deg=period,
    )
    return LatticeSearch(True, lattice, alarm, "")


def _coarse(
    spectrum: PowerSpectrum, parent: ParentCell | None, g_max: float
) -> tuple[CellMatch | None, float]:
    """Best match of the search, and the period of its rotations."""
    if parent is None:
        match = search_any_cell(spectrum, g_max=g_max)
        if match is None:
            return None, 180.0
        a, b = np.linalg.inv(match.reciprocal).T
        gamma = float(np.degrees(np.arccos(a @ b / np.hypot(*a) / np.hypot(*b))))
        return match, ParentCell(
            float(np.hypot(*a)), float(np.hypot(*b)), gamma
        ).rotation_period_deg
    period = parent.rotation_period_deg
    settings = [parent]
    if period == 180.0 and abs(parent.gamma_deg - 90) > 1e-3:
        # Seen from behind, an oblique cell is another one.
        settings.append(ParentCell(parent.a_angstrom, parent.b_angstrom, 180 - parent.gamma_deg))
    matches = [
        search_cell(
            spectrum,
            setting.reciprocal,
            rotation_range_deg=period,
            scale_tolerance=SCALE_TOLERANCE,
            strain_tolerance=STRAIN_TOLERANCE,
            g_max=g_max,
        )
        for setting in settings
    ]
    return min(matches, key=lambda match: match.log10_false_alarm), period


def _nearest_setting(
    reciprocal: NDArray[np.float64], covariance: NDArray[np.float64], period_deg: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn the basis by the lattice's symmetry until the azimuth of a is nearest zero."""
    direct = np.linalg.inv(reciprocal).T
    a, b = direct
    acute = a @ b > 0.25 * np.linalg.norm(a) * np.linalg.norm(b)
    turns = {
        90.0: np.array([[0, 1], [-1, 0]]),
        60.0: np.array([[0, 1], [-1, 1]]) if acute else np.array([[1, 1], [-1, 0]]),
        180.0: -np.eye(2, dtype=np.int64),
    }
    turn = turns[period_deg].astype(np.float64)
    best = (np.inf, reciprocal, covariance)
    for _ in range(round(360 / period_deg)):
        azimuth = float(np.degrees(np.arctan2(direct[0, 1], direct[0, 0])))
        # Of two settings equally far from zero, the positive one.
        distance = abs(azimuth - 1e-9)
        if distance < best[0]:
            best = (distance, reciprocal, covariance)
        direct = turn @ direct
        change = np.linalg.inv(turn).T
        reciprocal = change @ reciprocal
        wide = np.kron(change, np.eye(2))
        covariance = wide @ covariance @ wide.T
    return best[1], best[2]


def _spots(
    spectrum: PowerSpectrum, reciprocal: NDArray[np.float64], g_max: float
) -> tuple[LatticeSpot, ...]:
    """Significant reflections of the refined lattice."""
    evidence = evidence_map(spectrum.whitened, 1, usable_bins(spectrum))
    hk = half_plane_indices(reciprocal, g_max)
    g = hk @ reciprocal
    found = []
    for (h, k), place, (row, column) in zip(
        hk, g, np.rint(spectrum.bins(g)).astype(int), strict=True
    ):
        if evidence[row, column] < ANCHOR_EVIDENCE:
            continue
        top = float(spectrum.whitened[row - 1 : row + 2, column - 1 : column + 2].max())
        found.append(LatticeSpot(int(h), int(k), (float(place[0]), float(place[1])), top**0.5))
    return tuple(found)
