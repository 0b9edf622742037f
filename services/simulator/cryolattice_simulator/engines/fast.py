"""The fast engine: transmission functions reused over the periods, FFTs in place.

On a CPU a few candidates stay in cache; on a GPU hundreds go through the same code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import batched, cycle, groupby, islice
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryolattice_simulator.beams import ExitBeams, Structure, interaction_per_volt_angstrom
from cryolattice_simulator.engines.choice import FAST_REVISION, fast_refusal
from cryolattice_simulator.engines.grids import Grid, aperture, propagator
from cryolattice_simulator.engines.settings import (
    Multislice,
    Plan,
    make_plan,
    required_sampling,
)
from cryolattice_simulator.engines.slices import potential_slices
from cryolattice_simulator.engines.workspaces import (
    BatchWorkspace,
    Layout,
    Workspace,
    array_module,
    fftw_workspace,
    waves_together,
)

# Of a GPU's memory that a batch may fill.
_BATCH_BYTES = 4e9
# Slices are made for several small batches at a time: calls cost more than their atoms.
_POTENTIAL_POINTS = 2**16


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
        nx, ny = settings.gpts or (
            smallest_grid(float(edge), sampling) for edge in structure.lengths_angstrom[:2]
        )
        return make_plan(structure, settings, (nx, ny))

    def period_slices(self, structure: Structure, plan: Plan) -> NDArray[Any]:
        """Superpose structure factors with exact phases."""
        return np.asarray(potential_slices([structure], plan)[0])

    def propagate(self, slices: NDArray[Any], plan: Plan) -> NDArray[Any]:
        """Send a plane wave through slices."""
        whole, work = workspaces(plan, np, 1)
        spectra = propagate(transmission_functions(slices[None], plan, whole), plan, work)
        psi = np.zeros((len(plan.periods), *plan.gpts), plan.complex_dtype)
        h, k = work.layout.orders
        psi[:, h, k] = spectra[0].reshape(len(psi), *work.band.shape[1:])
        return psi

    def exit_beams(self, structure: Structure, settings: Multislice) -> ExitBeams:
        """Simulate the exit waves of a crystal."""
        return next(self.many_exit_beams([structure], settings))

    def many_exit_beams(
        self, structures: Sequence[Structure], settings: Multislice
    ) -> Iterator[ExitBeams]:
        """Simulate the exit waves of many crystals, in batches where that is faster."""
        xp = array_module(settings.device)
        plans: dict[Any, Plan] = {}

        def plan_of(structure: Structure) -> Plan:
            # all that a plan takes from a structure, so that most need no checks of their own
            key = structure.cell_angstrom.tobytes(), frozenset(structure.numbers.tolist())
            if key not in plans:
                plans[key] = self.plan(structure, settings)
            return plans[key]

        for _, group in groupby(structures, key=lambda structure: id(plan_of(structure))):
            alike = list(group)
            plan = plan_of(alike[0])
            length = _batch_length(plan, xp)
            batches = max(1, _POTENTIAL_POINTS // (length * math.prod(plan.gpts)))
            for several in batched(alike, batches * length):
                potential = potential_slices(several, plan, xp)
                for first in range(0, len(several), length):
                    batch = potential[first : first + length]
                    yield from beams_of_batch(batch, plan, *workspaces(plan, xp, len(batch)))


def workspaces(plan: Plan, xp: ModuleType, batch: int) -> tuple[Workspace, Workspace]:
    """Return where to make transmission functions, and where to propagate."""
    if xp is not np:
        both = BatchWorkspace(xp, batch, plan.gpts, plan.complex_dtype)
        return both, both
    limit = _grid(plan).greatest_orders
    return (
        fftw_workspace(plan.gpts, plan.complex_dtype, None, batch),
        fftw_workspace(plan.gpts, plan.complex_dtype, limit, batch),
    )


def beams_of_batch(
    potential: Any, plan: Plan, whole: Workspace, work: Workspace
) -> Iterator[ExitBeams]:
    """Simulate crystals together from their slices, in workspaces of as many waves."""
    xp = _library(work)
    psi = propagate(transmission_functions(potential, plan, whole), plan, work, (plan.h, plan.k))
    yield from map(plan.beams, psi if xp is np else xp.asnumpy(psi))


def transmission_functions(potential: Any, plan: Plan, work: Workspace) -> list[Any]:
    """Band-limited exp(i sigma V) of each slice.

    Parameters
    ----------
    potential : array, shape (batch, slices, nx, ny)
        V angstrom.
    plan : Plan
    work : Workspace
        With a carrier of 1 and all orders; overwritten. Its library computes.

    Returns
    -------
    list of array, each as `work.wave`
    """
    xp = _library(work)
    sigma = interaction_per_volt_angstrom(plan.settings.energy_kev)
    limit = xp.asarray(_band(_grid(plan), work.layout, plan.dtype))
    found = []
    for s in range(potential.shape[1]):
        phase = (sigma * potential[:, s]).astype(potential.dtype)
        if phase.dtype.kind == "c":
            work.wave[...] = xp.exp(1j * phase)
        else:
            xp.cos(phase, out=work.wave.real)
            xp.sin(phase, out=work.wave.imag)
        work.forward()
        work.band *= limit
        work.backward()
        found.append(work.wave.copy())
    return found


def propagate(
    transmission: Sequence[Any],
    plan: Plan,
    work: Workspace,
    beams: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> Any:
    """Send plane waves through slices, again and again until the last exit plane.

    Parameters
    ----------
    transmission : sequence of array
        As `transmission_functions` returns them: of a period or of the whole crystal.
    plan : Plan
    work : Workspace
        Overwritten.
    beams : (h, k), optional
        Orders to keep; everything within the band limit without them.

    Returns
    -------
    array, shape (batch, planes, beams)
        Fourier coefficients, psi_00 = 1 at the entrance; all of `work.band`, row by row,
        without `beams`.
    """
    xp = _library(work)
    settings = plan.settings
    batch = len(work.wave)
    step = xp.asarray(
        _step(
            _grid(plan),
            plan.slice_angstrom,
            settings.energy_kev,
            settings.tilt,
            work.layout,
            plan.complex_dtype,
            batch if xp is np else 1,
        )
    )
    place = np.arange(work.band[0].size) if beams is None else work.layout.places(*beams)
    place = xp.asarray(place)
    psi = xp.empty((batch, len(plan.periods), len(place)), plan.complex_dtype)
    plane = {int(n) * plan.slices: i for i, n in enumerate(plan.periods)}
    last = plan.all_slices
    work.wave[...] = work.carrier
    for passed, transmitted in enumerate(islice(cycle(transmission), last), 1):
        work.wave *= transmitted
        work.forward()
        work.band *= step
        if passed in plane:
            kept = work.spectrum.reshape(batch, -1)
            psi[:, plane[passed]] = kept.take(place, axis=-1)
        if passed < last:
            work.backward()
    return psi


def smallest_grid(length_angstrom: float, sampling_angstrom: float) -> int:
    """Return an even number of points that the FFT does fast.

    A power of two where it is at most a third more than necessary: at other lengths the plans that
    FFTW estimates take two to three times as long for a point.
    """
    least = max(length_angstrom / sampling_angstrom, 8) - 1e-9
    power = 2 ** math.ceil(math.log2(least))
    return power if power <= 4 / 3 * least else 2 * int(fft.next_fast_len(math.ceil(least / 2)))


@lru_cache(maxsize=16)
def _band(grid: Grid, layout: Layout, dtype: str) -> NDArray[np.floating]:
    """Band limit in a spectrum; the FFTs do not divide by their length: this does."""
    return np.asarray(aperture(grid)[layout.orders] / np.prod(grid.gpts), dtype=dtype)


@lru_cache(maxsize=16)
def _step(
    grid: Grid,
    slice_angstrom: float,
    energy_kev: float,
    tilt_mrad: tuple[float, float],
    layout: Layout,
    dtype: str,
    times: int,
) -> NDArray[np.complexfloating]:
    """Propagator in a spectrum, divided by the length of the FFTs.

    On a CPU it is there for each wave: numpy's products of one shape take half the time.
    """
    step = propagator(grid, slice_angstrom, energy_kev, tilt_mrad)[layout.orders]
    return np.tile((step / np.prod(grid.gpts)).astype(dtype), (times, 1, 1))


def _grid(plan: Plan) -> Grid:
    return Grid.of(plan.gpts, plan.cell_angstrom)


def _library(work: Workspace) -> ModuleType:
    return np if isinstance(work.carrier, np.ndarray) else array_module("gpu")


def _batch_length(plan: Plan, xp: ModuleType) -> int:
    if xp is np:
        return waves_together(plan.gpts)
    slices = plan.slices if plan.settings.phonon_seed is None else plan.all_slices
    # potential, transmission functions, and the wave with what its transform needs
    return max(1, int(_BATCH_BYTES / (16 * (2 * slices + 4) * np.prod(plan.gpts))))
