"""Beams against abTEM: its propagation of the same slices, its potential on a finer grid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryolattice_simulator.beams import Structure
from cryolattice_simulator.engines import Engine, Multislice, engine_named

# Single precision through hundreds of slices stays below 1e-5; a wrong propagator does not.
PROPAGATION_BOUND = 1e-4
# What both grids and abTEM's placement of atoms may do together; see docs/accuracy.md.
POTENTIAL_BOUND = 1e-2
FINER = 1.5
# The finer grid is compared behind so many thicknesses, the last among them.
MOST_PLANES = 4
# Checks of a sweep: these, and one more for so many models.
_CHECKS_AT_LEAST = 3
_MODELS_PER_CHECK = 1000


def draw_checks(models: int, passes: int, seed: int) -> list[tuple[int, int]]:
    """Draw the models to check, and one pass (energy, tilt, vibration) of each.

    Parameters
    ----------
    models, passes : int
        How many there are.
    seed : int

    Returns
    -------
    list of (int, int)
        Model and pass: three, and one more for every 1000 models.
    """
    rng = np.random.default_rng(seed)
    count = min(models, _CHECKS_AT_LEAST + models // _MODELS_PER_CHECK)
    chosen = rng.choice(models, count, replace=False)
    return [(int(model), int(rng.integers(passes))) for model in chosen]


def propagation_error(
    engine: Engine, structure: Structure, settings: Multislice, psi: NDArray[Any]
) -> float:
    """Compare beams with abTEM's propagation of the engine's own slices.

    Parameters
    ----------
    engine : Engine
        That computed the beams.
    structure : Structure
    settings : Multislice
    psi : ndarray of complex, shape (planes, beams)
        Its beams.

    Returns
    -------
    float
        `relative_difference`; NaN where abTEM is the engine, or cannot do this cell.
    """
    abtem = engine_named("abtem")
    if engine.name == abtem.name or abtem.cannot(structure, settings):
        return float("nan")
    plan = engine.plan(structure, settings)
    spectra = abtem.propagate(engine.period_slices(structure, plan), plan)
    return relative_difference(psi, plan.beams(spectra).psi)


def potential_error(structure: Structure, settings: Multislice, psi: NDArray[Any]) -> float:
    """Compare beams with those of abTEM's own potential on a grid 1.5 times as fine.

    Arguments and result as of `propagation_error`; of many thicknesses, some are compared.
    """
    abtem = engine_named("abtem")
    planes = np.unique(np.linspace(0, len(psi) - 1, min(MOST_PLANES, len(psi))).astype(int))
    finer = replace(
        settings,
        sampling_angstrom=settings.sampling_angstrom / FINER,
        thicknesses_angstrom=np.asarray(settings.thicknesses_angstrom)[planes],
    )
    if abtem.cannot(structure, finer):
        return float("nan")
    return relative_difference(psi[planes], abtem.exit_beams(structure, finer).psi)


def relative_difference(psi: NDArray[Any], reference: NDArray[Any]) -> float:
    """Return |psi - reference| / |reference| over all beams, at the plane where it is greatest."""
    wanted = reference.astype(np.complex128)
    apart = np.linalg.norm(psi - wanted, axis=-1) / np.linalg.norm(wanted, axis=-1)
    return float(apart.max())
