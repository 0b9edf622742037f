"""TIA's pairs of files: the .emi says what the numbers of the .ser mean."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rsciio.tia import file_reader

from cryolattice.errors import UnreadableFileError
from cryolattice_analyzer.files.rosetta import Found, reading, to_signal
from cryolattice_analyzer.files.signals import Signal

_SERIES_NUMBER = re.compile(r"_([1-9])\.ser$", re.IGNORECASE)


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
        # the reader looks for the series beside the .emi, by number
        emi_path = Path(folder) / "data.emi"
        emi_path.write_bytes(emi[0])
        titles = {}
        for key, content in series.items():
            number = _SERIES_NUMBER.search(key)
            path = Path(folder) / f"data_{number[1] if number else 1}.ser"
            path.write_bytes(content)
            titles[path.name] = key
        with reading(name, "TIA", field):
            found = file_reader(str(emi_path))
            if not found:
                raise ValueError("none of its series holds an image")
            return [to_signal(one, titles[_original(one)]) for one in found]


def _original(found: Found) -> str:
    return str(found["metadata"]["General"]["original_filename"])
