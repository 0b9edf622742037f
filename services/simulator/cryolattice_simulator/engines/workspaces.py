"""Where waves are transformed: FFTW for one wave in cache, or any array library for a batch."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import cache, cached_property, lru_cache
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError

# Plans of common grids, made by tools/plan_fftw.py. Where the processor or FFTW is another kind,
# they do not apply and plans are estimated.
WISDOM = Path(__file__).with_name("fftw_wisdom.txt")
# Orders that are kept come in such numbers: FFTW takes as many at once, and others twice as long.
_TOGETHER = 4
# Grids of so many points and more are transformed along rows first, through arrays whose rows have
# an odd number of cache lines: others meet the same few sets of the cache again and again.
_LARGE = 128
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


class Layout(NamedTuple):
    """Where the orders of a grid lie in the first rows of a spectrum: from some orders on.

    Rows are orders of a, or of b where the spectrum is transposed.
    """

    gpts: tuple[int, int]
    rows: int
    first_h: int = 0
    first_k: int = 0
    transposed: bool = False

    @property
    def orders(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Orders h and k, modulo the grid; they broadcast to (rows, columns)."""
        nx, ny = self.gpts
        h, k = (self.first_h + np.arange(nx)) % nx, (self.first_k + np.arange(ny)) % ny
        if self.transposed:
            return h[None, :], k[: self.rows, None]
        return h[: self.rows, None], k[None, :]

    def places(self, h: NDArray[np.int64], k: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indices of orders in the flattened spectrum."""
        nx, ny = self.gpts
        h, k = (h - self.first_h) % nx, (k - self.first_k) % ny
        return k * nx + h if self.transposed else h * ny + k


class Workspace(Protocol):
    """Waves on a grid and their spectra, transformed without normalisation.

    Attributes
    ----------
    wave : array, shape (batch, nx, ny)
        In real space, times `carrier`.
    spectrum : array, shape (batch, nx, ny), or transposed (batch, ny, nx)
        In Fourier space.
    band : array, shape (batch, rows, ny or nx)
        The first rows of `spectrum`: all that `forward` fills.
    layout : Layout
        Of the band.
    carrier : array that broadcasts to (nx, ny)
        What an entrance wave of 1 is stored as.
    """

    wave: Any
    spectrum: Any
    band: Any
    layout: Layout
    carrier: Any

    def forward(self) -> None:
        """Transform `wave` into `band`; `wave` is lost."""

    def backward(self) -> None:
        """Transform `spectrum`, 0 beyond the band limit, into `wave`."""


class FftwWorkspace:
    """A few waves, transformed by FFTW on one thread with plans that are the same in every run.

    Each has plans of its own, so that it gets the same bits alone and beside others.

    Where FFTW crosses rows, it takes two thirds of the time if it writes what it finds as rows of
    another array. So the second pass of a transform does, and on small grids the first one too; on
    others it goes along rows, and the spectrum is transposed.

    With greatest orders c, the second pass forward and the first pass back leave out what lies
    beyond them. To make the others the first ones, waves carry the factor exp(2 pi i c x / n) along
    a and b: order h is the one in place h + c.
    """

    def __init__(
        self,
        gpts: tuple[int, int],
        dtype: str,
        greatest: tuple[int, int] | None = None,
        batch: int = 1,
        effort: str = "FFTW_ESTIMATE",
    ) -> None:
        nx, ny = gpts
        h, k = greatest or (None, None)
        (first_h, within_h), (first_k, within_k) = _kept(h, nx), _kept(k, ny)
        crosses_twice = max(gpts) < _LARGE
        self._within_k = within_k
        self._effort = effort
        rows = within_h if crosses_twice else within_k
        self.layout = Layout(gpts, rows, first_h, first_k, transposed=not crosses_twice)
        along_a = np.exp(-2j * np.pi * first_h * np.arange(nx) / nx)
        along_b = np.exp(-2j * np.pi * first_k * np.arange(ny) / ny)
        self.carrier = np.outer(along_a, along_b).astype(dtype)
        self.wave: Any = fftw().zeros_aligned((batch, nx, ny), dtype)
        shape = (nx, ny) if crosses_twice else (ny, nx)
        self.spectrum: Any = fftw().zeros_aligned((batch, *shape), dtype)
        self.band: Any = self.spectrum[:, :rows]

    def forward(self) -> None:
        """Transform `wave` into `band`; `wave` is lost."""
        for execute in self._forward:
            execute()

    def backward(self) -> None:
        """Transform `spectrum`, 0 beyond the band limit, into `wave`."""
        for execute in self._backward:
            execute()

    @cached_property
    def _forward(self) -> list[Callable[[], None]]:
        halfway = self._halfway(self.spectrum.shape[:0:-1])
        within = halfway[:, : self.band.shape[1]]
        first = self._follow if self.layout.transposed else self._cross
        return [
            execute
            for wave, band in zip(self.wave, self.band, strict=True)
            for execute in (
                first(wave, halfway, "FORWARD"),
                self._cross(within, band, "FORWARD"),
            )
        ]

    @cached_property
    def _backward(self) -> list[Callable[[], None]]:
        halfway = self._halfway(self.wave.shape[:0:-1])
        # beyond, all stays 0
        within = halfway[: self._within_k]
        if self.layout.transposed:
            first, kept = self._follow, self.band
        else:
            first, kept = self._cross, self.spectrum[:, :, : self._within_k]
        return [
            execute
            for wave, orders in zip(self.wave, kept, strict=True)
            for execute in (
                first(orders, within, "BACKWARD"),
                self._cross(halfway, wave, "BACKWARD"),
            )
        ]

    def _halfway(self, shape: tuple[int, int]) -> NDArray[Any]:
        rows, columns = shape
        dtype = self.wave.dtype
        padded = (rows, columns + _padding(columns, dtype.itemsize))
        return np.asarray(fftw().zeros_aligned(padded, dtype)[:, :columns])

    def _follow(self, source: Any, target: Any, direction: str) -> Callable[[], None]:
        """Plan the transforms of an array's rows into those of another."""
        return self._plan(source, target, 1, direction)

    def _cross(self, source: Any, target: Any, direction: str) -> Callable[[], None]:
        """Plan the transforms of an array's columns into the rows of another."""
        return self._plan(source, target.T, 0, direction)

    def _plan(self, source: Any, target: Any, axis: int, direction: str) -> Callable[[], None]:
        plan = fftw().FFTW(source, target, (axis,), f"FFTW_{direction}", (self._effort,), threads=1)
        execute: Callable[[], None] = plan.execute
        return execute


class BatchWorkspace:
    """A batch of waves of a library with numpy's interface: CuPy, or numpy itself."""

    def __init__(self, xp: ModuleType, batch: int, gpts: tuple[int, int], dtype: str) -> None:
        # cupyx.scipy.fft has the functions of scipy.fft
        self._fft = import_module("scipy.fft" if xp is np else "cupyx.scipy.fft")
        self.layout = Layout(gpts, gpts[0])
        self.carrier = xp.ones(1, dtype)
        self.wave: Any = xp.zeros((batch, *gpts), dtype)
        self.spectrum: Any = self.wave
        self.band: Any = self.wave

    def forward(self) -> None:
        """Transform `wave` into `band`; `wave` is lost."""
        self.band = self.spectrum = self._fft.fft2(self.wave, overwrite_x=True)

    def backward(self) -> None:
        """Transform `spectrum` into `wave`."""
        self.wave = self._fft.ifft2(self.spectrum, norm="forward", overwrite_x=True)


def waves_together(gpts: tuple[int, int]) -> int:
    """Return how many waves a CPU transforms together best, a power of two."""
    fit = max(1, _POINTS_IN_CACHE // (gpts[0] * gpts[1]))
    return int(min(1 << (fit.bit_length() - 1), _MOST_TOGETHER))


def _padding(columns: int, itemsize: int) -> int:
    """Columns to add to the rows of an array that is crossed."""
    if columns < _LARGE:
        return 0
    lines = -(-columns * itemsize // _CACHE_LINE) | 1
    return lines * _CACHE_LINE // itemsize - columns


def _kept(greatest: int | None, points: int) -> tuple[int, int]:
    """Return the first order to keep along an axis, and how many."""
    if greatest is None:
        return 0, points
    c = min(greatest, (points - 1) // 2)
    return -c, min(-(-(2 * c + 1) // _TOGETHER) * _TOGETHER, points)


def fftw_workspace(
    gpts: tuple[int, int], dtype: str, greatest: tuple[int, int] | None = None, batch: int = 1
) -> FftwWorkspace:
    """Return this thread's workspace for a grid."""
    return _of_thread(threading.get_ident(), gpts, dtype, greatest, batch)


@lru_cache(maxsize=32)
def _of_thread(
    _thread: int,
    gpts: tuple[int, int],
    dtype: str,
    greatest: tuple[int, int] | None,
    batch: int,
) -> FftwWorkspace:
    return FftwWorkspace(gpts, dtype, greatest, batch)


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
