"""Images of beams through a lens."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryolattice.errors import InvalidInputError
from cryolattice_simulator.beams import ExitBeams, wavelength_angstrom

MM_TO_ANGSTROM = 1e7


@dataclass(frozen=True)
class Lens:
    """Objective lens; defocus > 0 is under focus.

    Attributes
    ----------
    defocus_u_angstrom, defocus_v_angstrom : float
        Defocus along the two axes of the astigmatism.
    angle_deg : float
        Azimuth of the axis of U, from +x towards +y.
    cs_mm : float
        Spherical aberration.
    focal_spread_angstrom : float
        Standard deviation of the defocus; abTEM's ``focal_spread`` is sqrt(2) times it.
    b_factor_angstrom2 : float
        Envelope exp(-B k^2 / 4) on the wave.
    aperture_mrad : float
        Semi-angle of a round aperture around the direct beam; 0 for none.
    """

    defocus_u_angstrom: float
    defocus_v_angstrom: float
    angle_deg: float = 0.0
    cs_mm: float = 2.7
    focal_spread_angstrom: float = 0.0
    b_factor_angstrom2: float = 0.0
    aperture_mrad: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not math.isfinite(getattr(self, name)):
                raise InvalidInputError(
                    f"{name} is {getattr(self, name)}: give a finite number", field=name
                )
        for name, unit in (
            ("focal_spread_angstrom", "angstrom"),
            ("b_factor_angstrom2", "A^2"),
            ("aperture_mrad", "mrad"),
        ):
            if getattr(self, name) < 0:
                raise InvalidInputError(
                    f"{name} is {getattr(self, name):g} {unit}: give 0 or more", field=name
                )


def aberration_phase(
    g_per_angstrom: NDArray[np.float64], lens: Lens, energy_kev: float
) -> NDArray[np.float64]:
    """Aberration function chi; the lens multiplies the wave by exp(-i chi).

    chi = -pi lambda g^2 (defocus + A cos 2(phi - phi_A)) + (pi / 2) Cs lambda^3 g^4, with
    defocus = (U + V) / 2 and A = (U - V) / 2.

    Parameters
    ----------
    g_per_angstrom : ndarray, shape (n, 2)
        Spatial frequencies (x, y).
    lens : Lens
        The lens.
    energy_kev : float
        Energy of the electrons.

    Returns
    -------
    ndarray, shape (n,)
        Phase in radians.
    """
    wavelength = wavelength_angstrom(energy_kev)
    gx, gy = g_per_angstrom[:, 0], g_per_angstrom[:, 1]
    g2 = gx**2 + gy**2
    mean = (lens.defocus_u_angstrom + lens.defocus_v_angstrom) / 2
    amplitude = (lens.defocus_u_angstrom - lens.defocus_v_angstrom) / 2
    azimuth = np.arctan2(gy, gx) - math.radians(lens.angle_deg)
    chi = -np.pi * wavelength * g2 * (mean + amplitude * np.cos(2 * azimuth))
    chi += np.pi / 2 * lens.cs_mm * MM_TO_ANGSTROM * wavelength**3 * g2**2
    return np.asarray(chi, dtype=np.float64)


def coherent_transfer(beams: ExitBeams, lens: Lens) -> NDArray[np.complex128]:
    """Return exp(-i chi - B g^2 / 4) for each beam, 0 outside the aperture; no focal spread."""
    g = beams.g_per_angstrom
    g2 = (g**2).sum(axis=1)
    chi = aberration_phase(g, lens, beams.energy_kev)
    transfer = np.exp(-1j * chi - lens.b_factor_angstrom2 * g2 / 4)
    if lens.aperture_mrad:
        angles_mrad = 1e3 * np.sqrt(g2) * wavelength_angstrom(beams.energy_kev)
        transfer[angles_mrad > lens.aperture_mrad] = 0
    return np.asarray(transfer)


def coherent_lenses(
    beams: ExitBeams, lens: Lens
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return lenses without focal spread whose images, weighted, add up to that of this lens.

    The spread is averaged over images (Gauss-Hermite), not put into an envelope on the wave: the
    envelope is wrong for the beats between beams of a thick crystal.

    Returns
    -------
    transfers : ndarray of complex, shape (lenses, beams)
        One alone where there is no spread.
    weights : ndarray, shape (lenses,)
        Their sum is 1.
    """
    g2 = (beams.g_per_angstrom**2).sum(axis=1)
    # Radians of phase at the band limit per standard deviation of defocus.
    spread = np.pi * wavelength_angstrom(beams.energy_kev) * lens.focal_spread_angstrom
    steepest = spread * float(g2.max(initial=0.0))
    nodes, weights = np.polynomial.hermite_e.hermegauss(
        1 if steepest == 0 else 6 + math.ceil(3 * steepest)
    )
    transfers = coherent_transfer(beams, lens) * np.exp(1j * spread * nodes[:, None] * g2)
    return transfers, weights / weights.sum()


