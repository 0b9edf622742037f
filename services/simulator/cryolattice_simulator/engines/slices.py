"""Projected potential of the slices of crystals, by structure factors with exact phases."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryolattice_simulator.beams import Structure, interaction_per_volt_angstrom
from cryolattice_simulator.engines.form_factors import VOLT_ANGSTROM2, scattering_factor
from cryolattice_simulator.engines.grids import Grid, frequencies
from cryolattice_simulator.engines.phonons import displaced_crystal
from cryolattice_simulator.engines.settings import Plan
from cryolattice_simulator.slicing import mid_slice_shift

# Atoms of one element in one slice: fractions (n, 2) and weights (n,), both as bytes.
Group = tuple[bytes, bytes]
_NONE: Group = (b"", b"")
# Exponentials are multiplied together from steps of this many orders.
_STRIDE = 16
# More than any atomic number.
_ELEMENTS = 128


def potential_slices(
    structures: Sequence[Structure], plan: Plan, xp: ModuleType = np
) -> NDArray[Any]:
    """Project the potential of each slice of a period, or of the whole crystal with phonons.

    V(g) = h^2 / (2 pi m e A) sum_j w_j f_j(g) exp(-B_j g^2 / 4 - 2 pi i g . r_j), with A the area
    of the cell.

    Parameters
    ----------
    structures : sequence of Structure
        One period each, all in the plan's cell.
    plan : Plan
        Grid, slices and Debye-Waller factors.
    xp : module
        numpy, or a library with its interface.

    Returns
    -------
    array, shape (structures, slices, nx, ny)
        V angstrom; complex where sites are filled at random.
    """
    count, damped = plan.slices, True
    if plan.settings.phonon_seed is not None:
        structures = [displaced_crystal(structure, plan) for structure in structures]
        count, damped = plan.all_slices, False
    at_random = np.concatenate([s.at_random for s in structures])
    occupancies = np.concatenate([s.occupancies for s in structures])
    total: NDArray[Any] = _potential(_groups(structures, count, ~at_random), plan, damped, xp)
    for weight in np.unique(occupancies[at_random]).tolist():
        groups = _groups(structures, count, at_random & (occupancies == weight))
        filled = _potential(groups, plan, damped, xp)
        mean = mean_transmission_potential(filled / weight, weight, plan.settings.energy_kev, xp)
        total = total + mean.astype(plan.complex_dtype)
    return total


def mean_transmission_potential(
    potential: Any, occupancy: float, energy_kev: float, xp: ModuleType = np
) -> NDArray[np.complex128]:
    """Complex potential whose transmission function is the mean over sites filled at random.

    A slice transmits exp(i sigma V) where a site is filled and 1 where it is empty; with every site
    decided by itself the coherent wave sees the mean, ``<t> = 1 - p + p exp(i sigma V)``. Its
    modulus below 1 is the intensity that disorder scatters diffusely (Cowley, *Diffraction
    Physics*, ch. 12). Sites must overlap little, as atoms do.

    Parameters
    ----------
    potential : array, shape (..., nx, ny)
        Projected potential of filled sites, V angstrom.
    occupancy : float
        p, 0 to 1.
    energy_kev : float
    xp : module
        numpy, or a library with its interface.

    Returns
    -------
    array of complex, shape (..., nx, ny)
        ``-i ln <t> / sigma``.
    """
    sigma = interaction_per_volt_angstrom(energy_kev)
    mean = 1 - occupancy + occupancy * xp.exp(1j * sigma * potential.astype(np.float64))
    result: NDArray[np.complex128] = -1j * xp.log(mean) / sigma
    return result


def _groups(
    structures: Sequence[Structure], count: int, chosen: NDArray[np.bool_]
) -> list[dict[tuple[int, int], Group]]:
    """Sort the chosen atoms of each structure by element and slice; `chosen` is for all in a row.

    All at once: a structure's few atoms take less time than the calls.
    """
    cell = structures[0].cell_angstrom
    thickness = float(cell[2, 2]) / count
    owner = np.repeat(np.arange(len(structures)), [len(s.numbers) for s in structures])
    numbers = np.concatenate([s.numbers for s in structures])
    x, y, z = np.concatenate([s.positions_angstrom for s in structures]).T
    shift = [mid_slice_shift(s.positions_angstrom[:, 2], s.numbers, thickness) for s in structures]
    z = np.round(z + np.array(shift)[owner], 9)
    # an atom on a border belongs to the slice above, whatever the rounding
    index = np.floor(z / thickness + 1e-6).astype(np.int64) % count
    (ax, ay), (bx, by) = cell[:2, :2].tolist()
    # x = u a + v b solved by hand: LAPACK takes longer than all the rest of this for one cell
    uv = np.empty((len(z), 2))
    np.subtract(x * by, y * bx, out=uv[:, 0])
    np.subtract(y * ax, x * ay, out=uv[:, 1])
    uv /= ax * by - ay * bx
    uv = np.mod(np.round(uv, 12), 1.0)
    order = np.flatnonzero(chosen)
    key = ((owner * _ELEMENTS + numbers) * count + index)[order]
    by_key = np.argsort(key, kind="stable")
    order, key = order[by_key], key[by_key]
    ends = [*(np.flatnonzero(key[1:] != key[:-1]) + 1).tolist(), len(order)]
    uv, weights = uv[order], np.concatenate([s.occupancies for s in structures])[order]
    found: list[dict[tuple[int, int], Group]] = [{} for _ in structures]
    for i, j in pairwise([0, *ends]):
        if j:
            atom, slice_index = divmod(int(key[i]), count)
            structure, number = divmod(atom, _ELEMENTS)
            found[structure][number, slice_index] = uv[i:j].tobytes(), weights[i:j].tobytes()
    return found


def _potential(
    groups: Sequence[dict[tuple[int, int], Group]], plan: Plan, damped: bool, xp: ModuleType
) -> Any:
    nx, ny = plan.gpts
    shape = (len(groups), plan.all_slices if not damped else plan.slices, nx, ny // 2 + 1)
    spectrum = xp.zeros(shape, plan.complex_dtype)
    grid = Grid.of(plan.gpts, plan.cell_angstrom)
    for number, s in sorted({key for each in groups for key in each}):
        form = _form_factor(
            plan.settings.parametrization,
            number,
            plan.b_angstrom2[number] if damped else 0.0,
            grid,
            plan.complex_dtype,
        )
        alike = [each.get((number, s), _NONE) for each in groups]
        spectrum[:, s] += xp.asarray(form) * _superpose(alike, plan, xp)
    fft = import_module("scipy.fft" if xp is np else "cupyx.scipy.fft")
    return fft.irfft2(spectrum, s=plan.gpts, norm="forward", overwrite_x=True)


@lru_cache(maxsize=64)
def _form_factor(
    name: str, number: int, b_angstrom2: float, grid: Grid, dtype: str
) -> NDArray[np.complexfloating]:
    """Fourier coefficients of one atom's projected potential, V angstrom, (nx, ny // 2 + 1).

    Complex, though real: products with numbers of another type take several times as long.
    """
    k2 = (frequencies(grid)[:, : grid.gpts[1] // 2 + 1] ** 2).sum(axis=-1)
    factor = scattering_factor(name, number, k2) * np.exp(-b_angstrom2 * k2 / 4)
    return np.asarray(factor * VOLT_ANGSTROM2 / grid.area_angstrom2, dtype=dtype)


def _superpose(groups: Sequence[Group], plan: Plan, xp: ModuleType) -> Any:
    """Sum w exp(-2 pi i (h u + k v)) over the atoms of each group, (groups or 1, nx, ny // 2 + 1).

    In a sweep most groups are those of every other candidate, and are computed once.
    """
    if len(set(groups)) == 1:
        return xp.asarray(_structure_factor(groups[0], plan.gpts, plan.complex_dtype))
    most = max(len(weights) for _, weights in groups) // 8
    uv, weights = np.zeros((len(groups), most, 2)), np.zeros((len(groups), most))
    for row, (places, shares) in enumerate(groups):
        count = len(shares) // 8
        uv[row, :count] = np.frombuffer(places).reshape(-1, 2)
        weights[row, :count] = np.frombuffer(shares)
    return _phase_sums(xp.asarray(uv), xp.asarray(weights), plan.gpts, plan.complex_dtype, xp)


@lru_cache(maxsize=128)
def _structure_factor(group: Group, gpts: tuple[int, int], dtype: str) -> NDArray[Any]:
    uv, weights = np.frombuffer(group[0]).reshape(1, -1, 2), np.frombuffer(group[1])[None]
    return np.asarray(_phase_sums(uv, weights, gpts, dtype, np))


def _phase_sums(uv: Any, weights: Any, gpts: tuple[int, int], dtype: str, xp: ModuleType) -> Any:
    nx, ny = gpts
    along_u = _exponentials(uv[..., 0], -(nx // 2), nx, xp)
    along_u = weights[..., None] * xp.roll(along_u, nx - nx // 2, axis=-1)
    along_v = _exponentials(uv[..., 1], 0, ny // 2 + 1, xp)
    return xp.swapaxes(along_u.astype(dtype), -1, -2) @ along_v.astype(dtype)


def _exponentials(u: Any, first: int, count: int, xp: ModuleType) -> Any:
    """Return exp(-2 pi i h u) for count orders h from the first, shape (..., atoms, count)."""
    coarse = xp.exp(-2j * np.pi * u[..., None] * (first + xp.arange(0, count, _STRIDE)))
    fine = xp.exp(-2j * np.pi * u[..., None] * xp.arange(_STRIDE))
    table = coarse[..., :, None] * fine[..., None, :]
    return table.reshape(*u.shape, -1)[..., :count]
