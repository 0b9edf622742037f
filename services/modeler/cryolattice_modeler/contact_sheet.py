"""A contact sheet: every ordering of a supercell as a small picture, page by page."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.collections import EllipseCollection, LineCollection, PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cryolattice_modeler.column_pictures import Columns, projected_columns, sector
from cryolattice_modeler.orderings import Ordering
from cryolattice_modeler.supercell import VACANCY, DisorderedSupercell

DOTS_PER_INCH = 200
_MM_PER_INCH = 25.4
# two columns of a printed page
_WIDTH_MM, _GREATEST_HEIGHT_MM = 178.0, 240.0
_MARGIN_MM, _HEADER_MM, _GAP_MM, _TEXT_MM = 7.0, 17.0, 5.7, 6.0
_PARENT_CELL_MM = 9.2
_FIXED_SHARE, _COLUMN_SHARE = 0.2, 0.115
_TEXT_POINTS, _SMALL_POINTS = 7.0, 5.5
# Okabe and Ito's palette: told apart with every kind of colour vision
_SPECIES = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_VACANT, _EDGE, _INNER = "#D55E00", "#333333", "#CCCCCC"
_FIXED = ("#F6DFB8", "#CFE5F3", "#E2E2E2", "#E6D3E8", "#D5EBD8")
_NOTHING = 1e-9
LOOK: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": _TEXT_POINTS,
    "pdf.fonttype": 42,
}
_UNDATED = {"CreationDate": None, "Producer": None, "Creator": None}


def draw_contact_sheet(
    layout: DisorderedSupercell, orderings: Iterable[Ordering], *, total: int, classes: int
) -> Iterator[tuple[str, bytes]]:
    """Draw the projection of each ordering along c, with its id, multiplicity and space group.

    Parameters
    ----------
    layout : DisorderedSupercell
    orderings : iterable of Ordering
        Taken a page at a time.
    total, classes : int
        For the title.

    Yields
    ------
    (str, bytes)
        Name and content: a PNG for each page, then one PDF of all.
    """
    page = _Page(layout, total, classes)
    document = io.BytesIO()
    remaining = iter(orderings)
    count = math.ceil(classes / page.places)
    with PdfPages(document, metadata=_UNDATED) as pages:
        for number in range(1, count + 1):
            with mpl.rc_context(LOOK):
                figure = page.draw(list(itertools.islice(remaining, page.places)), number, count)
                pages.savefig(figure)
                picture = io.BytesIO()
                figure.savefig(picture, format="png", dpi=DOTS_PER_INCH)
            suffix = f"-{number:0{len(str(count))}d}" if count > 1 else ""
            yield f"orderings{suffix}.png", picture.getvalue()
    yield "orderings.pdf", document.getvalue()


class _Page:
    """The grid that all pages share: lengths in millimetres, y down."""

    def __init__(self, layout: DisorderedSupercell, total: int, classes: int) -> None:
        self._columns = projected_columns(layout)
        self._species = sorted({s for part in layout.sublattices for s in part.species} - {VACANCY})
        cells = " × ".join(str(size) for size in layout.supercell)
        many = "class" if classes == 1 else "classes"
        self._title = (
            f"{layout.parent.name}, {cells} cells: {total:,} orderings in {classes:,} {many}"
        )
        edges, (m, n) = self._columns.edges_angstrom, self._columns.repeats
        corners = np.array([[0, 0], [m, 0], [m, n], [0, n]]) @ edges
        self._low, spread = corners.min(axis=0), np.ptp(corners, axis=0)
        usable = _WIDTH_MM - 2 * _MARGIN_MM
        shortest = float(np.linalg.norm(edges, axis=1).min())
        self._scale = min(_PARENT_CELL_MM / shortest, usable / spread[0], usable / spread[1])
        self._size = spread * self._scale
        # the widest id needs its room, however small the cell
        width = max(float(self._size[0]), 17.0) + _GAP_MM
        self._across = max(1, int((usable + _GAP_MM) / width))
        self._pitch = np.array(
            [(usable + _GAP_MM) / self._across, self._size[1] + _TEXT_MM + _GAP_MM]
        )
        down = int((_GREATEST_HEIGHT_MM - 2 * _MARGIN_MM - _HEADER_MM + _GAP_MM) / self._pitch[1])
        self.places = self._across * max(1, down)

    def draw(self, orderings: list[Ordering], number: int, count: int) -> Figure:
        rows = math.ceil(len(orderings) / self._across)
        height = 2 * _MARGIN_MM + _HEADER_MM + rows * self._pitch[1] - _GAP_MM
        figure = Figure(figsize=(_WIDTH_MM / _MM_PER_INCH, height / _MM_PER_INCH))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, _WIDTH_MM), ylim=(height, 0))
        axes.set_axis_off()
        self._header(axes, number, count)
        marks = _Marks()
        for index, ordering in enumerate(orderings):
            place = np.array([index % self._across, index // self._across]) * self._pitch
            corner = place + np.array([_MARGIN_MM, _MARGIN_MM + _HEADER_MM])
            marks.cell(
                self._columns,
                self._species,
                ordering,
                self._scale,
                corner - self._low * self._scale,
            )
            left = corner[0]
            under = corner[1] + self._size[1] + _FIXED_SHARE * _PARENT_CELL_MM + 2.3
            axes.text(left, under, ordering.ordering_id, fontsize=_SMALL_POINTS)
            told = f"× {ordering.multiplicity:,}   {_symbol(ordering.space_group)}"
            axes.text(left, under + 2.6, told, fontsize=_SMALL_POINTS, color="#555555")
        marks.add_to(axes)
        return figure

    def _header(self, axes: Axes, number: int, count: int) -> None:
        left, top = _MARGIN_MM, _MARGIN_MM + 2.5
        axes.text(left, top, self._title, fontsize=_TEXT_POINTS, fontweight="bold")
        if count > 1:
            axes.text(_WIDTH_MM - _MARGIN_MM, top, f"{number} / {count}", ha="right")
        marks, y, x = _Marks(), top + 5.0, left + 1.5
        entries = [
            (name, _FIXED[i % len(_FIXED)], 1.0) for i, (name, _) in enumerate(self._columns.fixed)
        ]
        entries += [
            (name, _SPECIES[i % len(_SPECIES)], 1.0) for i, name in enumerate(self._species)
        ]
        entries.append(("vacant", "", 0.0))
        if len(self._columns.places) < len(self._columns.column_of_site):
            entries.append(("half vacant", _SPECIES[0], 0.5))
        for label, colour, share in entries:
            where = np.array([x, y])
            marks.pie(where, 1.3, [(colour, share)])
            axes.text(x + 2.4, y, label, va="center", fontsize=_SMALL_POINTS)
            x += 7.0 + 1.15 * len(label)
        marks.add_to(axes)
        length = _round_length(12.0 / self._scale)
        stop = _WIDTH_MM - _MARGIN_MM
        axes.plot(
            [stop - length * self._scale, stop],
            [y, y],
            color="black",
            lw=1.6,
            solid_capstyle="butt",
        )
        axes.text(stop, y + 2.8, f"{length:g} Å", ha="right", fontsize=_SMALL_POINTS)
        text = "seen along c, a to the right, b down; a disc is a column, filled as its sites are"
        axes.text(left, y + 5.0, text, fontsize=_SMALL_POINTS, color="#555555")


class _Marks:
    """Collects what a page shows: one collection for all marks alike is quick to draw."""

    def __init__(self) -> None:
        self._discs: dict[tuple[float, str], list[NDArray[np.float64]]] = {}
        self._rims: dict[float, list[NDArray[np.float64]]] = {}
        self._sectors: list[NDArray[np.float64]] = []
        self._colours: list[str] = []
        self._grid: list[NDArray[np.float64]] = []
        self._edges: list[NDArray[np.float64]] = []
        self._crosses: list[NDArray[np.float64]] = []

    def disc(self, place: NDArray[np.float64], radius: float, colour: str) -> None:
        self._discs.setdefault((radius, colour), []).append(place)

    def pie(
        self, place: NDArray[np.float64], radius: float, parts: list[tuple[str, float]]
    ) -> None:
        """Fill a disc by shares; what is left over is vacant, and has a rim."""
        start = 0.0
        if sum(share for _, share in parts) < 1 - _NOTHING:
            self.disc(place, radius, "white")
            self._rims.setdefault(radius, []).append(place)
        for colour, share in parts:
            if share > 1 - _NOTHING:
                self.disc(place, radius, colour)
            elif share > _NOTHING:
                self._sectors.append(sector(place, radius, start, start + share))
                self._colours.append(colour)
            start += share
        if start < _NOTHING:
            arm = 0.45 * radius
            for slope in (1, -1):
                cross = np.array([[-arm, -slope * arm], [arm, slope * arm]])
                self._crosses.append(place + cross)

    def cell(
        self,
        columns: Columns,
        species: list[str],
        ordering: Ordering,
        scale: float,
        origin: NDArray[np.float64],
    ) -> None:
        """Draw a supercell; what lies on its near edges is drawn on the far ones, too."""
        edges, (m, n) = columns.edges_angstrom * scale, columns.repeats
        shortest = float(np.linalg.norm(edges, axis=1).min())
        across = [(i in (0, m), [[i, 0], [i, n]]) for i in range(m + 1)]
        along = [(j in (0, n), [[0, j], [m, j]]) for j in range(n + 1)]
        for outer, ends in [*across, *along]:
            (self._edges if outer else self._grid).append(origin + np.array(ends) @ edges)
        for index, (_, places) in enumerate(columns.fixed):
            for place in _with_far_edges(places, (m, n)):
                radius = _FIXED_SHARE * shortest
                self.disc(origin + place @ edges, radius, _FIXED[index % len(_FIXED)])
        shares = columns.shares(ordering, species)
        for column, row in zip(columns.places, shares, strict=True):
            parts = [(_SPECIES[i % len(_SPECIES)], float(share)) for i, share in enumerate(row)]
            for place in _with_far_edges(column[None], (m, n)):
                self.pie(origin + place @ edges, _COLUMN_SHARE * shortest, parts)

    def add_to(self, axes: Axes) -> None:
        # large discs first
        for (radius, colour), places in sorted(self._discs.items(), key=lambda item: -item[0][0]):
            _circles(axes, places, radius, facecolor=colour, edgecolor="none", zorder=3)
        if self._sectors:
            axes.add_collection(
                PolyCollection(self._sectors, facecolors=self._colours, edgecolors="none", zorder=4)
            )
        for radius, places in self._rims.items():
            _circles(
                axes, places, radius, facecolor="none", edgecolor=_VACANT, linewidth=0.7, zorder=5
            )
        for lines, colour, width, order in (
            (self._grid, _INNER, 0.4, 1),
            (self._edges, _EDGE, 0.6, 2),
            (self._crosses, _VACANT, 0.7, 5),
        ):
            if lines:
                axes.add_collection(
                    LineCollection(lines, colors=colour, linewidths=width, zorder=order)
                )


def _circles(axes: Axes, places: list[NDArray[np.float64]], radius: float, **look: Any) -> None:
    axes.add_collection(
        EllipseCollection(
            *([2 * radius], [2 * radius], [0.0]),
            units="xy",
            offsets=np.array(places),
            offset_transform=axes.transData,
            **look,
        )
    )


def _with_far_edges(
    places: NDArray[np.float64], repeats: tuple[int, int]
) -> list[NDArray[np.float64]]:
    found = []
    for x, y in places:
        for right in (0, repeats[0]) if x < 1e-3 else (0,):
            found += [
                np.array([x + right, y + down]) for down in ((0, repeats[1]) if y < 1e-3 else (0,))
            ]
    return found


def _symbol(space_group: str) -> str:
    """Write screw axes as they are printed: P4_2/mmc with a small 2."""
    return re.sub(r"_(\d)", lambda found: chr(0x2080 + int(found[1])), space_group)


def _round_length(greatest: float) -> float:
    power = 10.0 ** math.floor(math.log10(greatest))
    return max(step * power for step in (1, 2, 5) if step * power <= greatest * (1 + 1e-9))
