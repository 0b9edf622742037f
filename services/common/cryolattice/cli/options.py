"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from cryolattice.errors import InvalidInputError

FORMATS = "MRC, DM3, DM4, EMD, TIFF, HDF5, or SER with its EMI beside it"

Supercell = Annotated[
    tuple[int, int, int], typer.Option(help="Parent cells along a, b and c.", metavar="M N P")
]
Out = Annotated[
    Path | None, typer.Option(help="Write the report and its figures into this folder.")
]
PixelSize = Annotated[
    float | None, typer.Option(help="Of an image pixel, angstrom; the file's by default.")
]
EnergyKev = Annotated[
    float | None, typer.Option(help="Of the electrons, keV; by default the file's, else 300.")
]
CsMm = Annotated[
    float | None,
    typer.Option(help="Spherical aberration, mm; by default the file's, else 2.7."),
]
Signal = Annotated[
    str | None,
    typer.Option(
        metavar="TITLE|N", help="Which image, by title or number, of a file with several."
    ),
]
Clusters = Annotated[
    list[str] | None,
    typer.Option(
        "--cluster",
        metavar="LABEL=ION",
        help="Cluster ion on a site, such as N1=NH2; repeat it. 'none' places none. "
        "Default: BH4 and NH2 on bare B and N sites.",
    ),
]


class ZoneAxes(StrEnum):
    """Directions of the beam that are considered."""

    C = "c"
    ALL = "all"


def chosen_axes(choice: ZoneAxes) -> Literal["c", "all"]:
    """Return the choice as the workflows write it."""
    return "all" if choice == ZoneAxes.ALL else "c"


def parse_clusters(given: list[str] | None) -> str | dict[str, str]:
    """Return the clusters that were asked for, or ``"auto"``.

    Raises
    ------
    InvalidInputError
        Not of the form LABEL=ION.
    """
    if not given:
        return "auto"
    if given == ["none"]:
        return {}
    chosen = {}
    for item in given:
        label, equals, ion = item.partition("=")
        if not (label and equals and ion):
            raise InvalidInputError(
                f"--cluster is {item!r}: write LABEL=ION, such as N1=NH2, or 'none'",
                field="cluster",
            )
        chosen[label] = ion
    return chosen
