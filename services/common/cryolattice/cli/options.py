"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from cryolattice.errors import InvalidInputError

_MOST_STEPS = 10_000
_SERIES_PARTS = 3

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


class CascadeChoice(StrEnum):
    """Whether candidates are ranked in steps."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


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


def parse_series(given: Sequence[str] | None, field: str) -> list[float]:
    """Return the numbers of a list whose items are numbers or ``start:stop:step``, both ends in.

    Raises
    ------
    InvalidInputError
        An item is neither, or has too many steps.
    """
    found: list[float] = []
    for item in given or ():
        try:
            numbers = [float(part) for part in item.split(":")]
        except ValueError:
            numbers = []
        if len(numbers) == 1 and math.isfinite(numbers[0]):
            found += numbers
            continue
        if len(numbers) != _SERIES_PARTS or not all(map(math.isfinite, numbers)):
            raise InvalidInputError(
                f"--{field} is {item!r}: give a number, or START:STOP:STEP", field=field
            )
        start, stop, step = numbers
        if step == 0 or (stop - start) / step < 0 or (stop - start) / step > _MOST_STEPS:
            raise InvalidInputError(
                f"--{field} is {item!r}: the step must lead from the start to the stop, in at most "
                f"{_MOST_STEPS:,} steps",
                field=field,
            )
        count = math.floor((stop - start) / step + 1e-6)
        found += [round(start + step * index, 9) for index in range(count + 1)]
    return found
