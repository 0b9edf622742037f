"""Atoms moved off their sites at random, by the mean square that Debye-Waller factors say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import ase
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.transforms.provenance import with_record

_GREATEST = 1.0  # angstrom^2: beyond it a crystal has molten


def mean_square_from_b(b_angstrom2: float) -> float:
    """Return the mean square displacement along one direction, U = B / (8 pi^2), angstrom^2."""
    return b_angstrom2 / (8 * math.pi**2)


def displaced(
    atoms: ase.Atoms, mean_square_angstrom2: Mapping[str, ArrayLike], *, seed: int
) -> ase.Atoms:
    """Move each atom by a normal deviate: a static disorder, or one frozen phonon configuration.

    Atoms move independently of each other (Einstein's model).

    Parameters
    ----------
    atoms : ase.Atoms
    mean_square_angstrom2 : mapping of str to float or (3, 3) array_like
        U by element: along each direction, or U_ij as in a CIF, on the axes of the cell scaled by
        the reciprocal lengths (International Tables D, 1.9.2). Every element needs one.
    seed : int

    Returns
    -------
    ase.Atoms

    Raises
    ------
    InvalidInputError
        If an element has no U, or a U is negative, above 1 angstrom^2 or not symmetric.
    """
    roots = _roots(atoms, mean_square_angstrom2)
    _require_seed(seed)
    deviates = np.random.default_rng(seed).standard_normal((len(atoms), 3))
    return _moved(atoms, roots, deviates, mean_square_angstrom2, seed=seed)


def frozen_phonons(
    atoms: ase.Atoms, mean_square_angstrom2: Mapping[str, ArrayLike], *, count: int, seed: int
) -> Iterator[ase.Atoms]:
    """Yield configurations of `displaced`, each of them the same whatever their number.

    Parameters
    ----------
    atoms : ase.Atoms
    mean_square_angstrom2 : mapping
        As `displaced`.
    count : int
        At least 1.
    seed : int

    Yields
    ------
    ase.Atoms

    Raises
    ------
    InvalidInputError
        As `displaced`, or if `count` is below 1; at the call.
    """
    roots = _roots(atoms, mean_square_angstrom2)
    _require_seed(seed)
    if count < 1:
        raise InvalidInputError(f"count is {count}: give at least 1 configuration", field="count")
    return (
        _moved(
            atoms,
            roots,
            np.random.default_rng([seed, index]).standard_normal((len(atoms), 3)),
            mean_square_angstrom2,
            seed=seed,
            configuration=index,
        )
        for index in range(count)
    )


def _moved(
    atoms: ase.Atoms,
    roots: NDArray[np.float64],
    deviates: NDArray[np.float64],
    given: Mapping[str, ArrayLike],
    **seeds: int,
) -> ase.Atoms:
    moved = atoms.copy()
    moved.positions = atoms.positions + np.einsum("nij,nj->ni", roots, deviates)
    told: dict[str, Any] = {element: np.asarray(u).tolist() for element, u in given.items()}
    return with_record(moved, "displaced", mean_square_angstrom2=told, **seeds)


def _roots(atoms: ase.Atoms, given: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Return each atom's matrix that makes its displacement of three unit normal deviates."""
    symbols = list(atoms.symbols)
    by_element = {element: _root(atoms, element, given) for element in sorted(set(symbols))}
    return np.array([by_element[symbol] for symbol in symbols]).reshape(-1, 3, 3)


def _root(atoms: ase.Atoms, element: str, given: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    if element not in given:
        raise InvalidInputError(
            f"no mean square displacement for {element}: give one for each of "
            f"{', '.join(sorted(set(atoms.symbols)))}, in angstrom^2",
            field="mean_square_angstrom2",
        )
    u = np.asarray(given[element], dtype=np.float64)
    if u.shape == ():
        u = u * np.eye(3)
    elif u.shape == (3, 3):
        # displacement = sum of xi_i |a*_i| a_i with <xi_i xi_j> = U_ij
        lengths = np.linalg.norm(np.asarray(atoms.cell.reciprocal()), axis=1)
        axes = np.asarray(atoms.cell) * lengths[:, None]
        u = axes.T @ u @ axes
    values = np.linalg.eigvalsh(u) if u.shape == (3, 3) and np.isfinite(u).all() else [-1.0]
    if min(values) < -1e-9 or max(values) > _GREATEST or not np.allclose(u, u.T, atol=1e-9):
        raise InvalidInputError(
            f"the mean square displacement of {element} is {np.asarray(given[element]).tolist()}: "
            f"give a number from 0 to {_GREATEST:g} angstrom^2, or a symmetric 3 x 3 matrix that "
            "is positive along every direction",
            field="mean_square_angstrom2",
        )
    squares, directions = np.linalg.eigh(u)
    return np.asarray(directions * np.sqrt(np.maximum(squares, 0.0)), dtype=np.float64)


def _require_seed(seed: int) -> None:
    if seed < 0:
        raise InvalidInputError(f"seed is {seed}: give a whole number of at least 0", field="seed")
