"""MRC files (CCP4 maps), with the extended header of Thermo Fisher's microscopes.

Read with mrcfile rather than RosettaSciIO: it knows that header, every mode and byte order, and
reads from memory.
"""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.mrcinterpreter import MrcInterpreter
from mrcfile.utils import byte_order_from_machine_stamp

from cryolattice_analyzer.files.rosetta import reading
from cryolattice_analyzer.files.signals import Axis, Instrument, Signal

_E_PER_M2 = 1e-20  # in e/angstrom^2
# the extended header counts days from 30 December 1899, as spreadsheets do
_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)


def read_mrc(data: bytes, name: str, field: str) -> list[Signal]:
    """Read an MRC file.

    Parameters
    ----------
    data : bytes
        The whole file, not compressed.
    name, field : str
        The file's name and the option that named it, for messages.

    Raises
    ------
    UnreadableFileError
        Not an MRC file, or truncated.
    """
    with reading(name, "MRC", field):
        _check_length(data)
        mrc = MrcInterpreter(io.BytesIO(data))
        if mrc.data is None:
            raise ValueError("no array")
        values = np.array(mrc.data)
        # zero and negative numbers say that nobody knew it
        sizes = (float(mrc.voxel_size[axis]) for axis in ("x", "y"))
        voxel = [size if size > 0 else math.nan for size in sizes]
        instrument = _instrument(mrc)
    names = ("x", "y", "z", "volume")[: values.ndim]
    scales = (*voxel, math.nan, math.nan)
    units = ("A", "A", "", "")
    axes = [
        Axis(axis, size, scale, unit)
        for axis, size, scale, unit in zip(
            names, reversed(values.shape), scales, units, strict=False
        )
    ]
    return [Signal("", values, tuple(reversed(axes)), instrument=instrument)]


def _check_length(data: bytes) -> None:
    """Refuse a header that promises more than there is, before memory is taken for it."""
    header = np.frombuffer(data, dtype=HEADER_DTYPE, count=1)[0]
    order = byte_order_from_machine_stamp(header["machst"])
    header = header.view(HEADER_DTYPE.newbyteorder(order))
    pixels = math.prod(int(header[axis]) for axis in ("nx", "ny", "nz"))
    extended = int(header["nsymbt"])
    # half a byte a pixel is the least that a mode takes
    if pixels < 0 or extended < 0 or extended + pixels // 2 > len(data):
        raise ValueError(
            f"its header promises {pixels} pixels after {extended} bytes of extended header"
        )


def _instrument(mrc: MrcInterpreter) -> Instrument:
    """Read the first frame's extended header; it speaks in SI units."""
    try:
        header = mrc.indexed_extended_header
    except (ValueError, AttributeError):
        return Instrument()
    if header is None or header.dtype.names is None or header.size == 0:
        return Instrument()

    def number(key: str, factor: float = 1.0) -> float | None:
        if key not in header.dtype.names:
            return None
        value = float(np.ravel(header[key])[0]) * factor
        return value if math.isfinite(value) and value > 0 else None

    days = number("Timestamp")
    return Instrument(
        microscope=_text(header, "Microscope type"),
        camera=_text(header, "Camera name"),
        energy_kev=number("HT", 1e-3),
        magnification=number("Magnification"),
        camera_length_mm=number("Camera length", 1e3),
        exposure_s=number("Integration time"),
        # of a stack it is not known whether each frame or all of them had it
        dose_e_per_angstrom2=number("Dose", _E_PER_M2) if header.size == 1 else None,
        acquired=None if days is None or days > 1e5 else _iso(_EPOCH + timedelta(days=days)),
    )


def _iso(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def _text(header: Any, key: str) -> str | None:
    if key not in header.dtype.names:
        return None
    value = np.ravel(header[key])[0]
    text = value.decode("ascii", errors="replace") if isinstance(value, bytes) else str(value)
    return text.strip("\x00 ") or None
