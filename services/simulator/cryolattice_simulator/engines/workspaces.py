"""Where waves are transformed: FFTW for one wave in cache, or any array library for a batch."""

from __future__ import annotations

import sys
import threading
from functools import cache, lru_cache
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError

# Plans of common grids, made by tools/plan_fftw.py. Where the processor or FFTW is another kind,
# they do not apply and plans are estimated.
WISDOM = Path(__file__).with_name("fftw_wisdom.txt")


@cache
def fftw() -> ModuleType:
    """Import pyfftw with our plans, and without its interface to dask: seconds, and not used."""
    hidden = "dask" not in sys.modules
    if hidden:
        sys.modules["dask"] = None  # type: ignore[assignment]
    try:
        pyfftw = import_module("pyfftw")
    finally:
        if hidden:
            del sys.modules["dask"]
    if WISDOM.exists():
        pyfftw.import_wisdom((b"", WISDOM.read_bytes(), b""))
    return pyfftw


class Workspace(Protocol):
    """Waves on a grid and their spectra, transformed in place and without normalisation.

    Attributes
    ----------
    wave : array, shape (..., nx, ny)
        In real space, times `carrier`.
    spectrum : array, shape (..., rows, ny)
        In Fourier space; its rows are the orders `h`, its columns those of the FFT.
    h : ndarray of int, shape (rows,)
    carrier : array, shape (nx, 1)
        What an entrance wave of 1 is stored as.
    """

    wave: Any
    spectrum: Any
    h: NDArray[np.int64]
    carrier: Any

    def forward(self) -> None:
        """Transform `wave` into `spectrum`."""

    def backward(self) -> None:
        """Transform `spectrum` into `wave`."""


class FftwWorkspace:
    """A few waves, transformed by FFTW on one thread with plans that are the same in every run.

    One wave, of two dimensions, or with `batch` so many of them together, of three.

    With a greatest order c, only the rows within the band limit are transformed along y. To make
    them the first rows of the array, waves carry the factor exp(2 pi i c x / n): order h lies in
    row h + c.
    """

    def __init__(
        self,
        gpts: tuple[int, int],
        dtype: str,
        greatest_h: int | None = None,
        batch: int | None = None,
        effort: str = "FFTW_ESTIMATE",
    ) -> None:
        c = 0 if greatest_h is None else min(greatest_h, (gpts[0] - 1) // 2)
        self.h = orders(gpts[0]) if greatest_h is None else np.arange(-c, c + 1)
        self.carrier = np.exp(2j * np.pi * c * np.arange(gpts[0]) / gpts[0])[:, None].astype(dtype)
        pyfftw = fftw()
        self.wave: Any = pyfftw.zeros_aligned(gpts if batch is None else (batch, *gpts), dtype)
        self.spectrum: Any = self.wave[..., : len(self.h), :]
        self._rest = self.wave[..., len(self.h) :, :]

        def plan(array: Any, axis: int, direction: str) -> Any:
            one = pyfftw.FFTW(array, array, (axis,), f"FFTW_{direction}", (effort,), threads=1)
            return one.execute

        self._columns = plan(self.wave, -2, "FORWARD"), plan(self.wave, -2, "BACKWARD")
        self._rows = plan(self.spectrum, -1, "FORWARD"), plan(self.spectrum, -1, "BACKWARD")

    def forward(self) -> None:
        """Transform `wave` into `spectrum`."""
        self._columns[0]()
        self._rows[0]()

    def backward(self) -> None:
        """Transform `spectrum` into `wave`."""
        self._rows[1]()
        self._rest.fill(0)
        self._columns[1]()


class BatchWorkspace:
    """A batch of waves of a library with numpy's interface: CuPy, or numpy itself."""

    def __init__(self, xp: ModuleType, batch: int, gpts: tuple[int, int], dtype: str) -> None:
        # cupyx.scipy.fft has the functions of scipy.fft
        self._fft = import_module("scipy.fft" if xp is np else "cupyx.scipy.fft")
        self.h = orders(gpts[0])
        self.carrier = xp.ones((gpts[0], 1), dtype)
        self.wave: Any = xp.zeros((batch, *gpts), dtype)
        self.spectrum: Any = self.wave

    def forward(self) -> None:
        """Transform `wave` into `spectrum`."""
        self.spectrum = self._fft.fft2(self.wave, overwrite_x=True)

    def backward(self) -> None:
        """Transform `spectrum` into `wave`."""
        self.wave = self._fft.ifft2(self.spectrum, norm="forward", overwrite_x=True)


def orders(n: int) -> NDArray[np.int64]:
    """Orders along an axis of n points, as the FFT counts them."""
    return np.rint(np.fft.fftfreq(n) * n).astype(np.int64)


def fftw_workspace(
    gpts: tuple[int, int], dtype: str, greatest_h: int | None = None, batch: int | None = None
) -> FftwWorkspace:
    """Return this thread's workspace for a grid."""
    return _of_thread(threading.get_ident(), gpts, dtype, greatest_h, batch)


@lru_cache(maxsize=16)
def _of_thread(
    _thread: int,
    gpts: tuple[int, int],
    dtype: str,
    greatest_h: int | None,
    batch: int | None,
) -> FftwWorkspace:
    return FftwWorkspace(gpts, dtype, greatest_h, batch)


@cache
def gpu() -> ModuleType | None:
    """Return CuPy where it is installed and finds a GPU."""
    if util.find_spec("cupy") is None:
        return None
    cupy = import_module("cupy")
    try:
        return cupy if cupy.cuda.runtime.getDeviceCount() else None
    except cupy.cuda.runtime.CUDARuntimeError:
        return None


def array_module(device: str) -> ModuleType:
    """Return the array library of a device: numpy for the CPU, CuPy for a GPU.

    Raises
    ------
    InvalidInputError
        If a GPU is asked for and there is none.
    """
    if device == "cpu":
        return np
    found = gpu()
    if found is None and device == "gpu":
        raise InvalidInputError(
            "device is gpu, but this worker has no GPU or no CuPy: install cupy-cuda12x beside "
            "the simulator, or choose cpu",
            field="device",
        )
    return found or np
