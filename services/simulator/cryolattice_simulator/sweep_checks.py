"""Some of a sweep's candidates against abTEM, beside the rest of the sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import VerificationError
from cryolattice.jobs.kinds import ReadPart, Round
from cryolattice.store.arrays import ArraySpec
from cryolattice_simulator.beams import Structure
from cryolattice_simulator.engines import Engine, Multislice
from cryolattice_simulator.sweep_axes import Conditions
from cryolattice_simulator.verification import (
    FINER,
    POTENTIAL_BOUND,
    PROPAGATION_BOUND,
    draw_checks,
    potential_error,
    propagation_error,
)

# Many in one tile: each worker that checks imports abTEM, which takes seconds.
_CHECKS_PER_TILE = 16
# What that import takes.
IMPORT_SECONDS = 6.0
_ARRAYS = ("propagation_error", "potential_error")


@dataclass(frozen=True)
class Check:
    """One pass of one model that is computed again.

    Attributes
    ----------
    model : int
    place : dict of str to int
        On the axes of the beams.
    conditions : Conditions
    """

    model: int
    place: Mapping[str, int]
    conditions: Conditions


class SweepChecks:
    """The tiles of the checks; their rows follow those of the models.

    Parameters
    ----------
    model_ids : sequence of str
    passes : sequence of (dict, Conditions)
        Of each model, as `SweepAxes` yields them.
    seed : int
        Draws the sample.
    """

    def __init__(
        self,
        model_ids: Sequence[str],
        passes: Sequence[tuple[Mapping[str, int], Conditions]],
        seed: int,
    ) -> None:
        self._model_ids = model_ids
        self._seed = seed
        self.checks = [
            Check(model, *passes[number])
            for model, number in draw_checks(len(model_ids), len(passes), seed)
        ]

    def rounds(self, tiles: Sequence[tuple[int, int]]) -> list[Round]:
        """Return the rounds of a sweep with these tiles: those of checked models come first.

        The checks begin when these have ended: one worker imports abTEM while others go on.
        """
        models = [check.model for check in self.checks]
        starts = [start for start, _ in tiles]
        checked = set((np.searchsorted(starts, models, side="right") - 1).tolist())
        first = [tiles[number] for number in sorted(checked)]
        rest = [tile for number, tile in enumerate(tiles) if number not in checked]
        return [Round([*first, *rest]), Round(self.tiles, after=range(len(first)))]

    @property
    def tiles(self) -> list[tuple[int, int]]:
        """Start and stop of each tile of checks."""
        first, count = len(self._model_ids), len(self.checks)
        return [
            (first + start, first + min(start + _CHECKS_PER_TILE, count))
            for start in range(0, count, _CHECKS_PER_TILE)
        ]

    @property
    def arrays(self) -> list[ArraySpec]:
        """What the checks find."""
        return [
            ArraySpec(
                name,
                (len(self.checks),),
                ("check",),
                np.float64,
                chunks=(min(_CHECKS_PER_TILE, len(self.checks)),),
                first_row=len(self._model_ids),
            )
            for name in _ARRAYS
        ]

    def compute(
        self, check: Check, engine: Engine, structure: Structure, settings: Multislice, psi: Any
    ) -> tuple[float, float]:
        """Compare the stored beams of one pass with abTEM's.

        Raises
        ------
        VerificationError
            abTEM propagates the engine's slices to something else.
        """
        propagated = propagation_error(engine, structure, settings, psi)
        if propagated > PROPAGATION_BOUND:
            raise VerificationError(
                f"the {engine.name} engine's beams of model {self._model_ids[check.model]} "
                f"({_told(check.conditions)}) differ by {propagated:.2g} from abTEM's propagation "
                f"of the same slices, above {PROPAGATION_BOUND:g}: report this defect, and sweep "
                "with engine: abtem meanwhile",
                field="engine",
            )
        return propagated, potential_error(structure, settings, psi)

    def row(self, row: int) -> Check:
        """Return the check of a row of the job."""
        return self.checks[row - len(self._model_ids)]

    def parts(self, found: Sequence[tuple[float, float]]) -> dict[str, NDArray[Any]]:
        """Return the arrays of a tile."""
        return dict(zip(_ARRAYS, np.asarray(found, dtype=np.float64).T, strict=True))

    def summary(self, read: ReadPart) -> dict[str, Any]:
        """Return what ``verification.json`` says."""
        count = len(self.checks)
        errors = {name: read(name, 0, count) for name in _ARRAYS}
        rows = [
            {
                "model_id": self._model_ids[check.model],
                **asdict(check.conditions),
                **{name: _number(values[i]) for name, values in errors.items()},
            }
            for i, check in enumerate(self.checks)
        ]
        worst = float(np.nanmax(errors["potential_error"], initial=0.0))
        warnings = []
        if worst > POTENTIAL_BOUND:
            warnings.append(
                f"the waves differ by up to {100 * worst:.2g} % from abTEM's on a finer grid, more "
                f"than {100 * POTENTIAL_BOUND:g} %: lower sampling_angstrom"
            )
        if any(math.isnan(value) for value in errors["potential_error"]):
            warnings.append("abTEM cannot simulate these cells: the beams are not verified by it")
        return {
            "seed": self._seed,
            "finer_grid": FINER,
            "propagation_bound": PROPAGATION_BOUND,
            "potential_bound": POTENTIAL_BOUND,
            "checks": rows,
            "warnings": warnings,
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _told(conditions: Conditions) -> str:
    told = f"{conditions.energy_kev:g} keV, B {conditions.b_angstrom2:g} angstrom^2"
    if any(conditions.tilt_mrad):
        told += ", tilt {:g}, {:g} mrad".format(*conditions.tilt_mrad)
    if conditions.configuration is not None:
        told += f", phonon configuration {conditions.configuration}"
    return told
