"""The structures of a models dataset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cryolattice.errors import InvalidInputError
from cryolattice_simulator.beams import Structure

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

_SAME_EDGE_ANGSTROM = 1e-3


def model_ids(models: DatasetReader) -> list[str]:
    """Return the ids of the models, in the dataset's order."""
    # thousands of records as dictionaries take more memory than all structures: only ids are kept
    ids: list[str] = json.loads(
        models.file("models.json"), object_hook=lambda record: record.get("model_id")
    )
    return ids


def structures_of(models: DatasetReader) -> list[Structure]:
    """Return the structures of a models dataset, in its order."""
    cells = models.array("cell")
    starts = models.array("atom_start")
    numbers = models.array("number")
    positions = models.array("position")
    occupancies = models.array("occupancy")
    return [
        Structure(
            cell_angstrom=cells[i],
            numbers=numbers[start:stop],
            positions_angstrom=positions[start:stop],
            occupancies=occupancies[start:stop],
            # a hydrogen's weight is its share of an orientational mean, not a vacancy
            random_sites=(occupancies[start:stop] < 1) & (numbers[start:stop] > 1),
        )
        for i, (start, stop) in enumerate(pairwise(starts))
    ]


def shared_edges(structures: Sequence[Structure], *, field: str) -> tuple[float, float]:
    """Return the edges across the beam, in angstrom, that all structures share.

    Raises
    ------
    InvalidInputError
        They differ.
    """
    edges = np.stack([structure.lengths_angstrom[:2] for structure in structures])
    if np.any(np.ptp(edges, axis=0) > _SAME_EDGE_ANGSTROM):
        raise InvalidInputError(
            f"the models differ in their cells, and {field} needs one: name those of one cell",
            field=field,
        )
    return float(edges[0, 0]), float(edges[0, 1])


def chosen_models(
    models: DatasetReader, ids: Sequence[str], *, field: str
) -> list[tuple[str, Structure]]:
    """Return names and structures of the models with these ids, or of all where none is given.

    Raises
    ------
    InvalidInputError
        An id is none of the dataset's.
    """
    names = model_ids(models)
    structures = dict(zip(names, structures_of(models), strict=True))
    for wanted in ids:
        if wanted not in structures:
            raise InvalidInputError(
                f"model {wanted!r} is none of the {len(names)} of this dataset: its models.json "
                "lists them",
                field=field,
            )
    if len(set(ids)) < len(ids):
        raise InvalidInputError(f"{field} names a model twice: leave one out", field=field)
    return [(name, structures[name]) for name in ids or names]


def beams_row(beams: DatasetReader, place: int, *, field: str) -> int:
    """Return the row that beams have for the model at this place in ``models.json``.

    Raises
    ------
    InvalidInputError
        They were simulated for a selection without it.
    """
    rows = np.flatnonzero(beams.array("model") == place)
    if len(rows) == 0:
        raise InvalidInputError(
            f"the beams were simulated for a selection of models, without number {place} of "
            "models.json: choose one of its spec's selection",
            field=field,
        )
    return int(rows[0])
