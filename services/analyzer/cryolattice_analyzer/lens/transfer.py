"""The lens: electron wavelength, aberration phase, and the ways to write an astigmatism.

Conventions: T(g) = exp(-i chi), chi = -pi lambda |g|^2 (defocus + A cos 2(phi - phi_A))
+ (pi / 2) Cs lambda^3 |g|^4; defocus > 0 is under focus (Williams and Carter, *Transmission
Electron Microscopy*, ch. 28, with the sign of the defocus turned). Defocus U >= V are those along
and across the azimuth of the astigmatism, U = defocus + A and V = defocus - A; the angle is the
azimuth of U from +x towards +y (CTFFIND: Rohou and Grigorieff, J. Struct. Biol. 192 (2015) 216).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.constants
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError

ANGSTROM_PER_MM = 1e7


def electron_wavelength_angstrom(energy_kev: float) -> float:
    """Relativistic de Broglie wavelength h / sqrt(2 m e V (1 + e V / 2 m c^2)).

    Raises
    ------
    InvalidInputError
        An energy that is not positive and finite.
    """
    if not (math.isfinite(energy_kev) and energy_kev > 0):
        raise InvalidInputError(
            f"energy {energy_kev:g} keV: it must be positive; give the accelerating voltage in kV",
            field="energy_kev",
        )
    joule = energy_kev * 1e3 * scipy.constants.e
    rest = scipy.constants.m_e * scipy.constants.c**2
    momentum = math.sqrt(2 * scipy.constants.m_e * joule * (1 + joule / (2 * rest)))
    return scipy.constants.h / momentum * 1e10


@dataclass(frozen=True)
class Lens:
    """An imaging lens.

    Attributes
    ----------
    defocus_angstrom : float
        Mean of U and V; > 0 is under focus.
    astigmatism_x_angstrom, astigmatism_y_angstrom : float
        A cos 2 phi_A and A sin 2 phi_A, with A = (U - V) / 2: smooth where U = V, unlike the angle.
    """

    defocus_angstrom: float
    astigmatism_x_angstrom: float = 0.0
    astigmatism_y_angstrom: float = 0.0

    @classmethod
    def from_uv(
        cls, defocus_u_angstrom: float, defocus_v_angstrom: float, angle_deg: float
    ) -> Lens:
        """Lens of given U, V and azimuth of U (in degrees)."""
        half = (defocus_u_angstrom - defocus_v_angstrom) / 2
        double = math.radians(2 * angle_deg)
        return cls(
            (defocus_u_angstrom + defocus_v_angstrom) / 2,
            half * math.cos(double),
            half * math.sin(double),
        )

    @property
    def half_difference_angstrom(self) -> float:
        """A = (U - V) / 2."""
        return math.hypot(self.astigmatism_x_angstrom, self.astigmatism_y_angstrom)

    @property
    def defocus_u_angstrom(self) -> float:
        """Greatest defocus."""
        return self.defocus_angstrom + self.half_difference_angstrom

    @property
    def defocus_v_angstrom(self) -> float:
        """Smallest defocus."""
        return self.defocus_angstrom - self.half_difference_angstrom

    @property
    def angle_deg(self) -> float:
        """Azimuth of U, in (-90, 90]."""
        angle = math.degrees(
            math.atan2(self.astigmatism_y_angstrom, self.astigmatism_x_angstrom) / 2
        )
        return angle + 180.0 if angle <= -90.0 else angle


@dataclass(frozen=True)
class AberrationPhase:
    """Weights of the aberration phase at given spatial frequencies.

    ``-chi = spherical + defocus * d + d_x * A_x + d_y * A_y``, each of the frequencies' shape.
    """

    spherical: NDArray[np.float64]
    defocus: NDArray[np.float64]
    astigmatism_x: NDArray[np.float64]
    astigmatism_y: NDArray[np.float64]

    def negative_chi(self, lens: Lens) -> NDArray[np.float64]:
        """Return -chi in radians; T = exp(1j * negative_chi)."""
        return (
            self.spherical
            + self.defocus * lens.defocus_angstrom
            + self.astigmatism_x * lens.astigmatism_x_angstrom
            + self.astigmatism_y * lens.astigmatism_y_angstrom
        )


def aberration_phase(
    g_per_angstrom: NDArray[np.float64], wavelength_angstrom: float, cs_mm: float
) -> AberrationPhase:
    """Prepare the aberration phase at frequencies ``(..., 2)`` given as (x, y)."""
    x, y = g_per_angstrom[..., 0], g_per_angstrom[..., 1]
    square = x**2 + y**2
    unit = np.pi * wavelength_angstrom
    cs = cs_mm * ANGSTROM_PER_MM
    return AberrationPhase(
        spherical=-0.5 * np.pi * cs * wavelength_angstrom**3 * square**2,
        defocus=unit * square,
        # |g|^2 cos 2 phi = x^2 - y^2 and |g|^2 sin 2 phi = 2 x y.
        astigmatism_x=unit * (x**2 - y**2),
        astigmatism_y=unit * 2 * x * y,
    )


def contrast_transfer(
    k_per_angstrom: NDArray[np.float64],
    defocus_angstrom: float,
    wavelength_angstrom: float,
    cs_mm: float,
    amplitude_contrast: float,
) -> NDArray[np.float64]:
    """Return sin(-chi + asin(amplitude contrast)), the transfer of a weak object's contrast."""
    square = k_per_angstrom**2
    cs = cs_mm * ANGSTROM_PER_MM
    negative_chi = (
        np.pi
        * wavelength_angstrom
        * square
        * (defocus_angstrom - 0.5 * cs * wavelength_angstrom**2 * square)
    )
    return np.asarray(np.sin(negative_chi + math.asin(amplitude_contrast)))
