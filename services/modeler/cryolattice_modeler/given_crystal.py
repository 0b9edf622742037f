"""One model: a crystal as its file gives it, in an orthogonal cell with the beam along c."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.clusters import HydrogenMode
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.directions import Direction
from cryolattice_modeler.orthogonal_cells import PERPENDICULAR, in_orthogonal_cell
from cryolattice_modeler.structures import Model, build_models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GIVEN = "given"
"""Name of the crystal as its file gives it among the models."""

_SHEAR_WORTH_SAYING = 1e-5


def given_crystal(
    parent: ParentCrystal,
    direction: Direction,
    supercell: Sequence[int],
    *,
    clusters: Mapping[str, str],
    hydrogens: HydrogenMode,
    seed: int,
) -> tuple[Model, dict[str, Any]]:
    """Build the model of a crystal along a direction of the beam.

    Parameters
    ----------
    parent : ParentCrystal
    direction : (int, int, int)
        In the crystal's axes.
    supercell : sequence of int
        Orthogonal cells along x, y and the beam.
    clusters, hydrogens, seed
        As `build_models`.

    Returns
    -------
    model : Model
    setting : dict
        ``axes`` (rows: the orthogonal cell's axes in units of the crystal's),
        ``repeats_along_beam``, ``remarks``.

    Raises
    ------
    InvalidInputError
        There is no such cell; or the direction is not along an axis of a box.
    """
    whole = in_orthogonal_cell(parent, direction)
    open_axes = set(parent.open_axes)
    mixed = [row for row in whole.axes if np.count_nonzero(np.abs(row) > PERPENDICULAR) > 1]
    if open_axes and any(np.abs(row[list(open_axes)]).max() > PERPENDICULAR for row in mixed):
        shown = " ".join(map(str, direction))
        raise InvalidInputError(
            f"{parent.name} does not repeat along all its axes, so that it can be seen along one "
            f"of them alone, not along [{shown}]",
            field="zone_axis",
        )
    model = build_models(
        whole.parent,
        supercell,
        [],
        zone_axes="c",
        clusters=clusters,
        hydrogens=hydrogens,
        seed=seed,
        include_disordered=True,
    )[0]
    name = "".join(map(str, whole.direction))
    named = replace(model, model_id=f"{GIVEN}-{name}", ordering_id=GIVEN, zone_axis=whole.direction)
    remarks = list(parent.warnings)
    if whole.shear > _SHEAR_WORTH_SAYING:
        angle = np.degrees(np.arcsin(whole.shear))
        remarks.append(
            f"{parent.name}: the cell's angles differ from 90 degrees by up to {angle:.3f} and "
            "were made right"
        )
    beam = int(np.argmax(np.abs(whole.axes[2])))
    return named, {
        "axes": whole.axes.tolist(),
        "repeats_along_beam": beam not in open_axes,
        "remarks": remarks,
    }
