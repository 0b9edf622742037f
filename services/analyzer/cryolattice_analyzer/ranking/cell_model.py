"""Image of a crystal's unit cell from its beams: Fourier coefficients and their derivatives.

The wave's beams pass the lens, the image intensity is formed on the smallest grid free of aliasing
for the coefficients wanted, and each coefficient is divided by the mean:

c(g) = s exp(-2 pi i g.t) FT[ sum_j w_j |sum_g psi_g f_g exp(-i chi_j - B |g|^2 / 4) e_g|^2 ] / c(0)

The sum over j is the gaussian focal spread by Gauss-Hermite quadrature, exact in the transmission
cross coefficients (Ishizuka, Ultramicroscopy 5 (1980) 55) up to the order of the quadrature. f_g =
exp(-alpha / 2) for g != 0 and 1 for the direct beam is the part of radiation damage that hits all
reflections alike; the part that grows with |g|^2 acts exactly as B does and is contained in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from cryolattice_analyzer.lens.transfer import aberration_phase

# Columns of a parameter array.
PARAMETERS = (
    "defocus",
    "astigmatism_x",
    "astigmatism_y",
    "shift_u",
    "shift_v",
    "log_scale",
    "b_factor",
    "alpha",
)
DEFOCUS, ASTIGMATISM_X, ASTIGMATISM_Y, SHIFT_U, SHIFT_V, LOG_SCALE, B_FACTOR, ALPHA = range(8)
QUADRATURE_NODES = 3


@dataclass(frozen=True)
class CellModel:
    """Geometry that is fixed during a fit: which beams, which coefficients, what grid.

    Attributes
    ----------
    orders : ndarray of int, shape (b, 2)
        Of the beams on the average's supercell.
    hk : ndarray of int, shape (n, 2)
        Of the coefficients, one of each Friedel pair.
    shape : tuple of int
        Grid.
    spherical : ndarray of float32, shape (b,)
        Part of -chi that no parameter changes.
    slopes : ndarray of float32, shape (3, b)
        Of -chi with defocus, A_x, A_y.
    square : ndarray of float32, shape (b,)
        |g|^2.
    focal_offsets, focal_weights : ndarray of float32, shape (j,)
        Quadrature of the focal spread.
    """

    orders: NDArray[np.int64]
    hk: NDArray[np.int64]
    shape: tuple[int, int]
    spherical: NDArray[np.float32]
    slopes: NDArray[np.float32]
    square: NDArray[np.float32]
    focal_offsets: NDArray[np.float32]
    focal_weights: NDArray[np.float32]

    @property
    def beam_index(self) -> NDArray[np.int64]:
        """Flat places of the beams on the grid, (x, y) order."""
        return np.asarray(
            (self.orders[:, 0] % self.shape[0]) * self.shape[1] + self.orders[:, 1] % self.shape[1]
        )


def cell_model(
    orders: NDArray[np.int64],
    hk: NDArray[np.int64],
    reciprocal: NDArray[np.float64],
    *,
    wavelength_angstrom: float,
    cs_mm: float,
    focal_spread_angstrom: float,
    nodes: int = QUADRATURE_NODES,
) -> CellModel:
    """Prepare a model.

    Parameters
    ----------
    orders : ndarray of int, shape (b, 2)
    hk : ndarray of int, shape (n, 2)
    reciprocal : ndarray, shape (2, 2)
        Rows a*/M, b*/N (x, y) as observed: the strain of the image counts.
    wavelength_angstrom, cs_mm : float
    focal_spread_angstrom : float
        Standard deviation.
    nodes : int
        Of the quadrature; 1 stands for no spread.

    Returns
    -------
    CellModel
    """
    shape = tuple(
        scipy.fft.next_fast_len(
            int(2 * np.abs(orders[:, axis]).max() + np.abs(hk[:, axis]).max() + 1)
        )
        for axis in (0, 1)
    )
    g = orders @ reciprocal
    phase = aberration_phase(g, wavelength_angstrom, cs_mm)
    offsets, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return CellModel(
        orders=orders,
        hk=hk,
        shape=(shape[0], shape[1]),
        spherical=phase.spherical.astype(np.float32),
        slopes=np.stack([phase.defocus, phase.astigmatism_x, phase.astigmatism_y]).astype(
            np.float32
        ),
        square=(g**2).sum(axis=1).astype(np.float32),
        focal_offsets=(offsets * focal_spread_angstrom).astype(np.float32),
        focal_weights=(weights / weights.sum()).astype(np.float32),
    )


def lens_waves(
    model: CellModel, psi: NDArray[np.complex64], parameters: NDArray[np.float64]
) -> NDArray[np.complex64]:
    """Beams (j, s, b) behind the lens at each focal offset; `psi` is (s, b)."""
    p = parameters.astype(np.float32)
    phase = model.spherical + p[:, :3] @ model.slopes
    decay = np.exp(-0.25 * p[:, B_FACTOR, None] * model.square - 0.5 * p[:, ALPHA, None])
    decay[:, np.all(model.orders == 0, axis=1)] = 1.0
    passed = psi * decay
    waves = np.empty((len(model.focal_offsets), *psi.shape), np.complex64)
    for node, offset in enumerate(model.focal_offsets):
        angle = phase + offset * model.slopes[0]
        waves[node].real = np.cos(angle)
        waves[node].imag = np.sin(angle)
        waves[node] *= passed
    return waves


def _to_grid(model: CellModel, values: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Inverse transform of beams (..., b) to the grid (..., nx, ny)."""
    nx, ny = model.shape
    grid = np.zeros((*values.shape[:-1], nx * ny), np.complex64)
    grid[..., model.beam_index] = values
    return np.asarray(
        scipy.fft.ifft2(grid.reshape(*values.shape[:-1], nx, ny), norm="forward", overwrite_x=True)
    )


