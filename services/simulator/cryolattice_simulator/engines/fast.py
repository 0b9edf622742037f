"""The fast engine: transmission functions reused over the periods, FFTs in place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyfftw
from numpy.typing import NDArray
from scipy import fft

from cryolattice_simulator.beams import ExitBeams, Structure, interaction_per_volt_angstrom
from cryolattice_simulator.engines.choice import FAST_REVISION, fast_refusal
from cryolattice_simulator.engines.grids import aperture, propagator
from cryolattice_simulator.engines.settings import (
    Multislice,
    Plan,
    make_plan,
    required_sampling,
)
from cryolattice_simulator.engines.slices import potential_slices


class FastEngine:
    """Multislice with infinite projection on grids that need not suit the atoms."""

    name = "fast"
    revision = FAST_REVISION

    def cannot(self, structure: Structure, settings: Multislice) -> str:  # noqa: ARG002
        """Say what abTEM alone can do."""
        return fast_refusal(settings)

    def plan(self, structure: Structure, settings: Multislice) -> Plan:
        """Take the smallest even grid that the FFT does fast."""
        sampling = required_sampling(settings)
        gpts = settings.gpts or tuple(
            smallest_grid(float(edge), sampling) for edge in structure.lengths_angstrom[:2]
        )
        return make_plan(structure, settings, (gpts[0], gpts[1]))

    def period_slices(self, structure: Structure, plan: Plan) -> NDArray[np.floating]:
        """Superpose structure factors with exact phases."""
        return potential_slices(structure, plan)

    def propagate(self, slices: NDArray[Any], plan: Plan) -> NDArray[np.complexfloating]:
        """Send a plane wave through slices."""
        return _propagate(slices, plan)

    def exit_beams(self, structure: Structure, settings: Multislice) -> ExitBeams:
        """Simulate the exit waves of a crystal."""
        plan = self.plan(structure, settings)
        return plan.beams(self.propagate(self.period_slices(structure, plan), plan))


def smallest_grid(length_angstrom: float, sampling_angstrom: float) -> int:
    """Return the smallest even number of points that the FFT does fast."""
    half = math.ceil(max(length_angstrom / sampling_angstrom, 8) / 2 - 1e-9)
    return 2 * int(fft.next_fast_len(half, real=True))


def _propagate(slices: NDArray[Any], plan: Plan) -> NDArray[np.complexfloating]:
    dtype = np.complex64 if plan.settings.precision == "float32" else np.complex128
    sigma = interaction_per_volt_angstrom(plan.settings.energy_kev)
    limit = aperture(plan.gpts, plan.cell_angstrom)
    spectra = fft.fft2(np.exp(1j * sigma * slices), workers=1) * limit
    transmission = fft.ifft2(spectra, workers=1).astype(dtype)
    # the FFTs do not divide by their length: the propagator does
    step = (propagator(plan) / np.prod(plan.gpts)).astype(dtype)
    wave = pyfftw.empty_aligned(plan.gpts, dtype)
    plans = {"axes": (0, 1), "flags": ("FFTW_ESTIMATE",), "threads": 1}
    forward = pyfftw.FFTW(wave, wave, direction="FFTW_FORWARD", **plans)
    backward = pyfftw.FFTW(wave, wave, direction="FFTW_BACKWARD", **plans)
    kept = np.empty((len(plan.periods), *plan.gpts), dtype)
    wave[:] = 1
    planes = {int(n) * plan.slices: i for i, n in enumerate(plan.periods)}
    for s in range(plan.all_slices):
        wave *= transmission[s % len(transmission)]
        forward.execute()
        wave *= step
        if s + 1 in planes:
            kept[planes[s + 1]] = wave
        backward.execute()
    return kept
