"""Copies of a structure side by side, whose molecules stay whole and apart from each other."""

from __future__ import annotations

import ase
import numpy as np
from numpy.typing import NDArray


def molecule_numbers(atoms: ase.Atoms) -> NDArray[np.int64]:
    """Return the number of the molecule that each atom belongs to, -1 for none."""
    return np.asarray(atoms.arrays.get("molecule", np.full(len(atoms), -1)), dtype=np.int64)


def molecule_heads(atoms: ase.Atoms) -> NDArray[np.int64]:
    """Return for each atom the first atom of its molecule; itself where it is in none."""
    numbers = molecule_numbers(atoms)
    heads = np.arange(len(atoms))
    inside = np.flatnonzero(numbers >= 0)
    _, first, inverse = np.unique(numbers[inside], return_index=True, return_inverse=True)
    heads[inside] = inside[first][inverse]
    return heads


def repeated(atoms: ase.Atoms, repeats: tuple[int, int, int]) -> ase.Atoms:
    """Repeat a structure; each copy of a molecule gets a number and is in one piece.

    Parameters
    ----------
    atoms : ase.Atoms
        A molecule may lie across the borders of its cell.
    repeats : (int, int, int)

    Returns
    -------
    ase.Atoms
        Copy after copy, each in the order of the atoms; the last axis runs fastest.
    """
    whole = atoms.copy()
    arms = atoms.positions - atoms.positions[molecule_heads(atoms)]
    turns = np.rint(arms @ np.linalg.inv(np.asarray(atoms.cell))) * np.asarray(atoms.pbc)
    whole.positions = atoms.positions - turns @ np.asarray(atoms.cell)
    copies: ase.Atoms = whole.repeat(repeats)
    numbers = molecule_numbers(atoms)
    if numbers.max(initial=-1) >= 0:
        offsets = np.arange(np.prod(repeats)) * (int(numbers.max()) + 1)
        copies.arrays["molecule"] = np.where(numbers >= 0, numbers + offsets[:, None], -1).ravel()
    return copies
