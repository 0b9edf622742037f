"""What every result is."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from cryolattice.client.datasets import Dataset

Position = tuple[float, float, float]


def picked(cls: type[Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that are attributes of the class; a newer server may send more."""
    known = {entry.name for entry in fields(cls)}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in document.items()
        if name in known
    }


def positions(sites: list[list[float]]) -> tuple[Position, ...]:
    """Return sites as tuples."""
    return tuple((x, y, z) for x, y, z in sites)


def sites_text(sites: tuple[Position, ...]) -> str:
    """Return sites as a line of text."""
    return "  ".join("(" + " ".join(f"{x:g}" for x in site) + ")" for site in sites)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a workflow found.

    Attributes
    ----------
    document : dict
        The same as the command prints it with ``--json``.
    """

    document: dict[str, Any] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return a copy of what the command prints with ``--json``."""
        return copy.deepcopy(self.document)


@dataclass(frozen=True, kw_only=True)
class Reported(Result):
    """A result of which a report can be drawn."""

    make_report: Callable[[], Dataset] = field(repr=False, compare=False)

    def report(self) -> Dataset:
        """Have the report drawn: a dataset with ``report.html`` and its figures.

        A notebook shows the figures; `Dataset.save_files` writes them into a folder.
        """
        return self.make_report()
