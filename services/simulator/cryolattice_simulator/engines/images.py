"""Images of exit waves through many lenses at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cryolattice_simulator.beams import ExitBeams
from cryolattice_simulator.engines.workspaces import (
    FftwWorkspace,
    fftw_workspace,
    waves_together,
)
from cryolattice_simulator.imaging import Lens, alias_free_shape, coherent_lenses


class ImageStack:
    """Images of exit waves with the same beams, each through the same lenses.

    What does not depend on the wave is kept: where its beams lie, and the lenses there.

    Parameters
    ----------
    beams : ExitBeams
        One of the exit waves.
    lenses : sequence of Lens
    shape : tuple of int, optional
        Points (nx, ny) along a and b; the smallest fast grid that holds the images without it. On a
        smaller grid the images' highest frequencies fold back.
    """

    def __init__(
        self,
        beams: ExitBeams,
        lenses: Sequence[Lens],
        shape: tuple[int, int] | None = None,
    ) -> None:
        parts = [coherent_lenses(beams, lens) for lens in lenses]
        # images of coherent lenses are added up, with the weights in the waves
        transfer = np.concatenate([each * np.sqrt(weights)[:, None] for each, weights in parts])
        transfer = transfer.astype(beams.psi.dtype)
        self._first = np.cumsum([0, *(len(weights) for _, weights in parts[:-1])])
        self.shape = shape or alias_free_shape(beams)[::-1]
        h, k = (int(np.abs(order).max(initial=0)) for order in (beams.h, beams.k))
        self._greatest = h, k
        work = self._workspace(str(transfer.dtype), len(transfer))
        self._place = work.layout.places(beams.h, beams.k)
        self._transfer = np.zeros((len(transfer), *work.band.shape[1:]), transfer.dtype)
        self._transfer.reshape(len(transfer), -1)[:, self._place] = transfer

    def images(
        self,
        psi: NDArray[np.complexfloating],
        out: NDArray[np.floating] | None = None,
    ) -> NDArray[np.floating]:
        """Image every exit wave through every lens.

        Parameters
        ----------
        psi : ndarray of complex, shape (planes, beams)
            Of the beams and in the precision of the lenses.
        out : ndarray, optional
            Where to write the images.

        Returns
        -------
        ndarray, shape (planes, lenses, nx, ny)
            Shares of the incident intensity.
        """
        if out is None:
            out = np.empty((len(psi), len(self._first), *self.shape), psi.real.dtype)
        work = self._workspace(str(psi.dtype), len(self._transfer))
        batch = len(work.wave)
        # one for each wave of the workspace: numpy's products of one shape take half the time
        spectrum = np.zeros(work.band.shape, psi.dtype)
        modulus = np.empty(work.wave.shape, out.dtype)
        steps = [
            (first, self._transfer[first : first + batch])
            for first in range(0, len(self._transfer), batch)
        ]
        spread = len(self._transfer) > len(self._first)
        coherent = np.empty((len(self._transfer), *self.shape), out.dtype) if spread else None
        for plane, values in zip(out, psi, strict=True):
            spectrum[0].reshape(-1)[self._place] = values
            spectrum[1:] = spectrum[0]
            squares = plane if coherent is None else coherent
            for first, some in steps:
                count = len(some)
                np.multiply(some, spectrum[:count], out=work.band[:count])
                work.backward()
                np.abs(work.wave, out=modulus)
                np.square(modulus[:count], out=squares[first : first + count])
            if coherent is not None:
                np.add.reduceat(coherent, self._first, axis=0, out=plane)
        return out

    def _workspace(self, dtype: str, lenses: int) -> FftwWorkspace:
        return fftw_workspace(
            self.shape, dtype, self._greatest, min(lenses, waves_together(self.shape))
        )
