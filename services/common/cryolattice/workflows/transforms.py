"""What is to be done to models, as people write it: dictionaries, or a YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format

from cryolattice.errors import InvalidInputError, UnreadableFileError
from cryolattice_api.modeler.v1 import transforms_pb2

Steps = Sequence[Mapping[str, Any]]
"""Steps such as ``{"strain": {"xx": 0.01}}``, done one after the other."""

KINDS = tuple(transforms_pb2.Transform.DESCRIPTOR.fields_by_name)


def transforms_message(steps: Steps, *, source: str = "transforms") -> transforms_pb2.Transforms:
    """Return steps as the modeler takes them.

    Parameters
    ----------
    steps : sequence of mappings
        Each with one key, its kind, and the fields of that message as value.
    source : str
        For messages.

    Raises
    ------
    InvalidInputError
        It is no list of steps, or a kind, a field or a value is none that there is.
    """
    if isinstance(steps, str | Mapping) or not isinstance(steps, Sequence):
        raise InvalidInputError(
            f"{source} holds no list: write one step after the other, such as "
            "'- strain: {xx: 0.01}'",
            field="transforms",
        )
    message = transforms_pb2.Transforms()
    for number, step in enumerate(steps, 1):
        if not isinstance(step, Mapping) or len(step) != 1 or next(iter(step)) not in KINDS:
            shown = ", ".join(map(str, step)) if isinstance(step, Mapping) else repr(step)
            raise InvalidInputError(
                f"{source}, step {number} is {shown or 'empty'}: choose one of {', '.join(KINDS)}",
                field="transforms",
            )
        ((kind, fields),) = step.items()
        step_message = getattr(transforms_pb2.Transform(), kind)
        try:
            json_format.ParseDict({kind: fields or {}}, message.steps.add())
        except json_format.ParseError as error:
            known = ", ".join(step_message.DESCRIPTOR.fields_by_name)
            what = str(error).split("\n", maxsplit=1)[0].rstrip(".")
            raise InvalidInputError(
                f"{source}, step {number} ({kind}): {what}; it takes {known}", field="transforms"
            ) from error
    return message


def read_transforms(path: Path) -> list[dict[str, Any]]:
    """Read the steps of a YAML file.

    Raises
    ------
    UnreadableFileError
        It cannot be opened, or is no YAML (with the line and the column).
    """
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}", field="transforms"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UnreadableFileError(
            f"{path}{where}: not valid YAML: {getattr(error, 'problem', None) or error}",
            field="transforms",
        ) from error
    if not isinstance(read, list):
        raise InvalidInputError(
            f"{path} holds no list: write one step after the other, such as "
            "'- strain: {xx: 0.01}'",
            field="transforms",
        )
    return read
