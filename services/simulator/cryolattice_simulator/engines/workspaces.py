"""Where waves are transformed: FFTW for one wave in cache, or any array library for a batch."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import cache, cached_property, lru_cache
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
# From so many columns on, rows get an odd number of cache lines: at 128 points a pass along x takes
# two thirds of the time.
_PADDED = 128
_CACHE_LINE = 64
# Of waves that are transformed together: calls cost less, and they must stay in the cache.
_POINTS_IN_CACHE = 6 * 64**2
_MOST_TOGETHER = 8


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
    """Waves on a grid and their spectra, transformed without normalisation.

    Attributes
    ----------
    stored : array, shape (batch, nx, columns)
        Waves in real space, times `carrier`; what lies beyond ny columns is 0.
    wave : array, shape (batch, nx, ny)
        The waves within `stored`.
    spectrum : array, shape (batch, rows, ny)
        In Fourier space; its rows are the orders `h`, its columns those of the FFT.
    h : ndarray of int, shape (rows,)
    carrier : array, shape (nx, 1)
        What an entrance wave of 1 is stored as.
    """

    stored: Any
    wave: Any
    spectrum: Any
    h: NDArray[np.int64]
    carrier: Any

    def forward(self) -> None:
        """Transform `wave` into `spectrum`; `wave` is lost."""

    def backward(self) -> None:
        """Transform `spectrum` into `wave`."""


class FftwWorkspace:
    """A few waves, transformed by FFTW on one thread with plans that are the same in every run.

    Each has plans of its own, so that it gets the same bits alone and beside others.

    With a greatest order c, only the rows within the band limit are transformed along y. To make
    them the first rows of the array, waves carry the factor exp(2 pi i c x / n): order h lies in
    row h + c.

    Passes along y go from one array to another, which FFTW does faster than in place. On the way
    back they fill the first rows of one whose others stay 0.
    """

    def __init__(
        self,
        gpts: tuple[int, int],
        dtype: str,
        greatest_h: int | None = None,
        batch: int = 1,
        effort: str = "FFTW_ESTIMATE",
    ) -> None:
        nx, ny = gpts
        c = 0 if greatest_h is None else min(greatest_h, (nx - 1) // 2)
        self.h = orders(nx) if greatest_h is None else np.arange(-c, c + 1)
        self.carrier = np.exp(2j * np.pi * c * np.arange(nx) / nx)[:, None].astype(dtype)
        self._effort = effort
        shape = (batch, nx, ny + _padding(ny, np.dtype(dtype).itemsize))
        self.stored: Any = fftw().zeros_aligned(shape, dtype)
        self.spectrum: Any = fftw().zeros_aligned((batch, len(self.h), ny), dtype)
        self._filled: Any = fftw().zeros_aligned(shape, dtype)[..., :ny]
        self.wave: Any = self.stored[..., :ny]

    def forward(self) -> None:
        """Transform `wave` into `spectrum`; `wave` is lost."""
        for execute in self._forward:
            execute()

    def backward(self) -> None:
        """Transform `spectrum` into `wave`."""
        for execute in self._backward:
            execute()

    @cached_property
    def _forward(self) -> list[Callable[[], None]]:
        rows = len(self.h)
        return [
            execute
            for wave, spectrum in zip(self.wave, self.spectrum, strict=True)
            for execute in (
                self._pass(wave, wave, 0, "FORWARD"),
                self._pass(wave[:rows], spectrum, 1, "FORWARD"),
            )
        ]

    @cached_property
    def _backward(self) -> list[Callable[[], None]]:
        rows = len(self.h)
        return [
            execute
            for wave, filled, spectrum in zip(self.wave, self._filled, self.spectrum, strict=True)
            for execute in (
                self._pass(spectrum, filled[:rows], 1, "BACKWARD"),
                self._pass(filled, wave, 0, "BACKWARD"),
            )
        ]

    def _pass(self, source: Any, target: Any, axis: int, direction: str) -> Callable[[], None]:
        plan = fftw().FFTW(source, target, (axis,), f"FFTW_{direction}", (self._effort,), threads=1)
        execute: Callable[[], None] = plan.execute
        return execute


class BatchWorkspace:
    """A batch of waves of a library with numpy's interface: CuPy, or numpy itself."""

    def __init__(self, xp: ModuleType, batch: int, gpts: tuple[int, int], dtype: str) -> None:
        # cupyx.scipy.fft has the functions of scipy.fft
        self._fft = import_module("scipy.fft" if xp is np else "cupyx.scipy.fft")
        self.h = orders(gpts[0])
        self.carrier = xp.ones((gpts[0], 1), dtype)
        self.stored: Any = xp.zeros((batch, *gpts), dtype)
        self.wave: Any = self.stored
        self.spectrum: Any = self.stored

    def forward(self) -> None:
        """Transform `wave` into `spectrum`; `wave` is lost."""
        self.spectrum = self._fft.fft2(self.stored, overwrite_x=True)

    def backward(self) -> None:
        """Transform `spectrum` into `wave`."""
        self.stored = self._fft.ifft2(self.spectrum, norm="forward", overwrite_x=True)
        self.wave = self.stored


def waves_together(gpts: tuple[int, int]) -> int:
    """Return how many waves a CPU transforms together best, a power of two."""
    fit = max(1, _POINTS_IN_CACHE // (gpts[0] * gpts[1]))
    return int(min(1 << (fit.bit_length() - 1), _MOST_TOGETHER))


def _padding(columns: int, itemsize: int) -> int:
    """Columns to add so that a pass along x does not meet the same few sets of the cache."""
    if columns < _PADDED:
        return 0
    lines = -(-columns * itemsize // _CACHE_LINE) | 1
    return lines * _CACHE_LINE // itemsize - columns


def orders(n: int) -> NDArray[np.int64]:
    """Orders along an axis of n points, as the FFT counts them."""
    return np.rint(np.fft.fftfreq(n) * n).astype(np.int64)


def fftw_workspace(
    gpts: tuple[int, int], dtype: str, greatest_h: int | None = None, batch: int = 1
) -> FftwWorkspace:
    """Return this thread's workspace for a grid."""
    return _of_thread(threading.get_ident(), gpts, dtype, greatest_h, batch)


@lru_cache(maxsize=32)
def _of_thread(
    _thread: int,
    gpts: tuple[int, int],
    dtype: str,
    greatest_h: int | None,
    batch: int,
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
