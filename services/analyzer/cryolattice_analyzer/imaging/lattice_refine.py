"""From a rough lattice to one refined by all its reflections, with strain and shear free."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.imaging.bragg_blocks import bragg_blocks, refine_reciprocal
from cryolattice_analyzer.imaging.lattice_search import (
    STRAIN_TOLERANCE,
    half_plane_indices,
    subpixel_peak,
    usable_bins,
)
from cryolattice_analyzer.imaging.power_spectrum import PowerSpectrum, hann_window

# Reflections with -ln p above this fix the basis before the likelihood does.
ANCHOR_EVIDENCE = 5.0
RESOLUTION_PER_ANGSTROM = 0.66


def anchor_basis(
    spectrum: PowerSpectrum, reciprocal: NDArray[np.float64], g_max: float
) -> NDArray[np.float64] | None:
    """Weighted least squares of the basis on the significant spots; None if they are collinear."""
    whitened = spectrum.whitened
    usable = usable_bins(spectrum)
    step = min(spectrum.step_per_angstrom)
    hk = half_plane_indices(reciprocal, g_max)
    basis = reciprocal
    for slack in (STRAIN_TOLERANCE, STRAIN_TOLERANCE / 3, 0.0):
        found_hk, found_g, weights = [], [], []
        for pair in hk:
            g = pair @ basis
            radius = 2 + int(np.ceil(slack * np.linalg.norm(g) / step))
            row, column = np.rint(spectrum.bins(g)).astype(int)
            box = whitened[row - radius : row + radius + 1, column - radius : column + radius + 1]
            good = usable[row - radius : row + radius + 1, column - radius : column + radius + 1]
            if box.shape != (2 * radius + 1, 2 * radius + 1) or not good.all():
                continue
            top = float(box.max())
            if top - np.log((2 * radius + 1) ** 2 / 2) < ANCHOR_EVIDENCE:
                continue
            r, c = np.unravel_index(int(np.argmax(box)), box.shape)
            exact = subpixel_peak(whitened, row - radius + int(r), column - radius + int(c))
            found_hk.append(pair)
            found_g.append(spectrum.frequencies(np.array(exact)))
            weights.append(min(top, 200.0))
        if len(found_hk) < 2:
            return None
        index = np.array(found_hk, dtype=np.float64)
        root = np.sqrt(np.array(weights))[:, None]
        if np.linalg.matrix_rank(index) < 2:
            return None
        basis = np.linalg.lstsq(index * root, np.array(found_g) * root, rcond=None)[0]
    return np.asarray(basis)


def refine_lattice(
    image: NDArray[np.floating],
    pixel_size_angstrom: float,
    reciprocal: NDArray[np.float64],
    weights: NDArray[np.float64],
    spectrum: PowerSpectrum,
    *,
    g_max: float = RESOLUTION_PER_ANGSTROM,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Refine a basis by the likelihood of all its reflections over a weighted area.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
    pixel_size_angstrom : float
    reciprocal : ndarray, shape (2, 2)
        Right to within a fraction of a spectral bin at `g_max`.
    weights : ndarray, shape (ny, nx)
        Where the crystal is, or a window.
    spectrum : PowerSpectrum
        Of the image under a Hann window; its background scales the noise.
    g_max : float

    Returns
    -------
    reciprocal : ndarray, shape (2, 2)
    covariance : ndarray, shape (4, 4)
    """
    hk = half_plane_indices(reciprocal, g_max, 10 * min(spectrum.step_per_angstrom))
    block_px = max(4, min(image.shape) // 64)
    values = (image - np.average(image, weights=weights)) * weights
    # The background was measured under a Hann window; noise power goes with the sum of squares.
    hann_power = np.sum(hann_window((image.shape[0], image.shape[1])) ** 2)
    ratio = float(np.sum(weights**2) / hann_power)
    sums = np.add.reduceat(
        np.add.reduceat(weights, np.arange(0, image.shape[0], block_px), axis=0),
        np.arange(0, image.shape[1], block_px),
        axis=1,
    )
    covariance = np.zeros((4, 4))
    for _ in range(2):
        g = hk @ reciprocal
        bins = np.rint(spectrum.bins(g)).astype(int)
        noise = spectrum.background[bins[:, 0], bins[:, 1]] * ratio
        blocks = bragg_blocks(values, pixel_size_angstrom, g, block_px)
        reciprocal, covariance = refine_reciprocal(blocks, hk, reciprocal, noise, sums)
    return reciprocal, covariance
