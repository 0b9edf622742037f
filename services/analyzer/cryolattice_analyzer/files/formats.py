"""Which files are read: by their extension, and checked against what they begin with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath

from cryolattice.errors import UnreadableFileError
from cryolattice_analyzer.files.expansion import unzip
from cryolattice_analyzer.files.mdoc import add_mdoc
from cryolattice_analyzer.files.signals import Signal

_MRC, _DM, _TIFF, _HDF5 = "MRC", "DigitalMicrograph", "TIFF", "HDF5"
_SER, _EMI = "TIA series (.ser)", "TIA (.emi)"
_FORMATS = {
    ".dm3": _DM,
    ".dm4": _DM,
    ".mrc": _MRC,
    ".mrcs": _MRC,
    ".map": _MRC,
    ".ccp4": _MRC,
    ".emd": _HDF5,
    ".hdf5": _HDF5,
    ".h5": _HDF5,
    ".hspy": _HDF5,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".ser": _SER,
    ".emi": _EMI,
}
READABLE_EXTENSIONS = tuple(_FORMATS)
_GZIP = b"\x1f\x8b"
# what a file begins with, and what it then is
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", _HDF5),
    (b"II*\0", _TIFF),
    (b"MM\0*", _TIFF),
    (b"II+\0", _TIFF),
    (b"MM\0+", _TIFF),
    (b"II\x97\x01", _SER),
    (b"\0\0\0\3", _DM),
    (b"\0\0\0\4", _DM),
    (b"\x89PNG", "PNG picture"),
    (b"\xff\xd8\xff", "JPEG picture"),
    (b"GIF8", "GIF picture"),
    (b"BM", "BMP picture"),
    (b"%PDF", "PDF document"),
    (b"PK\3\4", "ZIP archive"),
    (b"\x93NUMPY", "NumPy array"),
)
_MRC_MARK = slice(208, 211)


def sniff(data: bytes) -> str | None:
    """Say what bytes are; None where nothing gives it away."""
    if data[_MRC_MARK] == b"MAP":
        return _MRC
    for beginning, kind in _BEGINNINGS:
        if data.startswith(beginning):
            return kind
    if b"<ObjectInfo>" in data:
        return _EMI
    if data[:200].lstrip().lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "web page"
    return None


def read_signals(
    data: bytes,
    name: str,
    companions: Mapping[str, bytes] | None = None,
    *,
    field: str = "file",
) -> list[Signal]:
    """Read every array of an instrument's file.

    Parameters
    ----------
    data : bytes
        The whole file; gzip-compressed MRC files are unpacked.
    name : str
        Its name: the extension says the format, and messages quote it.
    companions : mapping of str to bytes, optional
        Files that belong to it and lie beside it, by name: the .emi of a .ser, SerialEM's .mdoc.
    field : str
        The option that named the file, for messages.

    Returns
    -------
    list of Signal
        At least one.

    Raises
    ------
    UnreadableFileError
        Unknown extension, another format than the extension says, damaged, empty, or without an
        array.
    """
    if not data:
        raise UnreadableFileError(
            f"{name}: the file is empty (0 bytes); check that it was copied completely", field=field
        )
    if data.startswith(_GZIP):
        data = unzip(data, name, field)
        name = name.removesuffix(".gz")
    expected = _expected_format(name, field)
    actual = sniff(data)
    # an MRC file without its mark is for its reader to refuse
    if actual != expected and not (actual is None and expected == _MRC):
        raise UnreadableFileError(_misnamed(name, expected, actual), field=field)
    beside = companions or {}
    signals = add_mdoc(_read(expected, data, name, beside, field), beside)
    if not signals:
        raise UnreadableFileError(f"{name}: holds no image", field=field)
    return signals


def file_format(name: str) -> str:
    """Return the format of a readable file, such as ``DM4``: its extension in capitals."""
    return PurePath(name.removesuffix(".gz")).suffix.removeprefix(".").upper()


def is_mrc(name: str) -> bool:
    """Whether a file's name says that it is an MRC file."""
    return _FORMATS.get(PurePath(name.removesuffix(".gz")).suffix.lower()) == _MRC


def _expected_format(name: str, field: str) -> str:
    extension = PurePath(name).suffix.lower()
    if extension not in _FORMATS:
        raise UnreadableFileError(
            f"{name}: files of type {extension or '(no extension)'!s} are not read; "
            f"convert it to one of {', '.join(READABLE_EXTENSIONS)}",
            field=field,
        )
    return _FORMATS[extension]


def _misnamed(name: str, expected: str, actual: str | None) -> str:
    extension = PurePath(name).suffix
    if actual is None:
        return (
            f"{name}: not a readable {expected} file (it does not begin like one); "
            "check that it was copied completely"
        )
    others = [extension for extension, kind in _FORMATS.items() if kind == actual]
    remedy = f"rename it to {others[0]}" if others else "give the instrument's own file"
    return f"{name}: this is a {actual}, no {extension} file; {remedy}"


def _read(
    kind: str, data: bytes, name: str, companions: Mapping[str, bytes], field: str
) -> list[Signal]:
    # the readers' libraries are imported where they are needed: workers start faster
    if kind == _MRC:
        from cryolattice_analyzer.files.mrc import read_mrc  # noqa: PLC0415

        return read_mrc(data, name, field)
    if kind in {_SER, _EMI}:
        from cryolattice_analyzer.files.tia import read_tia  # noqa: PLC0415

        return read_tia(data, name, companions, field)
    with tempfile.TemporaryDirectory(prefix="cryolattice-read-") as folder:
        path = Path(folder) / f"data{PurePath(name).suffix.lower()}"
        path.write_bytes(data)
        return _path_reader(kind)(path, name, field)


def _path_reader(kind: str) -> Callable[[Path, str, str], list[Signal]]:
    if kind == _HDF5:
        from cryolattice_analyzer.files.hdf5 import read_hdf5  # noqa: PLC0415

        return read_hdf5
    if kind == _TIFF:
        from cryolattice_analyzer.files.tiff import read_tiff  # noqa: PLC0415

        return read_tiff
    from cryolattice_analyzer.files.digitalmicrograph import read_dm  # noqa: PLC0415

    return read_dm
