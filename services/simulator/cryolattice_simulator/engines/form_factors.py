"""Electron scattering factors of neutral atoms, evaluated without importing abTEM."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy import constants

from cryolattice.errors import InvalidInputError

# Projected potential in V angstrom^3 for a scattering factor in angstrom: h^2 / (2 pi m e).
VOLT_ANGSTROM2 = constants.h**2 / (2 * np.pi * constants.m_e * constants.e) * 1e20


def _lobato(
    k2: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of a (2 + b k^2) / (1 + b k^2)^2: Lobato and Van Dyck, Acta Cryst. A 70, 636 (2014)."""
    bk2 = b * k2[..., None]
    return np.asarray((a * (2 + bk2) / (1 + bk2) ** 2).sum(axis=-1))


def _kirkland(
    k2: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    c: NDArray[np.float64],
    d: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum of a / (k^2 + b) + c exp(-d k^2): Kirkland, Advanced Computing in EM, appendix C."""
    k2 = k2[..., None]
    return np.asarray((a / (k2 + b) + c * np.exp(-d * k2)).sum(axis=-1))


_FORMULAS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "lobato": _lobato,
    "kirkland": _kirkland,
}
PARAMETRIZATIONS = tuple(_FORMULAS)


@cache
def _table(name: str) -> dict[str, list[list[float]]]:
    # abTEM's files hold the published tables; reading them does not import it
    where = distribution("abtem").locate_file(f"abtem/parametrizations/data/{name}.json")
    table: dict[str, list[list[float]]] = json.loads(Path(str(where)).read_text())
    return table


def scattering_factor(
    name: str, number: int, k2_per_angstrom2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Evaluate the scattering factor of an atom at rest.

    Parameters
    ----------
    name : str
        ``"lobato"`` or ``"kirkland"``.
    number : int
        Atomic number.
    k2_per_angstrom2 : ndarray
        Squares of spatial frequencies, k = 2 sin(theta) / lambda.

    Returns
    -------
    ndarray
        First Born approximation of an electron at rest, in angstrom.

    Raises
    ------
    InvalidInputError
        If the table or the atom is not known.
    """
    if name not in _FORMULAS:
        raise InvalidInputError(
            f"parametrization is {name!r}: choose {' or '.join(_FORMULAS)}",
            field="parametrization",
        )
    parameters = np.asarray(_table(name)[chemical_symbols[number]])
    return _FORMULAS[name](np.asarray(k2_per_angstrom2, dtype=np.float64), *parameters)
