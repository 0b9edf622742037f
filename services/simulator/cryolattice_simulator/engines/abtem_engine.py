"""abTEM as an engine: the authority that the fast engine is checked against.

One thread and estimated FFT plans, so that every run gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import abtem
import numpy as np
from abtem import parametrizations
from abtem.integrals import QuadratureProjectionIntegrals, ScatteringFactorProjectionIntegrals
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy import fft

from cryolattice.errors import InternalError, InvalidInputError
from cryolattice_simulator.beams import ExitBeams, Structure
from cryolattice_simulator.engines.phonons import displaced_crystal
from cryolattice_simulator.engines.settings import (
    Multislice,
    Plan,
    make_plan,
    required_sampling,
)
from cryolattice_simulator.engines.slices import mean_transmission_potential
from cryolattice_simulator.slicing import choose_grid, mid_slice_shift

PARAMETRIZATIONS: dict[str, Any] = {
    "lobato": parametrizations.LobatoParametrization,
    "kirkland": parametrizations.KirklandParametrization,
    "peng": parametrizations.PengParametrization,
}


class AbtemEngine:
    """abTEM's independent atoms and multislice."""

    name = "abtem"
    revision = str(abtem.__version__)

    def cannot(self, structure: Structure, settings: Multislice) -> str:
        """Say what abTEM has no means for."""
        if not structure.orthogonal:
            return "abTEM needs a cell with a, b, c along x, y, z"
        if settings.precision == "float64" and np.any(structure.at_random):
            return "abTEM takes complex potentials (sites filled at random) in float32 alone"
        if settings.projection == "finite" and settings.phonon_seed is None:
            b = settings.debye_waller_b_angstrom2
            if np.any(np.asarray(list(b.values()) if hasattr(b, "values") else b) > 0):
                return (
                    "abTEM has no Debye-Waller factors with finite projection: give a phonon seed"
                )
        return ""

    def plan(self, structure: Structure, settings: Multislice) -> Plan:
        """Take a grid that puts heavy atoms on its points: between them abTEM blurs them."""
        if settings.parametrization not in PARAMETRIZATIONS:
            raise InvalidInputError(
                f"parametrization is {settings.parametrization!r}: choose "
                + " or ".join(sorted(PARAMETRIZATIONS)),
                field="parametrization",
            )
        gpts = settings.gpts or choose_grid(structure, required_sampling(settings))
        return make_plan(structure, settings, gpts)

    def period_slices(self, structure: Structure, plan: Plan) -> NDArray[Any]:
        """Build one abTEM potential for each weight, and add them up."""
        count, damped = plan.slices, True
        if plan.settings.phonon_seed is not None:
            structure, count, damped = displaced_crystal(structure, plan), plan.all_slices, False
        with _settings(plan.settings.precision):
            return _potential(structure, plan, count, _integrator(plan, damped))

    def propagate(self, slices: NDArray[Any], plan: Plan) -> NDArray[Any]:
        """Send a plane wave through slices."""
        settings = plan.settings
        lengths = np.diag(plan.cell_angstrom)
        # of complex potentials abTEM takes single precision alone
        precision = "float32" if np.iscomplexobj(slices) else settings.precision
        if len(slices) == 1:
            # abTEM counts the exit planes of a unit of one slice wrongly
            slices = np.concatenate([slices, slices])
        with _settings(precision):
            unit = abtem.PotentialArray(
                slices.astype("complex64" if np.iscomplexobj(slices) else plan.dtype),
                slice_thickness=(plan.slice_angstrom,) * len(slices),
                extent=(lengths[0], lengths[1]),
            )
            crystal = abtem.CrystalPotential(
                unit,
                repetitions=(1, 1, -(-plan.all_slices // len(slices))),
                exit_planes=tuple(int(n) * plan.slices - 1 for n in plan.periods),  # type: ignore[arg-type]
            )
            asked = plan.periods * float(lengths[2])
            planned = np.asarray(crystal.exit_thicknesses, dtype=np.float64)
            if planned.shape != asked.shape or not np.allclose(
                planned, asked, atol=1e-6 * asked[-1]
            ):
                raise InternalError(
                    f"abTEM places the exit planes at {planned.tolist()} angstrom instead of "
                    f"{asked.tolist()}"
                )
            source = abtem.PlaneWave(energy=settings.energy_kev * 1e3, tilt=settings.beam_tilt_mrad)
            waves: Any = source.multislice(crystal, lazy=False)
            array = np.asarray(waves.array).reshape(len(plan.periods), *plan.gpts)
            return np.asarray(fft.fft2(array, norm="forward", workers=1))

    def exit_beams(self, structure: Structure, settings: Multislice) -> ExitBeams:
        """Simulate the exit waves of a crystal."""
        plan = self.plan(structure, settings)
        return plan.beams(self.propagate(self.period_slices(structure, plan), plan))

    def many_exit_beams(
        self, structures: Sequence[Structure], settings: Multislice
    ) -> Iterator[ExitBeams]:
        """Simulate crystals one by one."""
        yield from (self.exit_beams(structure, settings) for structure in structures)


def _settings(precision: str) -> Any:
    return abtem.config.set(
        {
            "device": "cpu",
            "precision": precision,
            "fft": "fftw",
            "fftw.threads": 1,
            "fftw.planning_effort": "FFTW_ESTIMATE",
            "diagnostics.progress_bar": False,
        }
    )


def _integrator(plan: Plan, damped: bool) -> Any:
    # abTEM takes the root mean square displacement along one axis: B = 8 pi^2 u^2.
    sigmas = {
        chemical_symbols[number]: float(np.sqrt(b / (8 * np.pi**2)))
        for number, b in plan.b_angstrom2.items()
        if b > 0 and damped
    }
    parametrization = PARAMETRIZATIONS[plan.settings.parametrization](sigmas=sigmas)
    if plan.settings.projection == "finite":
        return QuadratureProjectionIntegrals(parametrization)
    return ScatteringFactorProjectionIntegrals(parametrization)


def _potential(structure: Structure, plan: Plan, count: int, integrator: Any) -> NDArray[Any]:
    lengths = structure.lengths_angstrom
    thickness = float(lengths[2]) / count
    positions = structure.positions_angstrom.copy()
    positions[:, 2] += mid_slice_shift(positions[:, 2], structure.numbers, thickness)
    # Rounded before wrapping, so that -1e-17 does not land on the far edge of the cell.
    positions = np.mod(np.round(positions, 9), lengths)
    total: Any = None
    at_random = structure.at_random
    for random in (False, True):
        for weight in np.unique(structure.occupancies[at_random == random]):
            chosen = (structure.occupancies == weight) & (at_random == random)
            atoms = Atoms(
                structure.numbers[chosen], positions[chosen], cell=structure.cell_angstrom, pbc=True
            )
            potential = abtem.Potential(
                atoms,
                gpts=plan.gpts,
                slice_thickness=(thickness,) * count,
                integrator=integrator,
            )
            array = np.asarray(potential.build(lazy=False).array)
            if random:
                part = mean_transmission_potential(
                    array, float(weight), plan.settings.energy_kev
                ).astype(plan.complex_dtype)
            else:
                part = array * array.dtype.type(weight)
            total = part if total is None else total + part
    return np.asarray(total)
