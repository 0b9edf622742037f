"""Views of a supercell's orderings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from cryolattice.client import html
from cryolattice.client.results.result import Position, Result, picked, positions, sites_text
from cryolattice.errors import NotFoundError

_SHOWN = 10


@dataclass(frozen=True)
class Reflection:
    """A kinematic structure factor of one parent cell; F(-h -k) is its conjugate.

    Attributes
    ----------
    hk : (int, int)
        Orders on the view's supercell.
    k_per_angstrom, amplitude_angstrom, phase_deg : float
    """

    hk: tuple[int, int]
    k_per_angstrom: float
    amplitude_angstrom: float
    phase_deg: float


@dataclass(frozen=True)
class View:
    """An ordering, seen along one axis.

    Attributes
    ----------
    id, ordering_id : str
    zone_axis : (int, int, int)
        In the supercell's own axes, or the direction that was asked for.
    supercell : (int, int, int)
        Cells along the view's axes, the third along the beam.
    lengths_angstrom : (float, float, float)
        Of the supercell's edges.
    gamma_deg : float
    vacant_sites : tuple of (x, y, z)
        In the setting of the view.
    projection, pattern : int
        Views with the same number project alike, or have one set of |F(hk)|.
    stands_for : tuple of (str, (int, int, int))
        Orderings and zone axes of further views that are this same crystal in the beam.
    reflections : tuple of Reflection
        Where they were asked for.
    """

    id: str
    ordering_id: str
    zone_axis: tuple[int, int, int]
    supercell: tuple[int, int, int]
    lengths_angstrom: tuple[float, float, float]
    gamma_deg: float
    vacant_sites: tuple[Position, ...]
    projection: int
    pattern: int
    stands_for: tuple[tuple[str, tuple[int, int, int]], ...]
    reflections: tuple[Reflection, ...] = ()

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read an entry of the list."""
        others = tuple((o["ordering_id"], tuple(o["zone_axis"])) for o in document["stands_for"])
        reflections = tuple(
            Reflection(**picked(Reflection, row)) for row in document.get("reflections", ())
        )
        read = {
            "vacant_sites": positions(document["vacant_sites"]),
            "stands_for": others,
            "reflections": reflections,
        }
        return cls(**{**picked(cls, document), **read})


@dataclass(frozen=True, kw_only=True)
class Views(Result):
    """Views that differ as crystals in the beam. Iterate over them, or index by place or id.

    Attributes
    ----------
    candidates : int
        Classes of orderings times axes of the beam.
    projections, patterns : int
        How many of the views differ as projected columns, and in their sets of |F(hk)|.
    views : tuple of View
    """

    candidates: int
    projections: int
    patterns: int
    views: tuple[View, ...]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read what the workflow returned."""
        return cls(
            document=document,
            candidates=document["candidates"],
            projections=document["projections"],
            patterns=document["patterns"],
            views=tuple(View.from_document(row) for row in document["list"]),
        )

    def __len__(self) -> int:
        return len(self.views)

    def __iter__(self) -> Iterator[View]:
        return iter(self.views)

    def __getitem__(self, key: int | str) -> View:
        if isinstance(key, int):
            return self.views[key]
        for view in self.views:
            if view.id == key:
                return view
        raise NotFoundError(f"no view {key!r} among these {len(self)}", field="view")

    def equivalents(self, key: int | str) -> tuple[View, ...]:
        """Return the other views that project alike: no picture along the beam tells them apart."""
        return self._others(key, "projection")

    def homometric(self, key: int | str) -> tuple[View, ...]:
        """Return the other views with one set of |F(hk)|: no diffraction pattern parts them."""
        return self._others(key, "pattern")

    def _others(self, key: int | str, group: str) -> tuple[View, ...]:
        mine = self[key]
        return tuple(
            view
            for view in self.views
            if view is not mine and getattr(view, group) == getattr(mine, group)
        )

    def __repr__(self) -> str:
        return (
            f"<Views: {len(self):,} of {self.candidates:,} differ, {self.projections:,} as "
            f"projections, {self.patterns:,} as |F(hk)|>"
        )

    def _repr_html_(self) -> str:
        rows = [
            (view.id, view.projection, view.pattern, sites_text(view.vacant_sites))
            for view in self.views
        ]
        shown = html.table(("view", "projection", "|F(hk)|", "vacant sites"), rows)
        if len(rows) > _SHOWN:
            shown = html.more(f"{len(rows)} views", shown)
        return html.title(repr(self).strip("<>")) + shown
