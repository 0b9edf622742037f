"""DM3 and DM4 files of Gatan's DigitalMicrograph."""

from __future__ import annotations

from pathlib import Path

from rsciio.digitalmicrograph import file_reader

from cryolattice_analyzer.files.rosetta import reading, to_signal
from cryolattice_analyzer.files.signals import Signal


def read_dm(path: Path, name: str, field: str) -> list[Signal]:
    """Read the images of a DM3 or DM4 file; thumbnails are left out.

    Raises
    ------
    UnreadableFileError
        Damaged.
    """
    with reading(name, "DigitalMicrograph", field):
        return [to_signal(one) for one in file_reader(str(path))]
