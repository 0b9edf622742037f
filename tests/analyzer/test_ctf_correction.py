from __future__ import annotations

import numpy as np

from cryolattice_analyzer.lens.ctf_correction import phase_flipped
from cryolattice_analyzer.lens.transfer import (
    Lens,
    aberration_phase,
    electron_wavelength_angstrom,
)


def test_atoms_of_a_weak_object_are_bright_whatever_the_defocus() -> None:
    rng = np.random.default_rng(0)
    g = rng.uniform(-0.4, 0.4, (60, 2))
    # a gaussian atom at the origin: its coefficients are positive
    potential = 1e-3 * np.exp(-4 * (g**2).sum(axis=1))
    wavelength = electron_wavelength_angstrom(300.0)
    for lens in (Lens(2500.0, 60.0, -40.0), Lens(-800.0), Lens(600.0)):
        t = np.exp(1j * aberration_phase(g, wavelength, 2.7).negative_chi(lens))
        # |1 + i V t|^2 to first order, from the wave rather than from sin chi
        image = 1j * potential * t + np.conj(1j * potential * t)
        corrected = phase_flipped(image, g, lens, energy_kev=300.0, cs_mm=2.7)
        assert np.all(corrected.real >= 0)
        assert np.allclose(np.abs(corrected), np.abs(image))
        assert np.any(image.real < 0)