def alias_free_shape(beams: ExitBeams) -> tuple[int, int]:
    """Smallest fast grid (ny, nx) of one cell that holds every frequency of its image.

    The image of a wave with orders up to h has orders up to 2 h.
    """
    ny, nx = (alias_free_points(int(np.abs(n).max(initial=0))) for n in (beams.k, beams.h))
    return ny, nx


def alias_free_points(order: int) -> int:
    """Fewest points, at a length that the FFT does fast, for the image of orders up to this."""
    return int(fft.next_fast_len(4 * order + 1, real=True))


def image(
    beams: ExitBeams,
    thickness_index: int,
    lens: Lens,
    *,
    shape: tuple[int, int] | None = None,
) -> NDArray[np.float64]:
    """Image of one cell, in units of the incident intensity.

    Parameters
    ----------
    beams : ExitBeams
        Exit waves.
    thickness_index : int
        Which thickness.
    lens : Lens
        The lens.
    shape : tuple of int, optional
        Rows and columns (ny, nx) of one cell. On a grid that is too coarse for the image, the
        frequencies that it cannot hold are left out rather than folded back. Without it, the
        smallest grid that holds all.

    Returns
    -------
    ndarray, shape (ny, nx)
        Intensity; y is along b, x along a, and [0, 0] lies at the origin of the cell.
    """
    index = _require_index(beams, thickness_index)
    full = alias_free_shape(beams)
    if shape is not None and min(shape) < 1:
        raise InvalidInputError(
            f"shape is {shape}: give at least one row and one column", field="shape"
        )
    transfers, weights = coherent_lenses(beams, lens)
    total = np.zeros(full)
    for transfer, weight in zip(transfers, weights, strict=True):
        spectrum = np.zeros(full, dtype=np.complex128)
        spectrum[beams.k % full[0], beams.h % full[1]] = beams.psi[index] * transfer
        total += weight * np.abs(fft.ifft2(spectrum, norm="forward")) ** 2
    return total if shape is None or shape == full else _resample(total, shape)


def image_coefficients(
    beams: ExitBeams, thickness_index: int, lens: Lens
) -> NDArray[np.complex128]:
    """Fourier coefficients of `image`, in the order of an FFT: rows along b, columns along a."""
    return np.asarray(fft.fft2(image(beams, thickness_index, lens), norm="forward"))


def wave_coefficients(beams: ExitBeams, thickness_index: int) -> NDArray[np.complex128]:
    """Fourier coefficients of an exit wave, laid out as those of `image_coefficients`."""
    shape = alias_free_shape(beams)
    spectrum = np.zeros(shape, dtype=np.complex128)
    spectrum[beams.k % shape[0], beams.h % shape[1]] = beams.psi[
        _require_index(beams, thickness_index)
    ]
    return spectrum


def correction_signs(
    gx_per_angstrom: NDArray[np.float64],
    gy_per_angstrom: NDArray[np.float64],
    lens: Lens,
    energy_kev: float,
) -> NDArray[np.float64]:
    """Signs that undo the contrast reversals of a lens (phase flipping); 1 at frequency 0.

    A weak phase object images as 2 sin(chi) times its phase; with these signs atoms are bright at
    every spatial frequency (Penczek, Methods Enzymol. 482 (2010) 73).

    Parameters
    ----------
    gx_per_angstrom, gy_per_angstrom : ndarray
        Columns and rows of a grid, shapes (nx,) and (ny,).

    Returns
    -------
    ndarray, shape (ny, nx)
    """
    x, y = np.meshgrid(gx_per_angstrom, gy_per_angstrom)
    chi = aberration_phase(np.stack([x.ravel(), y.ravel()], axis=1), lens, energy_kev)
    signs = np.sign(np.sin(chi)).reshape(x.shape)
    return np.asarray(np.where((x == 0) & (y == 0), 1.0, signs))


def _require_index(beams: ExitBeams, thickness_index: int) -> int:
    count = beams.thicknesses_angstrom.size
    if not 0 <= thickness_index < count:
        raise InvalidInputError(
            f"thickness_index is {thickness_index}, but there are {count} thicknesses: give 0 to "
            f"{count - 1}",
            field="thickness_index",
        )
    return thickness_index


def _resample(periodic: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Evaluate a periodic image on another grid by its Fourier series."""
    spectrum = fft.fft2(periodic, norm="forward")
    for axis, n in enumerate(shape):
        old = spectrum.shape[axis]
        # Orders below both Nyquist frequencies; the Nyquist order itself has no definite phase.
        most = (min(old, n) - 1) // 2
        orders = np.arange(-most, most + 1)
        fresh = np.zeros(
            tuple(n if i == axis else size for i, size in enumerate(spectrum.shape)),
            dtype=np.complex128,
        )
        target: list[slice | NDArray[np.int64]] = [slice(None), slice(None)]
        source: list[slice | NDArray[np.int64]] = [slice(None), slice(None)]
        target[axis], source[axis] = orders % n, orders % old
        fresh[tuple(target)] = spectrum[tuple(source)]
        spectrum = fresh
    return np.asarray(fft.ifft2(spectrum, norm="forward").real, dtype=np.float64)
