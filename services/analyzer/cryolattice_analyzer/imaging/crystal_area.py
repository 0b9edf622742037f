"""Where in the field the crystal lies: a map of its own Bragg amplitudes against the film's zero.

The reflections are demodulated, weighted like a matched filter by their mean amplitude in the
crystal and smoothed over about ten cells. The map is then 1 in the crystal and 0 on the film, and
half its plateau marks the edge without bias, whether the crystal fills the field or a corner of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from cryolattice_analyzer.imaging.bragg_blocks import bragg_blocks
from cryolattice_analyzer.imaging.lattice import Lattice2D
from cryolattice_analyzer.imaging.lattice_search import half_plane_indices

# Width at half maximum of the smoothing, in cells, and the limits to which noise may change it.
SMOOTHING_CELLS = 10.0
LARGEST_SMOOTHING_CELLS = 24.0
# The smoothed map must stand this far above its own noise to place an edge.
WANTED_MAP_SNR = 5.0
MAP_RESOLUTION_PER_ANGSTROM = 0.66


@dataclass(frozen=True)
class CrystalArea:
    """The crystal's place in the field.

    Attributes
    ----------
    mask : ndarray of bool, shape (ny, nx)
        Crystal, less a margin at its edge.
    film : ndarray of bool, shape (ny, nx)
        Outside the crystal, with a margin; may be empty.
    outline : ndarray of bool, shape (ny, nx)
        Crystal without the margin, for drawing.
    fraction : float
        Share of the field that is crystal (outline).
    amplitude_map : ndarray of float64, shape (ny, nx)
        Smoothed Bragg amplitude, about 1 in the crystal and 0 on the film.
    map_snr : float
        Crystal's level over the map's noise.
    """

    mask: NDArray[np.bool_]
    film: NDArray[np.bool_]
    outline: NDArray[np.bool_]
    fraction: float
    amplitude_map: NDArray[np.float64]
    map_snr: float


def find_crystal(
    image: NDArray[np.floating],
    pixel_size_angstrom: float,
    lattice: Lattice2D,
    *,
    margin_angstrom: float | None = None,
) -> CrystalArea:
    """Find the crystal's area from the local strength of its reflections.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
    pixel_size_angstrom : float
    lattice : Lattice2D
    margin_angstrom : float, optional
        Left out at the edge on both sides (Fresnel fringe, rounded corners); three cells by
        default.

    Returns
    -------
    CrystalArea
    """
    cell = float(np.sqrt(abs(np.linalg.det(lattice.direct))))
    margin = 3 * cell if margin_angstrom is None else margin_angstrom
    block_px = max(1, round(cell / pixel_size_angstrom))
    g_max = min(MAP_RESOLUTION_PER_ANGSTROM, 0.48 / pixel_size_angstrom)
    hk = half_plane_indices(lattice.reciprocal, g_max)
    values = image.astype(np.float64)
    values = values - scipy.ndimage.gaussian_filter(values, 2 * cell / pixel_size_angstrom)
    blocks = bragg_blocks(values, pixel_size_angstrom, hk @ lattice.reciprocal, block_px)
    # Neighbouring blocks differ by the reflection's noise: a crystal's amplitude cancels.
    step = blocks.amplitudes[:, :, 1:] - blocks.amplitudes[:, :, :-1]
    noise = np.median(np.abs(step) ** 2, axis=(1, 2)) / np.log(2) / 2
    width = SMOOTHING_CELLS
    while True:
        level, snr = _amplitude_map(
            blocks.amplitudes, noise, width * cell / 2.355, block_px * pixel_size_angstrom
        )
        if snr >= WANTED_MAP_SNR or width >= LARGEST_SMOOTHING_CELLS:
            break
        width *= 1.3
    fine = _to_pixels(level, image.shape, block_px)
    outline = _clean(fine > 0.5, (width * cell / pixel_size_angstrom / 2) ** 2)
    margin_px = margin / pixel_size_angstrom
    inside = _distance(outline) > margin_px
    outside = _distance(~outline) > margin_px + 0.25 * width * cell / pixel_size_angstrom
    return CrystalArea(
        mask=inside,
        film=outside,
        outline=outline,
        fraction=float(outline.mean()),
        amplitude_map=fine,
        map_snr=snr,
    )


def _amplitude_map(
    amplitudes: NDArray[np.complex128],
    noise: NDArray[np.float64],
    sigma_angstrom: float,
    block_angstrom: float,
) -> tuple[NDArray[np.float64], float]:
    """Map scaled to 1 in the crystal, and the crystal's level over the map's noise."""
    sigma = sigma_angstrom / block_angstrom
    smooth = np.stack(
        [
            scipy.ndimage.gaussian_filter(a.real, sigma, mode="nearest")
            + 1j * scipy.ndimage.gaussian_filter(a.imag, sigma, mode="nearest")
            for a in amplitudes
        ]
    )
    weight = np.ones(amplitudes.shape[1:], dtype=np.bool_)
    level = np.zeros(amplitudes.shape[1:])
    for _ in range(8):
        mean = amplitudes[:, weight].mean(axis=1)
        # The noise in the mean itself would weight pure-noise reflections: take it off.
        power = np.maximum(np.abs(mean) ** 2 - noise / weight.sum(), 0.0)
        filter_ = np.where(power > 0, mean, 0.0) * power / np.maximum(np.abs(mean) ** 2, 1e-300)
        level = np.tensordot(filter_.conj() / noise, smooth, axes=1).real
        strength = float((np.abs(filter_) ** 2 / noise).sum())
        if strength <= 0:
            return np.zeros_like(level), 0.0
        # Two levels, 0 and L: sum t^2 / sum t = L, wherever the edge lies.
        spread = strength / 2 / (4 * np.pi * sigma**2)
        plateau = float(((level**2).sum() - spread * level.size) / max(level.sum(), 1e-300))
        if plateau <= 0:
            return np.zeros_like(level), 0.0
        level = level / plateau
        new = level > 0.5
        if not new.any():
            return np.zeros_like(level), 0.0
        if np.array_equal(new, weight):
            break
        weight = new
    snr = float(plateau / np.sqrt(spread)) if spread > 0 else 0.0
    return level, snr


def _to_pixels(
    level: NDArray[np.float64], shape: tuple[int, ...], block_px: int
) -> NDArray[np.float64]:
    """Linear interpolation from block centres to pixels."""
    rows = (np.arange(shape[0]) + 0.5) / block_px - 0.5
    columns = (np.arange(shape[1]) + 0.5) / block_px - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    return np.asarray(scipy.ndimage.map_coordinates(level, grid, order=1, mode="nearest"))


def _clean(mask: NDArray[np.bool_], smallest_px: float) -> NDArray[np.bool_]:
    """Without islands and holes smaller than `smallest_px` pixels."""
    result = mask
    for target in (True, False):
        labels, number = scipy.ndimage.label(result == target)
        if number == 0:
            continue
        sizes = np.bincount(labels.ravel())
        small = sizes < smallest_px
        small[0] = False
        result = np.where(small[labels], not target, result)
    return np.asarray(result, dtype=np.bool_)


def _distance(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance in pixels to the nearest pixel outside `mask`; the image's border is no edge."""
    if mask.all():
        return np.full(mask.shape, np.inf)
    return np.asarray(scipy.ndimage.distance_transform_edt(mask))


def soft_weights(mask: NDArray[np.bool_], taper_px: float) -> NDArray[np.float64]:
    """Weight pixels from 0 at the edge of `mask` or image to 1 inside, as a squared sine.

    Parameters
    ----------
    mask : ndarray of bool, shape (ny, nx)
    taper_px : float
        Width of the rise.

    Returns
    -------
    ndarray of float64, shape (ny, nx)
    """
    padded = np.pad(mask, 1)
    distance = scipy.ndimage.distance_transform_edt(padded)[1:-1, 1:-1]
    return np.asarray(np.sin(0.5 * np.pi * np.clip((distance - 0.5) / taper_px, 0, 1)) ** 2)
