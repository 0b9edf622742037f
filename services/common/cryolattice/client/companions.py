"""Files that mean little without one that lies beside them."""

from __future__ import annotations

import re
from pathlib import Path

_WITH_MDOC = {".mrc", ".mrcs", ".tif", ".tiff"}
_SERIES_NUMBER = re.compile(r"_\d+$")


def companions_of(path: Path) -> list[Path]:
    """Return the files beside `path` that belong to it.

    TIA writes ``name.emi`` with the units of ``name_1.ser``, ``name_2.ser``: a .ser goes with its
    .emi, an .emi with every .ser. SerialEM writes ``name.mrc.mdoc`` beside ``name.mrc``.

    Parameters
    ----------
    path : Path
        The file that was asked for.

    Returns
    -------
    list of Path
        Sorted; empty for most files.
    """
    suffix = path.suffix.lower()
    if suffix in _WITH_MDOC:
        mdoc = path.with_name(f"{path.name}.mdoc")
        return [mdoc] if mdoc.is_file() else []
    if suffix not in {".ser", ".emi"} or not path.parent.is_dir():
        return []
    stem = _SERIES_NUMBER.sub("", path.stem) if suffix == ".ser" else path.stem
    found = []
    for other in path.parent.iterdir():
        theirs = other.suffix.lower()
        if suffix == ".ser" and theirs == ".emi":
            belongs = other.stem == stem
        elif suffix == ".emi" and theirs == ".ser":
            belongs = _SERIES_NUMBER.sub("", other.stem) == stem and other.stem != stem
        else:
            belongs = False
        if belongs and other.is_file():
            found.append(other)
    return sorted(found)
