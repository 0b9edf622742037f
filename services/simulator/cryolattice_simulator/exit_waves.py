"""Exit waves on a grid, as abTEM stores them, and diffraction patterns on the lattice of orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryolattice_simulator.beams import ExitBeams
from cryolattice_simulator.imaging import alias_free_shape


def exit_waves(beams: ExitBeams, shape: tuple[int, int] | None = None) -> NDArray[Any]:
    """Exit wave of one cell after every thickness.

    Parameters
    ----------
    beams : ExitBeams
        Their Fourier coefficients.
    shape : tuple of int, optional
        Points (ny, nx) along b and a; the smallest fast grid that also holds the waves' intensity
        without it. Orders that a given grid does not hold are left out.

    Returns
    -------
    ndarray of complex, shape (nt, nx, ny)
        psi(r) = sum psi_hk exp(2 pi i (h x/a + k y/b)), with x first as in abTEM.
    """
    ny, nx = shape or alias_free_shape(beams)
    held = (2 * np.abs(beams.h) < nx) & (2 * np.abs(beams.k) < ny)
    spectra = np.zeros((len(beams.psi), nx, ny), beams.psi.dtype)
    spectra[:, beams.h[held] % nx, beams.k[held] % ny] = beams.psi[:, held]
    return np.asarray(fft.ifft2(spectra, norm="forward", overwrite_x=True, workers=1))


def spot_grids(beams: ExitBeams, orders: tuple[int, int]) -> NDArray[np.float32]:
    """Intensity of every beam after every thickness, on the lattice of their orders.

    Parameters
    ----------
    beams : ExitBeams
        Exit waves.
    orders : tuple of int
        Greatest orders (h, k) of the grid.

    Returns
    -------
    ndarray of float32, shape (nt, 2 k + 1, 2 h + 1)
        Shares of the incident intensity, order 0 in the middle; 0 beyond the beams' limit.
    """
    h, k = orders
    grid = np.zeros((len(beams.psi), 2 * k + 1, 2 * h + 1), np.float32)
    grid[:, beams.k + k, beams.h + h] = beams.intensities
    return grid


def abtem_metadata(
    ensemble: Sequence[tuple[str, Sequence[Any]]],
    sampling_angstrom: tuple[float, float],
    energy_kev: float,
    tilt_mrad: tuple[float, float] = (0.0, 0.0),
) -> dict[str, Any]:
    """Describe an array of waves to `abtem.from_zarr`, which finds it under ``metadata0``.

    Parameters
    ----------
    ensemble : sequence of (str, sequence)
        Name and values of each axis before x and y: ``thickness`` in angstrom, ``tilt`` in mrad,
        ``phonon`` for configurations over which abTEM averages intensities, or any other.
    sampling_angstrom : tuple of float
        Along x and y.
    energy_kev : float

    Returns
    -------
    dict
        For JSON.
    """
    axes: list[dict[str, Any]] = []
    for name, values in ensemble:
        listed = {"_type": "tuple", "_value": [list(v) if name == "tilt" else v for v in values]}
        match name:
            case "phonon":
                axes.append({"type": "FrozenPhononsAxis", "_ensemble_mean": True})
            case "thickness" | "tilt":
                axes.append({"type": f"{name.capitalize()}Axis", "label": name, "values": listed})
            case _:
                axes.append({"type": "OrdinalAxis", "label": name, "values": listed})
    for name, sampling in zip("xy", sampling_angstrom, strict=True):
        axes.append({"type": "RealSpaceAxis", "label": name, "units": "Å", "sampling": sampling})
    return {
        "type": "Waves",
        "energy": energy_kev * 1e3,
        "base_tilt_x": tilt_mrad[0],
        "base_tilt_y": tilt_mrad[1],
        "normalization": "values",
        "reciprocal_space": False,
        "axes": {f"axis_{i}": axis for i, axis in enumerate(axes)},
    }
