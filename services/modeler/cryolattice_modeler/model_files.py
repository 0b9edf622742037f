"""Committed models as files for other programs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import ase
import ase.io
import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.structure_cif import Structure, structure_to_cif

StructureFormat = Literal["cif", "cif-found", "poscar", "extxyz"]
_SUFFIXES = {"cif": "cif", "cif-found": "cif", "poscar": "vasp", "extxyz": "extxyz"}


@dataclass(frozen=True, eq=False)
class StoredModel:
    """A model as its dataset has it.

    Attributes
    ----------
    record : dict
        Its entry in ``models.json``.
    cell_angstrom : (3, 3) array
    numbers : (n,) int array
    positions_angstrom : (n, 3) array
    occupancies : (n,) array
    """

    record: dict[str, Any]
    cell_angstrom: NDArray[np.float64]
    numbers: NDArray[np.int64]
    positions_angstrom: NDArray[np.float64]
    occupancies: NDArray[np.float64]

    @property
    def name(self) -> str:
        """The model's id."""
        return str(self.record["model_id"])


def structure_files(
    models: Sequence[StoredModel], file_format: StructureFormat
) -> Iterator[tuple[str, bytes]]:
    """Yield a file for each model, named after it.

    Parameters
    ----------
    models : sequence of StoredModel
    file_format : str
        ``"cif"`` with every atom, ``"cif-found"`` with the asymmetric unit in the space group that
        is found, ``"poscar"``, or ``"extxyz"`` with a column of occupancies.

    Raises
    ------
    InvalidInputError
        If a POSCAR is asked for of a model with partial occupancies; at the call.
    """
    if file_format == "poscar":
        for model in models:
            if np.any(model.occupancies < 1):
                raise InvalidInputError(
                    f"a POSCAR has no partial occupancies, which {model.name} has: write CIF or "
                    "extended XYZ, or build orderings with hydrogens 'random' or 'none'",
                    field="format",
                )
    return (
        (f"{model.name}.{_SUFFIXES[file_format]}", _written(model, file_format).encode())
        for model in models
    )


def _written(model: StoredModel, file_format: StructureFormat) -> str:
    steps = model.record.get("transforms", [])
    if file_format in {"cif", "cif-found"}:
        structure = Structure(
            name=model.name,
            cell_angstrom=model.cell_angstrom,
            numbers=model.numbers,
            fractional=model.positions_angstrom @ np.linalg.inv(model.cell_angstrom),
            occupancies=model.occupancies,
        )
        comments = [
            f"# Cryolattice model {model.name}, seen along c",
            *(f"# {json.dumps(step)}" for step in steps),
        ]
        return structure_to_cif(
            structure, symmetry="found" if file_format == "cif-found" else "p1", comments=comments
        )
    atoms = ase.Atoms(
        numbers=model.numbers,
        positions=model.positions_angstrom,
        cell=model.cell_angstrom,
        pbc=True,
    )
    file = io.StringIO()
    if file_format == "poscar":
        ase.io.write(file, atoms, format="vasp", direct=True, sort=True)
        _, rest = file.getvalue().split("\n", maxsplit=1)  # the first line is for a comment
        return f"{model.name}\n{rest}"
    atoms.arrays["occupancy"] = model.occupancies
    atoms.info = {"model_id": model.name, **({"transforms": json.dumps(steps)} if steps else {})}
    ase.io.write(file, atoms, format="extxyz")
    return file.getvalue()
