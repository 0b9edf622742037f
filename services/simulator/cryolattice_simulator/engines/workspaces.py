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
# Rows of spectra come in such numbers: FFTW takes as many at once, and others twice as long.
_ROWS = 4
# From so many columns on, rows halfway get an odd number of cache lines.
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


class Layout(NamedTuple):
    """Where the orders of a grid lie in a spectrum.

    As the FFT leaves them, or, with a first order of b, along b from that row on.
    """

    gpts: tuple[int, int]
    rows: int
    first_k: int | None = None

    @property
    def orders(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Orders h and k of the spectrum, each modulo the grid; they broadcast to its shape."""
        h, k = (np.arange(n) for n in self.gpts)
        if self.first_k is None:
            return h[:, None], k[None, :]
        return h[None, :], (self.first_k + np.arange(self.rows))[:, None] % self.gpts[1]

    def places(self, h: NDArray[np.int64], k: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indices of orders in the flattened spectrum."""
        nx, ny = self.gpts
        if self.first_k is None:
            return h % nx * ny + k % ny
        return (k - self.first_k) % ny * nx + h % nx


class Workspace(Protocol):
    """Waves on a grid and their spectra, transformed without normalisation.

    Attributes
    ----------
    wave : array, shape (batch, nx, ny)
        In real space, times `carrier`.
    spectrum : array, shape (batch, rows, columns)
        In Fourier space.
    layout : Layout
        Of the spectrum.
    carrier : array, shape (ny,)
        What an entrance wave of 1 is stored as.
    """

    wave: Any
    spectrum: Any
    layout: Layout
    carrier: Any

    def forward(self) -> None:
        """Transform `wave` into `spectrum`; `wave` is lost."""

    def backward(self) -> None:
        """Transform `spectrum` into `wave`."""


class FftwWorkspace:
    """A few waves, transformed by FFTW on one thread with plans that are the same in every run.

    Each has plans of its own, so that it gets the same bits alone and beside others.

    Spectra lie with b along rows: of the two passes of a transform, the one that crosses rows
    writes what it finds as rows of the other array, which takes FFTW two thirds of the time of
    leaving it where it was.

    With a greatest order c along b, only orders within the band limit are transformed along a. To
    make them the first ones, waves carry the factor exp(2 pi i c y / n): order k lies in row k + c.
    """

    def __init__(
        self,
        gpts: tuple[int, int],
        dtype: str,
        greatest_k: int | None = None,
        batch: int = 1,
        effort: str = "FFTW_ESTIMATE",
    ) -> None:
        nx, ny = gpts
        c = 0 if greatest_k is None else min(greatest_k, (ny - 1) // 2)
        rows = ny if greatest_k is None else min(-(-(2 * c + 1) // _ROWS) * _ROWS, ny)
        self.layout = Layout(gpts, rows, -c)
        self.carrier = np.exp(2j * np.pi * c * np.arange(ny) / ny).astype(dtype)
        self._effort = effort
        self.wave: Any = fftw().zeros_aligned((batch, nx, ny), dtype)
        self.spectrum: Any = fftw().zeros_aligned((batch, rows, nx), dtype)
        # halfway, forward and backward; in the latter, rows beyond the band limit stay 0
        itemsize = np.dtype(dtype).itemsize
        self._orders_of_b = fftw().zeros_aligned((nx, ny + _padding(ny, itemsize)), dtype)[:, :ny]
        self._points_of_a = fftw().zeros_aligned((ny, nx + _padding(nx, itemsize)), dtype)[:, :nx]

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
        halfway = self._orders_of_b
        within = halfway[:, : self.spectrum.shape[1]]
        return [
            execute
            for wave, spectrum in zip(self.wave, self.spectrum, strict=True)
            for execute in (
                self._pass(wave, halfway, 1, "FORWARD"),
                self._pass(within, spectrum.T, 0, "FORWARD"),
            )
        ]

    @cached_property
    def _backward(self) -> list[Callable[[], None]]:
        halfway = self._points_of_a
        within = halfway[: self.spectrum.shape[1]]
        return [
            execute
            for wave, spectrum in zip(self.wave, self.spectrum, strict=True)
            for execute in (
                self._pass(spectrum, within, 1, "BACKWARD"),
                self._pass(halfway, wave.T, 0, "BACKWARD"),
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
        self.layout = Layout(gpts, gpts[0])
        self.carrier = xp.ones(gpts[1], dtype)
        self.wave: Any = xp.zeros((batch, *gpts), dtype)
        self.spectrum: Any = self.wave

    def forward(self) -> None:
        """Transform `wave` into `spectrum`; `wave` is lost."""
        self.spectrum = self._fft.fft2(self.wave, overwrite_x=True)

    def backward(self) -> None:
        """Transform `spectrum` into `wave`."""
        self.wave = self._fft.ifft2(self.spectrum, norm="forward", overwrite_x=True)


def waves_together(gpts: tuple[int, int]) -> int:
    """Return how many waves a CPU transforms together best, a power of two."""
    fit = max(1, _POINTS_IN_CACHE // (gpts[0] * gpts[1]))
    return int(min(1 << (fit.bit_length() - 1), _MOST_TOGETHER))


def _padding(columns: int, itemsize: int) -> int:
    """Columns to add so that a pass across rows does not meet the same few sets of the cache."""
    if columns < _PADDED:
        return 0
    lines = -(-columns * itemsize // _CACHE_LINE) | 1
    return lines * _CACHE_LINE // itemsize - columns


def fftw_workspace(
    gpts: tuple[int, int], dtype: str, greatest_k: int | None = None, batch: int = 1
) -> FftwWorkspace:
    """Return this thread's workspace for a grid."""
    return _of_thread(threading.get_ident(), gpts, dtype, greatest_k, batch)


@lru_cache(maxsize=32)
def _of_thread(
    _thread: int,
    gpts: tuple[int, int],
    dtype: str,
    greatest_k: int | None,
    batch: int,
) -> FftwWorkspace:
    return FftwWorkspace(gpts, dtype, greatest_k, batch)


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
