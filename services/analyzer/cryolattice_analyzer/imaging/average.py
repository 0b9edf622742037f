"""The averaged unit cell: its Fourier coefficients, each with a standard error.

Sign and origin: the averaged image is I(r) / mean = 1 + sum over all g of c(g) exp(+2 pi i g.r),
with r in angstrom from the centre of pixel (0, 0) of the micrograph and g = h a*/M + k b*/N.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.imaging.crystal_area import soft_weights
from cryolattice_analyzer.imaging.fourier_fit import FourierFit, fit_fourier
from cryolattice_analyzer.imaging.lattice import Lattice2D
from cryolattice_analyzer.imaging.lattice_refine import refine_lattice
from cryolattice_analyzer.imaging.lattice_search import half_plane_indices
from cryolattice_analyzer.imaging.power_spectrum import PowerSpectrum, power_spectrum

G_MAX_PER_ANGSTROM = 0.7
# Fewer cells than this are no average.
SMALLEST_CELL_NUMBER = 4.0


@dataclass(frozen=True)
class AveragedCell:
    """Mean unit cell of the crystal in Fourier and real space.

    Attributes
    ----------
    supercell : tuple of int
        (M, N): multiples of the parent's a and b.
    reciprocal : ndarray, shape (2, 2)
        Rows a*/M, b*/N in (x, y), 1/angstrom.
    h, k : ndarray of int, shape (n,)
        Supercell indices of **one of each Friedel pair** (h > 0, or h = 0 and k > 0), sorted by
        |g|, without (0, 0), whose coefficient is 1. The other half is the complex conjugate.
    g_per_angstrom : ndarray, shape (n, 2)
        (x, y).
    coefficients : ndarray of complex128, shape (n,)
        In units of the mean intensity of the crystal.
    standard_error : ndarray of float64, shape (n,)
        Of the real part and of the imaginary part, each, from the local background (shot noise,
        film and diffuse scattering): chi2 = sum |c - model|^2 / standard_error^2 has 2 n terms.
    image : ndarray of float64, shape (m, m)
        Averaged cell over the mean, at fractions ``(column, row) / m`` of the supercell's a and b.
    image_standard_error : float
        Of any pixel of `image`; the same everywhere.
    cells : float
        Number of supercells averaged.
    mean_counts : float
        Mean counts per pixel in the crystal.
    area_angstrom2 : float
    origin_px : tuple of float
        (x, y) of r = 0 in pixels.
    """

    supercell: tuple[int, int]
    reciprocal: NDArray[np.float64]
    h: NDArray[np.int64]
    k: NDArray[np.int64]
    g_per_angstrom: NDArray[np.float64]
    coefficients: NDArray[np.complex128]
    standard_error: NDArray[np.float64]
    image: NDArray[np.float64]
    image_standard_error: float
    cells: float
    mean_counts: float
    area_angstrom2: float
    origin_px: tuple[float, float] = (0.0, 0.0)

    @property
    def direct(self) -> NDArray[np.float64]:
        """Rows M a, N b in (x, y), angstrom."""
        return np.asarray(np.linalg.inv(self.reciprocal).T)

    def full(self) -> tuple[NDArray[np.int64], NDArray[np.complex128], NDArray[np.float64]]:
        """Return indices (2 n + 1, 2), coefficients and standard errors of all g, (0, 0) first."""
        hk = np.stack([self.h, self.k], axis=1)
        return (
            np.concatenate([np.zeros((1, 2), np.int64), hk, -hk]),
            np.concatenate([[1.0 + 0j], self.coefficients, self.coefficients.conj()]),
            np.concatenate([[0.0], self.standard_error, self.standard_error]),
        )


def refine_on_crystal(
    image: NDArray[np.floating],
    pixel_size_angstrom: float,
    lattice: Lattice2D,
    mask: NDArray[np.bool_],
    *,
    spectrum: PowerSpectrum | None = None,
) -> Lattice2D:
    """Refine the lattice with the crystal's area alone, where the whole field found it.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
    pixel_size_angstrom : float
    lattice : Lattice2D
    mask : ndarray of bool, shape (ny, nx)
    spectrum : PowerSpectrum, optional
        Of `image` under a Hann window.

    Returns
    -------
    Lattice2D
    """
    spectrum = spectrum if spectrum is not None else power_spectrum(image, pixel_size_angstrom)
    weights = _weights(mask, pixel_size_angstrom, lattice)
    g_max = min(G_MAX_PER_ANGSTROM, 0.48 / pixel_size_angstrom)
    reciprocal, covariance = refine_lattice(
        image, pixel_size_angstrom, lattice.reciprocal, weights, spectrum, g_max=g_max
    )
    return replace(lattice, reciprocal=reciprocal, covariance=covariance)


def fit_cell(
    image: NDArray[np.floating],
    pixel_size_angstrom: float,
    lattice: Lattice2D,
    mask: NDArray[np.bool_],
    supercell: tuple[int, int],
    *,
    g_max_per_angstrom: float = G_MAX_PER_ANGSTROM,
) -> tuple[NDArray[np.int64], NDArray[np.float64], FourierFit]:
    """Fit all coefficients of a supercell over the crystal.

    Returns
    -------
    hk : ndarray of int, shape (n, 2)
    reciprocal : ndarray, shape (2, 2)
        Of the supercell.
    fit : FourierFit

    Raises
    ------
    InvalidInputError
        A supercell below 1, a resolution beyond the image's, or too small a crystal.
    """
    if min(supercell) < 1:
        raise InvalidInputError(
            f"supercell {supercell[0]} x {supercell[1]}: multiples must be 1 or more",
            field="supercell",
        )
    nyquist = 0.5 / pixel_size_angstrom
    if not 0 < g_max_per_angstrom < nyquist:
        raise InvalidInputError(
            f"resolution limit {g_max_per_angstrom:g} 1/angstrom: pixels of "
            f"{pixel_size_angstrom:g} angstrom carry frequencies above 0 and under {nyquist:.3g}",
            field="g_max_per_angstrom",
        )
    reciprocal = lattice.reciprocal / np.array(supercell, dtype=np.float64)[:, None]
    weights = _weights(mask, pixel_size_angstrom, lattice)
    cells = float(weights.sum()) * pixel_size_angstrom**2 * abs(np.linalg.det(reciprocal))
    if cells < SMALLEST_CELL_NUMBER:
        raise InvalidInputError(
            f"the crystal's area holds {cells:.1f} cells of {supercell[0]} x {supercell[1]}; at "
            f"least {SMALLEST_CELL_NUMBER:g} are needed: give an image with more crystal",
            field="micrograph",
        )
    hk = half_plane_indices(reciprocal, g_max_per_angstrom)
    return hk, reciprocal, fit_fourier(image, weights, pixel_size_angstrom, hk, reciprocal)


def average_cell(
    image: NDArray[np.floating],
    pixel_size_angstrom: float,
    lattice: Lattice2D,
    mask: NDArray[np.bool_],
    supercell: tuple[int, int],
    *,
    g_max_per_angstrom: float = G_MAX_PER_ANGSTROM,
    samples: int = 128,
) -> AveragedCell:
    """Average the unit cells of a crystal.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Counts.
    pixel_size_angstrom : float
    lattice : Lattice2D
        Refined on the crystal (`refine_on_crystal`).
    mask : ndarray of bool, shape (ny, nx)
        The crystal's area.
    supercell : tuple of int
        (M, N).
    g_max_per_angstrom : float
        Coefficients with |g| up to here.
    samples : int
        Of the display image along a and along b.

    Returns
    -------
    AveragedCell
    """
    hk, reciprocal, fit = fit_cell(
        image, pixel_size_angstrom, lattice, mask, supercell, g_max_per_angstrom=g_max_per_angstrom
    )
    return AveragedCell(
        supercell=supercell,
        reciprocal=reciprocal,
        h=hk[:, 0],
        k=hk[:, 1],
        g_per_angstrom=hk @ reciprocal,
        coefficients=fit.coefficients,
        standard_error=fit.standard_error,
        image=cell_image(hk, fit.coefficients, samples),
        # Each term 2 Re(c exp(i phase)) has the variance 4 s^2, whatever the phase.
        image_standard_error=float(2 * np.sqrt(np.sum(fit.standard_error**2))),
        cells=fit.area_angstrom2 * float(abs(np.linalg.det(reciprocal))),
        mean_counts=fit.mean_counts,
        area_angstrom2=fit.area_angstrom2,
    )


def cell_image(
    hk: NDArray[np.int64], coefficients: NDArray[np.complex128], samples: int
) -> NDArray[np.float64]:
    """Image of one cell, 1 + 2 Re sum c exp(2 pi i (h u + k v)), rows along v, columns along u."""
    fraction = np.arange(samples) / samples
    along_v = np.exp(2j * np.pi * np.outer(fraction, hk[:, 1])) * coefficients
    along_u = np.exp(2j * np.pi * np.outer(hk[:, 0], fraction))
    return np.asarray(1 + 2 * (along_v @ along_u).real)


def _weights(
    mask: NDArray[np.bool_], pixel_size_angstrom: float, lattice: Lattice2D
) -> NDArray[np.float64]:
    """Soft-edged mask; the edge is about a cell wide."""
    if not mask.any():
        raise InvalidInputError(
            "no crystal area was found in the micrograph: nothing can be averaged",
            field="micrograph",
        )
    cell = float(np.sqrt(abs(np.linalg.det(lattice.direct))))
    return soft_weights(mask, max(2.0, cell / pixel_size_angstrom))
