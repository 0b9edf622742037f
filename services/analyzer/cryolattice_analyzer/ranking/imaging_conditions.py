"""What is known before a fit: the microscope, the exposure, the ideal cell; priors from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.lens.transfer import electron_wavelength_angstrom
from cryolattice_analyzer.ranking.lens_search import LensStart

# 1 / Dc = 0.029 + 0.128 g^2 (A^2/e) at 98 K: half the exposure's loss is common to all reflections.
ALPHA_PER_DOSE = 0.029 / 2
B_PER_DOSE = 0.128


@dataclass(frozen=True)
class Imaging:
    """What is known of the microscope and the exposure.

    Attributes
    ----------
    energy_kev, cs_mm : float
    focal_spread_angstrom : float
        Standard deviation.
    dose_e_per_angstrom2 : float or None
        Sets what damage is expected; None leaves it open.
    """

    energy_kev: float
    cs_mm: float
    focal_spread_angstrom: float = 30.0
    dose_e_per_angstrom2: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.focal_spread_angstrom) and self.focal_spread_angstrom >= 0):
            raise InvalidInputError(
                f"focal spread {self.focal_spread_angstrom:g} angstrom: it must be 0 or more",
                field="focal_spread_angstrom",
            )
        if not math.isfinite(self.cs_mm):
            raise InvalidInputError(f"Cs {self.cs_mm:g} mm is not finite", field="cs_mm")
        dose = self.dose_e_per_angstrom2
        if dose is not None and not (math.isfinite(dose) and dose > 0):
            raise InvalidInputError(
                f"dose {dose:g} e/angstrom^2: it must be positive", field="dose_e_per_angstrom2"
            )

    @property
    def wavelength_angstrom(self) -> float:
        """Of the electrons."""
        return electron_wavelength_angstrom(self.energy_kev)

    @property
    def expected_beta_angstrom2(self) -> float:
        """Fading exp(-beta g^2 / 2) of the beams that the dose implies; 0 where it is unknown."""
        return B_PER_DOSE * (self.dose_e_per_angstrom2 or 0.0) / 2


@dataclass(frozen=True)
class ViewCell:
    """Ideal parent cell in projection: its symmetry says which turns are tried."""

    a_angstrom: float
    b_angstrom: float
    gamma_deg: float = 90.0

    @property
    def reciprocal(self) -> NDArray[np.float64]:
        """Rows a*, b*, with a along x."""
        angle = math.radians(self.gamma_deg)
        direct = np.array(
            [
                [self.a_angstrom, 0.0],
                [self.b_angstrom * math.cos(angle), self.b_angstrom * math.sin(angle)],
            ]
        )
        return np.asarray(np.linalg.inv(direct).T)


def prior_width(imaging: Imaging, start: LensStart) -> NDArray[np.float64]:
    """Return standard deviations of the eight parameters; the shift is free."""
    dose = imaging.dose_e_per_angstrom2
    alpha = 0.5 if dose is None else 0.05 + 0.5 * ALPHA_PER_DOSE * dose
    b_factor = 10.0 if dose is None else 8.0 + 0.5 * B_PER_DOSE * dose
    lens = (start.defocus_sd_angstrom, start.astigmatism_sd_angstrom, start.astigmatism_sd_angstrom)
    return np.array([*lens, np.inf, np.inf, 0.25, b_factor, alpha])


def prior_mean(imaging: Imaging, start: LensStart) -> NDArray[np.float64]:
    """Return expected parameters of a start; the shift's are 0 and do not count."""
    dose = imaging.dose_e_per_angstrom2
    alpha = 0.2 if dose is None else ALPHA_PER_DOSE * dose
    b_factor = 8.0 + (1.0 if dose is None else B_PER_DOSE * dose)
    lens = start.lens
    return np.array(
        [
            lens.defocus_angstrom,
            lens.astigmatism_x_angstrom,
            lens.astigmatism_y_angstrom,
            0.0,
            0.0,
            0.0,
            b_factor,
            alpha,
        ]
    )
