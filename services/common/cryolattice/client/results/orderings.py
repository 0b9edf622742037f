"""The orderings of a supercell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from cryolattice.client import html
from cryolattice.client.results.result import Position, Result, picked, positions, sites_text
from cryolattice.errors import NotFoundError

_SHOWN = 10


@dataclass(frozen=True)
class Ordering:
    """A class of orderings that symmetry makes equal.

    Attributes
    ----------
    id : str
    multiplicity : int
        How many orderings are in the class.
    vacant_sites : tuple of (x, y, z)
        Of its representative, in units of the parent's axes.
    space_group : str
        International symbol, hydrogens left out.
    """

    id: str
    multiplicity: int
    vacant_sites: tuple[Position, ...]
    space_group: str

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read an entry of the enumeration."""
        sites = positions(document["vacant_sites"])
        return cls(**{**picked(cls, document), "vacant_sites": sites})


@dataclass(frozen=True, kw_only=True)
class Orderings(Result):
    """Every inequivalent ordering of a supercell. Iterate over them, or index by place or id.

    Attributes
    ----------
    total : int
        Orderings before symmetry.
    classes : int
    orderings : tuple of Ordering
    """

    total: int
    classes: int
    orderings: tuple[Ordering, ...]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read what the workflow returned."""
        return cls(
            document=document,
            total=document["total"],
            classes=document["classes"],
            orderings=tuple(Ordering.from_document(row) for row in document["orderings"]),
        )

    def __len__(self) -> int:
        return len(self.orderings)

    def __iter__(self) -> Iterator[Ordering]:
        return iter(self.orderings)

    def __getitem__(self, key: int | str) -> Ordering:
        if isinstance(key, int):
            return self.orderings[key]
        for ordering in self.orderings:
            if ordering.id == key:
                return ordering
        raise NotFoundError(f"no ordering {key!r} among these {len(self)}", field="ordering")

    def __repr__(self) -> str:
        return f"<Orderings: {self.total:,} in {self.classes:,} classes>"

    def _repr_html_(self) -> str:
        rows = [
            (row.id, row.multiplicity, row.space_group, sites_text(row.vacant_sites))
            for row in self.orderings
        ]
        shown = html.table(("ordering", "multiplicity", "space group", "vacant sites"), rows)
        if len(rows) > _SHOWN:
            shown = html.more(f"{len(rows)} classes", shown)
        return html.title(f"{self.total:,} orderings in {self.classes:,} classes") + shown
