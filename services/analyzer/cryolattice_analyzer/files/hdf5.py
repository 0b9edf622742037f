"""HDF5 files: HyperSpy's, both kinds of EMD, and those that merely hold arrays."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
from rsciio.emd import file_reader as read_emd
from rsciio.hspy import file_reader as read_hspy

from cryolattice_analyzer.files.hdf5_layout import Layout, find_layout
from cryolattice_analyzer.files.rosetta import Found, reading, to_signal
from cryolattice_analyzer.files.signals import Axis, Signal

_SMALLEST_SIDE = 8


def read_hdf5(path: Path, name: str, field: str) -> list[Signal]:
    """Read the signals of an HDF5 file.

    A file of unknown layout gives its two- and three-dimensional arrays of numbers, without
    calibration.

    Raises
    ------
    UnreadableFileError
        Damaged, unsafe to read, or none of its arrays is known.
    """
    with reading(name, "HDF5", field):
        layout = find_layout(path, name, field)
        if layout is Layout.PLAIN:
            return _plain_arrays(path)
        if layout is Layout.HYPERSPY:
            found = read_hspy(str(path))
        elif layout is Layout.VELOX:
            found = read_emd(str(path), select_type="images") or _velox_spectra(path)
        else:
            found = read_emd(str(path))
        return [to_signal(one) for one in found]


def _velox_spectra(path: Path) -> list[Found]:
    """Name the spectra of a Velox file without images; their counts are of no use here."""
    with h5py.File(path, "r") as file:
        kinds = [key for key in file["Data"] if key.startswith("Spectrum")]
    axis = {"name": "Energy", "size": 1, "scale": 1.0, "units": "eV", "navigate": False}
    metadata = {"Signal": {"signal_type": "EDS_TEM"}}
    return [
        {"data": np.zeros(1), "axes": [axis], "metadata": {**metadata, "General": {"title": kind}}}
        for kind in kinds
    ]


def _plain_arrays(path: Path) -> list[Signal]:
    signals = []

    def add(key: str, item: object) -> None:
        if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "biuf":
            return
        if item.ndim in {2, 3} and min(item.shape[-2:]) >= _SMALLEST_SIDE:
            axes = tuple(Axis("", size, math.nan, "") for size in item.shape)
            signals.append(Signal(key, np.asarray(item), axes))

    with h5py.File(path, "r") as file:
        file.visititems(add)
    return signals
