"""Projected potential of the slices of a crystal, by structure factors with exact phases."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryolattice_simulator.beams import Structure, interaction_per_volt_angstrom
from cryolattice_simulator.engines.form_factors import VOLT_ANGSTROM2, scattering_factor
from cryolattice_simulator.engines.grids import frequencies
from cryolattice_simulator.engines.phonons import displaced_crystal
from cryolattice_simulator.engines.settings import Plan
from cryolattice_simulator.slicing import mid_slice_shift


def potential_slices(structure: Structure, plan: Plan) -> NDArray[Any]:
    """Project the potential of each slice of a period, or of the whole crystal with phonons.

    V(g) = h^2 / (2 pi m e A) sum_j w_j f_j(g) exp(-B_j g^2 / 4 - 2 pi i g . r_j), with A the area
    of the cell.

    Parameters
    ----------
    structure : Structure
        One period.
    plan : Plan
        Grid, slices and Debye-Waller factors.

    Returns
    -------
    ndarray, shape (slices, nx, ny)
        V angstrom; complex where sites are filled at random.
    """
    count, damped = plan.slices, True
    if plan.settings.phonon_seed is not None:
        structure, count, damped = displaced_crystal(structure, plan), plan.all_slices, False
    form = _form_factors(plan, damped)
    index = _slice_of_atom(structure, count)
    uv = structure.positions_angstrom[:, :2] @ np.linalg.inv(structure.cell_angstrom[:2, :2])

    def build(chosen: NDArray[np.bool_]) -> NDArray[np.floating]:
        spectrum = np.zeros((count, plan.gpts[0], plan.gpts[1] // 2 + 1), dtype=np.complex128)
        for number in np.unique(structure.numbers[chosen]):
            for s in np.unique(index[chosen & (structure.numbers == number)]):
                mine = chosen & (structure.numbers == number) & (index == s)
                spectrum[s] += form[int(number)] * _phases(
                    uv[mine], structure.occupancies[mine], plan.gpts
                )
        return np.asarray(fft.irfft2(spectrum, s=plan.gpts, norm="forward", workers=1))

    random = structure.at_random
    total: NDArray[Any] = build(~random)
    for weight in np.unique(structure.occupancies[random]):
        chosen = random & (structure.occupancies == weight)
        filled = build(chosen) / float(weight)
        total = total + mean_transmission_potential(filled, float(weight), plan.settings.energy_kev)
    if np.iscomplexobj(total):
        return total.astype("complex64" if plan.settings.precision == "float32" else "complex128")
    return total.astype(plan.settings.precision)


def mean_transmission_potential(
    potential: NDArray[np.floating], occupancy: float, energy_kev: float
) -> NDArray[np.complex128]:
    """Complex potential whose transmission function is the mean over sites filled at random.

    A slice transmits exp(i sigma V) where a site is filled and 1 where it is empty; with every site
    decided by itself the coherent wave sees the mean, ``<t> = 1 - p + p exp(i sigma V)``. Its
    modulus below 1 is the intensity that disorder scatters diffusely (Cowley, *Diffraction
    Physics*, ch. 12). Sites must overlap little, as atoms do.

    Parameters
    ----------
    potential : ndarray, shape (slices, nx, ny)
        Projected potential of filled sites, V angstrom.
    occupancy : float
        p, 0 to 1.
    energy_kev : float

    Returns
    -------
    ndarray of complex, shape (slices, nx, ny)
        ``-i ln <t> / sigma``.
    """
    sigma = interaction_per_volt_angstrom(energy_kev)
    mean = 1 - occupancy + occupancy * np.exp(1j * sigma * potential.astype(np.float64))
    return np.asarray(-1j * np.log(mean) / sigma)


def _form_factors(plan: Plan, damped: bool) -> dict[int, NDArray[np.float64]]:
    half = frequencies(plan.gpts, plan.cell_angstrom)[:, : plan.gpts[1] // 2 + 1]
    k2 = (half**2).sum(axis=-1)
    area = abs(float(np.linalg.det(plan.cell_angstrom[:2, :2])))
    return {
        number: VOLT_ANGSTROM2
        / area
        * scattering_factor(plan.settings.parametrization, number, k2)
        * np.exp(-(b if damped else 0.0) * k2 / 4)
        for number, b in plan.b_angstrom2.items()
    }


def _slice_of_atom(structure: Structure, count: int) -> NDArray[np.int64]:
    thickness = float(structure.cell_angstrom[2, 2]) / count
    z = structure.positions_angstrom[:, 2]
    z = np.round(z + mid_slice_shift(z, structure.numbers, thickness), 9)
    # an atom on a border belongs to the slice above, whatever the rounding
    return np.floor(z / thickness + 1e-6).astype(np.int64) % count


def _phases(
    uv: NDArray[np.float64], weights: NDArray[np.float64], gpts: tuple[int, int]
) -> NDArray[np.complex128]:
    """Sum of w exp(-2 pi i (h u + k v)) over atoms, shape (nx, ny // 2 + 1): a matrix product."""
    h = np.rint(fft.fftfreq(gpts[0]) * gpts[0])
    k = np.arange(gpts[1] // 2 + 1)
    along_u = weights * np.exp(-2j * np.pi * np.outer(h, uv[:, 0]))
    return np.asarray(along_u @ np.exp(-2j * np.pi * np.outer(uv[:, 1], k)))
