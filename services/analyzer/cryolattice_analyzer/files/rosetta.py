"""Files that RosettaSciIO reads, turned into our signals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import CryolatticeError, UnreadableFileError
from cryolattice_analyzer.files.instrument import read_instrument
from cryolattice_analyzer.files.signals import Axis, Signal

Found = Mapping[str, Any]
_X_NAMES = {"x", "width", "kx", "qx", "q_x", "rx"}
_Y_NAMES = {"y", "height", "ky", "qy", "q_y", "ry"}


@contextmanager
def reading(name: str, kind: str, field: str) -> Iterator[None]:
    """Whatever a reader raises inside means that the file is damaged.

    Raises
    ------
    UnreadableFileError
        The reader failed.
    """
    try:
        with warnings.catch_warnings():
            # what matters is checked on the result
            warnings.simplefilter("ignore")
            yield
    except CryolatticeError:
        raise
    except Exception as problem:
        said = " ".join(str(problem).split())[:200] or type(problem).__name__
        raise UnreadableFileError(
            f"{name}: not a readable {kind} file ({said}); check that it was copied completely",
            field=field,
        ) from problem


def to_signal(found: Found, default_title: str = "") -> Signal:
    """Return the signal of one of RosettaSciIO's dictionaries, with y and x as last axes."""
    metadata = _mapping(found.get("metadata"))
    values = np.asarray(found["data"])
    given = found["axes"]
    axes = [_axis(axis, size) for axis, size in zip(given, values.shape, strict=True)]
    navigating = [bool(axis.get("navigate")) for axis in given]
    # a line saved as one row of an image is still a line
    dimensions = min(len(axes) - sum(navigating), sum(size > 1 for size in values.shape) or 1)
    values, axes = _image_last(values, axes)
    general = _mapping(metadata.get("General"))
    signal_type = _mapping(metadata.get("Signal")).get("signal_type")
    return Signal(
        title=str(general.get("title") or default_title),
        values=values,
        axes=tuple(axes),
        signal_type=str(signal_type or ""),
        signal_dimensions=dimensions,
        instrument=read_instrument(metadata, _mapping(found.get("original_metadata"))),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _axis(given: Mapping[str, Any], size: int) -> Axis:
    try:
        scale = float(given.get("scale", math.nan))
    except (TypeError, ValueError):
        scale = math.nan
    unit = given.get("units")
    if isinstance(unit, bytes):
        unit = unit.decode("utf-8", errors="replace")
    name = given.get("name")
    return Axis(
        name if isinstance(name, str) else "",
        size,
        scale,
        unit if isinstance(unit, str) and unit != "<undefined>" else "",
    )


def _image_last(values: NDArray[Any], axes: list[Axis]) -> tuple[NDArray[Any], list[Axis]]:
    """Move the axes that are named y and x to the end: Berkeley EMD files have any order."""
    names = [axis.name.lower().strip() for axis in axes]
    x = [index for index, name in enumerate(names) if name in _X_NAMES]
    y = [index for index, name in enumerate(names) if name in _Y_NAMES]
    if len(x) != 1 or len(y) != 1:
        return values, axes
    others = [index for index in range(len(axes)) if index not in {x[0], y[0]}]
    order = [*others, y[0], x[0]]
    return values.transpose(order), [axes[index] for index in order]
