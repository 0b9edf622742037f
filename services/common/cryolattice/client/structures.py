"""Models as ASE structures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cryolattice.errors import NotFoundError, PreconditionError

if TYPE_CHECKING:
    import ase
    from numpy.typing import NDArray

    from cryolattice.store.reader import DatasetReader

_LISTED = 5


def read_atoms(reader: DatasetReader, ordering: str) -> ase.Atoms:
    """Return one structure of a dataset of models; see `Dataset.atoms`."""
    try:
        from ase import Atoms  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise PreconditionError(
            "structures need ASE, which is not installed: pip install 'cryolattice[ase]'",
            field="ase",
        ) from error
    kind = reader.manifest.kind
    if kind != "models":
        raise PreconditionError(
            f"dataset {reader.manifest.id} holds {kind}, no structures: take a dataset of kind "
            "models, such as Lab.models returns"
        )
    index, record = _find(reader.json("models.json"), ordering)
    starts = reader.array("atom_start")
    here = slice(int(starts[index]), int(starts[index + 1]))
    atoms = Atoms(
        numbers=reader.array("number")[here],
        positions=reader.array("position")[here],
        cell=reader.array("cell")[index],
        pbc=True,
        info={
            name: record[name]
            for name in (
                "model_id",
                "ordering_id",
                "multiplicity",
                "space_group",
                "zone_axis",
                "view_supercell",
                "vacant_sites",
            )
        },
    )
    _add_occupancy(atoms, reader.array("occupancy")[here])
    return atoms


def _find(records: list[dict[str, Any]], wanted: str) -> tuple[int, dict[str, Any]]:
    for index, record in enumerate(records):
        same = {other["ordering_id"] for other in record["stands_for"]}
        if wanted in {record["model_id"], record["ordering_id"], *same}:
            return index, record
    known = list(dict.fromkeys(record["ordering_id"] for record in records))
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    raise NotFoundError(
        f"no ordering {wanted!r} among the models: there are {', '.join(known[:_LISTED])}{more}",
        field="ordering",
    )


def _add_occupancy(atoms: ase.Atoms, occupancy: NDArray[np.float64]) -> None:
    atoms.arrays["occupancy"] = occupancy
    if np.all(occupancy == 1):
        return
    # ASE's own way of partial occupancies, for its plots and files: a kind for each pair
    pairs = list(zip(atoms.symbols, occupancy.tolist(), strict=True))
    kinds = {pair: kind for kind, pair in enumerate(dict.fromkeys(pairs))}
    atoms.arrays["spacegroup_kinds"] = np.array([kinds[pair] for pair in pairs])
    atoms.info["occupancy"] = {str(kind): {pair[0]: pair[1]} for pair, kind in kinds.items()}
