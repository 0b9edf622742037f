"""The cell of the parent crystal in the plane of the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError

# Cells closer than this to square or hexagonal count as such, for the range of rotations.
SYMMETRY_TOLERANCE = 0.02
# A refined cell may depart from the parent's by this much: strain, shear, calibration.
RESEMBLANCE = 0.08
RESEMBLANCE_DEG = 4.0


@dataclass(frozen=True)
class ParentCell:
    """In-plane cell of the parent crystal in the view: lengths in angstrom, angle in degrees."""

    a_angstrom: float
    b_angstrom: float
    gamma_deg: float = 90.0

    def __post_init__(self) -> None:
        lengths = (self.a_angstrom, self.b_angstrom)
        if not all(np.isfinite(v) and v > 0 for v in lengths) or not 10 < self.gamma_deg < 170:
            raise InvalidInputError(
                f"parent cell a = {self.a_angstrom:g}, b = {self.b_angstrom:g} angstrom, gamma = "
                f"{self.gamma_deg:g} degrees: lengths must be positive, the angle within 10 to 170",
                field="parent",
            )

    @property
    def direct(self) -> NDArray[np.float64]:
        """Rows a, b in (x, y), a along +x."""
        gamma = np.deg2rad(self.gamma_deg)
        return np.array(
            [
                [self.a_angstrom, 0.0],
                [self.b_angstrom * np.cos(gamma), self.b_angstrom * np.sin(gamma)],
            ]
        )

    @property
    def reciprocal(self) -> NDArray[np.float64]:
        """Rows a*, b* in (x, y), 1/angstrom."""
        return np.asarray(np.linalg.inv(self.direct).T)

    @property
    def rotation_period_deg(self) -> float:
        """Smallest rotation that brings the lattice onto itself."""
        if abs(self.a_angstrom / self.b_angstrom - 1) > SYMMETRY_TOLERANCE:
            return 180.0
        if abs(self.gamma_deg - 90) < 100 * SYMMETRY_TOLERANCE:
            return 90.0
        near_hexagonal = min(abs(self.gamma_deg - 60), abs(self.gamma_deg - 120))
        return 60.0 if near_hexagonal < 100 * SYMMETRY_TOLERANCE else 180.0

    def resembles(self, reciprocal: NDArray[np.float64]) -> bool:
        """Whether a refined lattice, seen from either side, is still this one.

        Parameters
        ----------
        reciprocal : ndarray, shape (2, 2)
            Its rows a*, b*, 1/angstrom.
        """
        a, b = np.linalg.inv(reciprocal).T
        lengths = np.hypot(*a), np.hypot(*b)
        gamma = np.degrees(np.arccos(np.clip(a @ b / lengths[0] / lengths[1], -1, 1)))
        told = (self.a_angstrom, self.b_angstrom)
        alike = all(abs(s / t - 1) < RESEMBLANCE for s, t in zip(lengths, told, strict=True))
        turned = min(abs(gamma - self.gamma_deg), abs(gamma - (180 - self.gamma_deg)))
        return alike and bool(turned < RESEMBLANCE_DEG)
