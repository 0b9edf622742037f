"""What is to be done to models, as people write it: a list in Python or in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cryolattice.workflows.spec_files import SpecFile
from cryolattice_api.modeler.v1 import transforms_pb2

Steps = Sequence[Mapping[str, Any]]
"""Steps such as ``{"strain": {"xx": 0.01}}``, done one after the other."""

KINDS = list(transforms_pb2.Transform.DESCRIPTOR.fields_by_name)


def transforms_message(source: Path | Steps) -> transforms_pb2.Transforms:
    """Return steps as the modeler takes them.

    Parameters
    ----------
    source : Path, or sequence of mappings
        A YAML file with the list ``steps``, or such a list: each step has one key, its kind, and
        the fields of that message as value.

    Raises
    ------
    InvalidInputError
        What is wrong, with its field and line.
    """
    file = SpecFile(source if isinstance(source, Path) else {"steps": source})
    file.known(file.entries, ["steps"])
    if "steps" not in file.entries:
        raise file.error("steps", "are missing: write 'steps:' and a list below it")
    return filled_transforms(file, file.entries["steps"], "steps")


def filled_transforms(file: SpecFile, node: yaml.Node, path: str) -> transforms_pb2.Transforms:
    """Return the steps of a list in a file; errors as `transforms_message`."""
    message = transforms_pb2.Transforms()
    if not isinstance(node, yaml.SequenceNode):
        raise file.error(path, "is no list: write one step a line, such as '- strain: {xx: 0.01}'")
    for item in node.value:
        step = file.mapping(item, path)
        if len(step) != 1:
            shown = " and ".join(step) or "nothing"
            raise file.error(path, f"has a step with {shown}: choose one of {', '.join(KINDS)}")
        file.fill(message.steps.add(), step, path)
    return message
