"""Resource names: ``projects/{project}``, ``.../jobs/{id}``, ``.../datasets/{id}``."""

from __future__ import annotations

import re
from typing import Literal

from cryolattice.errors import InvalidInputError

Collection = Literal["jobs", "datasets"]

_ID = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PROJECT = re.compile(rf"projects/({_ID})")
_RESOURCE = re.compile(rf"projects/({_ID})/(jobs|datasets)/({_ID})")


def project_name(project: str) -> str:
    """Return ``projects/{project}``."""
    return f"projects/{project}"


def resource_name(project: str, collection: Collection, identifier: str) -> str:
    """Return ``projects/{project}/{collection}/{identifier}``."""
    return f"projects/{project}/{collection}/{identifier}"


def parse_project(name: str, *, field: str = "parent") -> str:
    """Return the project of ``projects/{project}``.

    Raises
    ------
    InvalidInputError
        The name has another form.
    """
    match = _PROJECT.fullmatch(name)
    if not match:
        raise InvalidInputError(
            f"{field} is {name!r}: write projects/PROJECT, with lower-case letters, digits and '-'",
            field=field,
        )
    return match.group(1)


def parse_resource(name: str, collection: Collection, *, field: str = "name") -> tuple[str, str]:
    """Return project and id of a job's or dataset's name.

    Raises
    ------
    InvalidInputError
        The name has another form or is of another collection.
    """
    match = _RESOURCE.fullmatch(name)
    if not match or match.group(2) != collection:
        raise InvalidInputError(
            f"{field} is {name!r}: write projects/PROJECT/{collection}/ID", field=field
        )
    return match.group(1), match.group(3)