def _coefficients(
    model: CellModel, images: NDArray[np.float32]
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Coefficients (..., n) and means (...,) of real images (..., nx, ny)."""
    spectrum = scipy.fft.rfft2(images, norm="forward")
    h, k = model.hk[:, 0], model.hk[:, 1]
    # The half spectrum holds k >= 0 only; the rest is the conjugate.
    sign = np.where(k < 0, -1, 1)
    picked = spectrum[..., (sign * h) % model.shape[0], sign * k]
    picked = np.where(k < 0, picked.conj(), picked)
    return np.asarray(picked, dtype=np.complex128), spectrum[..., 0, 0].real.astype(np.float64)


def predict(
    model: CellModel, psi: NDArray[np.complex64], parameters: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Coefficients (s, n) of the normalised image, for s starts.

    Parameters
    ----------
    model : CellModel
    psi : ndarray of complex64, shape (s, b)
    parameters : ndarray, shape (s, 8)
        In the order of `PARAMETERS`: angstrom, fractions of the supercell, angstrom squared.

    Returns
    -------
    ndarray of complex128, shape (s, n)
    """
    values, mean = _coefficients(model, image_intensity(model, psi, parameters))
    return values / mean[:, None] * _ramp_and_scale(model, parameters)


def image_intensity(
    model: CellModel, psi: NDArray[np.complex64], parameters: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Intensity (s, nx, ny) of the unshifted cell, in units of the incident beam."""
    fields = _to_grid(model, lens_waves(model, psi, parameters))
    squares = fields.real**2 + fields.imag**2
    return np.asarray(np.tensordot(model.focal_weights, squares, axes=1))


def _ramp_and_scale(model: CellModel, parameters: NDArray[np.float64]) -> NDArray[np.complex128]:
    phase = parameters[:, [SHIFT_U, SHIFT_V]] @ model.hk.T
    return np.asarray(np.exp(-2j * np.pi * phase + parameters[:, LOG_SCALE, None]))


def predict_with_derivatives(
    model: CellModel, psi: NDArray[np.complex64], parameters: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Coefficients (s, n) and their derivatives (s, 8, n) by the parameters.

    Every parameter of the lens multiplies the wave's beams by a function of g, so that a derivative
    of the intensity is 2 Re(conj(field) * field of the multiplied beams).
    """
    waves = lens_waves(model, psi, parameters)
    starts = len(psi)
    factors = np.stack([model.square, model.slopes[1], model.slopes[2]])
    direct = np.all(model.orders == 0, axis=1)
    images = np.zeros((6, starts, *model.shape), np.float32)
    far = int(np.argmax(model.square))
    per_square = np.float32(model.slopes[0, far] / max(float(model.square[far]), 1e-12))
    for wave, weight in zip(waves, model.focal_weights, strict=True):
        stack = np.concatenate([wave[None], factors[:, None, :] * wave[None]])
        field, by_square, by_x, by_y = _to_grid(model, stack)
        conjugate = weight * field.conj()
        intensity = (conjugate * field).real
        products = [conjugate * other for other in (by_square, by_x, by_y)]
        constant = (wave * direct).sum(axis=-1)[:, None, None]
        images[0] += intensity
        images[1] -= 2 * per_square * products[0].imag
        images[2] -= 2 * products[1].imag
        images[3] -= 2 * products[2].imag
        images[4] -= 0.5 * products[0].real
        images[5] -= intensity - (conjugate * constant).real
    values, means = _coefficients(model, images)
    mean = means[0][:, None]
    normal = values[0] / mean
    tail = _ramp_and_scale(model, parameters)
    predicted = normal * tail
    derivatives = np.empty((starts, len(PARAMETERS), len(model.hk)), np.complex128)
    for row, column in enumerate((DEFOCUS, ASTIGMATISM_X, ASTIGMATISM_Y, B_FACTOR, ALPHA), start=1):
        derivatives[:, column] = (values[row] - normal * means[row][:, None]) / mean * tail
    derivatives[:, SHIFT_U] = -2j * np.pi * model.hk[:, 0] * predicted
    derivatives[:, SHIFT_V] = -2j * np.pi * model.hk[:, 1] * predicted
    derivatives[:, LOG_SCALE] = predicted
    return predicted, derivatives
