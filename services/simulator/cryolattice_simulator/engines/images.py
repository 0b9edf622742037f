"""Images of exit waves through many lenses at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cryolattice_simulator.beams import ExitBeams
from cryolattice_simulator.engines.workspaces import fftw_workspace
from cryolattice_simulator.imaging import Lens, alias_free_shape, coherent_transfer


def lens_transfer(beams: ExitBeams, lenses: Sequence[Lens]) -> NDArray[np.complexfloating]:
    """Return what each lens multiplies each beam with; coherent, so without a focal spread.

    Returns
    -------
    ndarray of complex, shape (lenses, beams)
        As `coherent_transfer`, in the precision of the beams.
    """
    return np.asarray([coherent_transfer(beams, lens) for lens in lenses], dtype=beams.psi.dtype)


def stack_of_images(
    beams: ExitBeams, transfer: NDArray[np.complexfloating], shape: tuple[int, int] | None = None
) -> NDArray[np.floating]:
    """Image every exit wave through every lens.

    Parameters
    ----------
    beams : ExitBeams
    transfer : ndarray of complex, shape (lenses, beams)
        As `lens_transfer` returns it.
    shape : tuple of int, optional
        Points (nx, ny) along a and b; the smallest fast grid that holds the images without it. On a
        smaller grid the images' highest frequencies fold back.

    Returns
    -------
    ndarray, shape (planes, lenses, nx, ny)
        Shares of the incident intensity.
    """
    nx, ny = shape or alias_free_shape(beams)[::-1]
    most = int(np.abs(beams.h).max(initial=0))
    work = fftw_workspace((nx, ny), str(beams.psi.dtype), most)

    def on_rows(values: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
        """Put the values of beams where they lie in the spectrum, whose first row is -most."""
        dense = np.zeros((len(values), *work.spectrum.shape), values.dtype)
        dense[:, beams.h + most, beams.k % ny] = values
        return dense

    spectra, lenses = on_rows(beams.psi), on_rows(transfer)
    images = np.empty((len(spectra), len(lenses), nx, ny), beams.psi.real.dtype)
    for i, j in np.ndindex(images.shape[:2]):
        np.multiply(spectra[i], lenses[j], out=work.spectrum)
        work.backward()
        np.abs(work.wave, out=images[i, j])
        np.square(images[i, j], out=images[i, j])
    return images
