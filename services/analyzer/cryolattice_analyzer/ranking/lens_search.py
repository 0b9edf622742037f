"""Where to start the fits of a candidate: lens settings, turns and shifts that correlate best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.ranking.cell_model import CellModel

LENSES_PER_BATCH = 8


@dataclass(frozen=True)
class ScreenResult:
    """Best shift of each thickness and lens.

    Attributes
    ----------
    gain : ndarray, shape (t, l)
        By how much a scaled model lowers chi2 below that of no structure at all.
    shift : ndarray, shape (t, l, 2)
        Fractions of the supercell.
    """

    gain: NDArray[np.float64]
    shift: NDArray[np.float64]


def screen(
    model: CellModel,
    psi: NDArray[np.complex64],
    lenses: list[Lens],
    observed: NDArray[np.complex128],
    sigma: NDArray[np.float64],
) -> ScreenResult:
    """Correlate every thickness and lens with the observation, at the best shift of the origin.

    Parameters
    ----------
    model : CellModel
        With one node of the focal spread.
    psi : ndarray of complex64, shape (t, b)
        With envelopes applied.
    lenses : list of Lens
    observed : ndarray of complex128, shape (n,)
    sigma : ndarray, shape (n,)

    Returns
    -------
    ScreenResult
    """
    nx, ny = model.shape
    place = model.beam_index
    h, k = model.hk[:, 0], model.hk[:, 1]
    weight = (1 / sigma**2).astype(np.float32)
    sign = np.where(k < 0, -1, 1)
    row, column = (sign * h) % nx, sign * k
    target = np.where(k < 0, observed.conj(), observed) * weight
    gain = np.zeros((len(psi), len(lenses)))
    shift = np.zeros((len(psi), len(lenses), 2))
    for first in range(0, len(lenses), LENSES_PER_BATCH):
        part = lenses[first : first + LENSES_PER_BATCH]
        settings = np.array(
            [
                [s.defocus_angstrom, s.astigmatism_x_angstrom, s.astigmatism_y_angstrom]
                for s in part
            ],
            dtype=np.float32,
        )
        angle = model.spherical + settings @ model.slopes
        transfer = np.empty(angle.shape, np.complex64)
        transfer.real, transfer.imag = np.cos(angle), np.sin(angle)
        grid = np.zeros((len(psi), len(part), nx * ny), np.complex64)
        grid[..., place] = psi[:, None, :] * transfer
        field = scipy.fft.ifft2(
            grid.reshape(len(psi), len(part), nx, ny), norm="forward", overwrite_x=True
        )
        spectrum = scipy.fft.rfft2(field.real**2 + field.imag**2, norm="forward")
        picked = spectrum[..., row, column] / spectrum[..., 0, 0].real[..., None]
        power = (np.abs(picked) ** 2 * weight).sum(axis=-1)
        # sum over the half set of Re(conj(observed) model exp(-2 pi i h t)), for every t at once.
        cross = np.zeros(spectrum.shape, np.complex64)
        cross[..., row, column] = target * picked.conj()
        # On the line k = 0 the transform takes both members of a pair from the array.
        line = (column == 0) & (row != 0)
        cross[..., (-row[line]) % nx, 0] = cross[..., row[line], 0].conj()
        map_ = scipy.fft.irfft2(cross, s=(nx, ny), norm="forward").reshape(
            len(psi), len(part), nx * ny
        )
        best = map_.argmax(axis=-1)
        # The inverse transform adds each pair's two members: the sum over one of each is half.
        top = np.take_along_axis(map_, best[..., None], axis=-1)[..., 0] / 2
        columns = slice(first, first + len(part))
        gain[:, columns] = np.where(top > 0, top**2 / np.maximum(power, 1e-30), 0)
        shift[:, columns, 0] = (best // ny) / nx
        shift[:, columns, 1] = (best % ny) / ny
    return ScreenResult(gain, shift)


def lens_grid(
    defocus_angstrom: NDArray[np.float64], astigmatism_angstrom: list[tuple[float, float]]
) -> list[Lens]:
    """Every mean defocus with every astigmatism (A cos 2 phi, A sin 2 phi)."""
    return [Lens(float(d), x, y) for d in defocus_angstrom for x, y in astigmatism_angstrom]


@dataclass(frozen=True)
class LensStart:
    """A lens to start from, how far the truth may lie from it (standard deviations), its weight."""

    lens: Lens
    defocus_sd_angstrom: float
    astigmatism_sd_angstrom: float
    log_weight: float = 0.0


def starts_near(
    lens: Lens,
    *,
    defocus_sd_angstrom: float = 150.0,
    astigmatism_sd_angstrom: float = 80.0,
    log_weight: float = 0.0,
) -> list[LensStart]:
    """Return starts around a lens that the film's rings or another candidate suggest."""
    return [
        LensStart(
            Lens(
                lens.defocus_angstrom + offset,
                lens.astigmatism_x_angstrom,
                lens.astigmatism_y_angstrom,
            ),
            defocus_sd_angstrom,
            astigmatism_sd_angstrom,
            log_weight,
        )
        for offset in (-140.0, -70.0, 0.0, 70.0, 140.0)
    ]


def starts_anywhere(
    *,
    lowest_defocus_angstrom: float = 300.0,
    highest_defocus_angstrom: float = 8000.0,
    step_angstrom: float = 100.0,
    half_difference_angstrom: float = 110.0,
    log_weight: float = 0.0,
) -> list[LensStart]:
    """Return starts over the whole range of the defocus, without and with astigmatism."""
    grid = np.arange(lowest_defocus_angstrom, highest_defocus_angstrom + 1, step_angstrom)
    turns = np.arange(6) * np.pi / 3
    astigmatism = [(0.0, 0.0)] + [
        (half_difference_angstrom * float(np.cos(t)), half_difference_angstrom * float(np.sin(t)))
        for t in turns
    ]
    return [
        LensStart(lens, 2 * step_angstrom, 1.2 * half_difference_angstrom, log_weight)
        for lens in lens_grid(grid, astigmatism)
    ]
