"""TIA's pairs of files: the .emi says what the numbers of the .ser mean."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rsciio.tia import file_reader

from cryolattice.errors import UnreadableFileError
from cryolattice_analyzer.files.rosetta import reading, to_signal
from cryolattice_analyzer.files.signals import Signal

_SERIES_NUMBER = re.compile(r"_(\d+)\.ser$", re.IGNORECASE)


def read_tia(data: bytes, name: str, companions: Mapping[str, bytes], field: str) -> list[Signal]:
    """Read an .emi with its .ser files, or one .ser with its .emi.

    Parameters
    ----------
    data, name : bytes, str
        The file that was asked for.
    companions : mapping of str to bytes
        The files that lie beside it, by name.

    Raises
    ------
    UnreadableFileError
        The partner is missing (a .ser alone gives its scale in no known unit), or either is
        damaged.
    """
    files = {name: data, **companions}
    emi = [content for key, content in files.items() if key.lower().endswith(".emi")]
    if name.lower().endswith(".ser"):
        files = {name: data}
    series = {key: content for key, content in files.items() if key.lower().endswith(".ser")}
    if not series:
        raise UnreadableFileError(
            f"{name}: its images are in .ser files such as {name[:-4]}_1.ser, which belong beside "
            "it; put all into one folder",
            field=field,
        )
    if not emi:
        raise UnreadableFileError(
            f"{name}: a .ser file does not tell its unit; its {_SERIES_NUMBER.sub('', name)}.emi "
            "belongs beside it, put both into one folder",
            field=field,
        )
    with tempfile.TemporaryDirectory(prefix="cryolattice-tia-") as folder:
        emi_path = Path(folder) / "data.emi"
        emi_path.write_bytes(emi[0])
        signals = []
        with reading(name, "TIA", field):
            for key, content in series.items():
                path = Path(folder) / f"data_{_digit(key)}.ser"
                path.write_bytes(content)
                signals += [to_signal(one, key) for one in file_reader(str(emi_path))]
                path.unlink()
            if not signals:
                raise ValueError("none of its series holds an image")
        return signals


def _digit(name: str) -> str:
    """Give the number under which the reader looks for a series beside the .emi: 1 to 9."""
    number = _SERIES_NUMBER.search(name)
    return number[1] if number and number[1] in "123456789" else "1"
