"""A contact sheet: every ordering of one supercell, or of several, as a small picture."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from cryolattice_modeler.column_pictures import projected_columns
from cryolattice_modeler.orderings import Ordering
from cryolattice_modeler.sheet_marks import FIXED, FIXED_SHARE, SPECIES, Marks
from cryolattice_modeler.supercell import VACANCY, DisorderedSupercell

DOTS_PER_INCH = 200
_MM_PER_INCH = 25.4
# two columns of a printed page
_WIDTH_MM, _GREATEST_HEIGHT_MM = 178.0, 240.0
_MARGIN_MM, _HEADER_MM, _GAP_MM, _TEXT_MM, _HEADING_MM = 7.0, 17.0, 5.7, 6.0, 5.5
_PARENT_CELL_MM = 9.2
_TEXT_POINTS, _SMALL_POINTS = 7.0, 5.5
LOOK: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": _TEXT_POINTS,
    "pdf.fonttype": 42,
}
_UNDATED = {"CreationDate": None, "Producer": None, "Creator": None}


@dataclass(frozen=True, eq=False)
class Section:
    """The orderings of one supercell.

    Attributes
    ----------
    layout : DisorderedSupercell
    cells : int
        Cells of the parent crystal in it.
    heading : str
        Written above them where there are several sections.
    count : int
        Number of the orderings.
    orderings : iterable of Ordering
        Taken a row at a time.
    """

    layout: DisorderedSupercell
    cells: int
    heading: str
    count: int
    orderings: Iterable[Ordering]


def draw_contact_sheet(title: str, sections: Sequence[Section]) -> Iterator[tuple[str, bytes]]:
    """Draw the projection of each ordering along c, with its id, multiplicity and space group.

    Parameters
    ----------
    title : str
    sections : sequence of Section
        Of one parent crystal.

    Yields
    ------
    (str, bytes)
        Name and content: a PNG for each page, then one PDF of all.
    """
    sheet = _Sheet(title, sections)
    pages = sheet.pages()
    document = io.BytesIO()
    with PdfPages(document, metadata=_UNDATED) as pdf:
        for number, rows in enumerate(pages, 1):
            with mpl.rc_context(LOOK):
                figure = sheet.draw(rows, number, len(pages))
                pdf.savefig(figure)
                picture = io.BytesIO()
                figure.savefig(picture, format="png", dpi=DOTS_PER_INCH)
            suffix = f"-{number:0{len(str(len(pages)))}d}" if len(pages) > 1 else ""
            yield f"orderings{suffix}.png", picture.getvalue()
    yield "orderings.pdf", document.getvalue()


class _Block:
    """How the orderings of a section are set in rows: lengths in millimetres, y down."""

    def __init__(self, section: Section, heading: str) -> None:
        self.heading = heading
        self.count = section.count
        self.remaining = iter(section.orderings)
        self.columns = projected_columns(section.layout, section.cells)
        edges, (m, n) = self.columns.edges_angstrom, self.columns.repeats
        corners = np.array([[0, 0], [m, 0], [m, n], [0, n]]) @ edges
        self._low, self._spread = corners.min(axis=0), np.ptp(corners, axis=0)
        usable = _WIDTH_MM - 2 * _MARGIN_MM
        self.greatest_scale = min(
            _PARENT_CELL_MM / self.columns.unit_angstrom,
            usable / self._spread[0],
            usable / self._spread[1],
        )

    def arrange(self, scale: float) -> None:
        """Fix the millimetres of an angstrom."""
        self._scale = scale
        self._size = self._spread * scale
        usable = _WIDTH_MM - 2 * _MARGIN_MM
        # the widest id needs its room, however small the cell
        width = max(float(self._size[0]), 17.0) + _GAP_MM
        self.across = max(1, int((usable + _GAP_MM) / width))
        self._step = (usable + _GAP_MM) / self.across
        self.height = float(self._size[1]) + _TEXT_MM + _GAP_MM

    def draw(self, axes: Axes, marks: Marks, species: list[str], top: float) -> None:
        """Draw the next row."""
        for place, ordering in enumerate(itertools.islice(self.remaining, self.across)):
            corner = np.array([_MARGIN_MM + place * self._step, top])
            origin = corner - self._low * self._scale
            marks.cell(self.columns, species, ordering, self._scale, origin)
            under = top + self._size[1] + FIXED_SHARE * _PARENT_CELL_MM + 2.3
            axes.text(corner[0], under, ordering.ordering_id, fontsize=_SMALL_POINTS)
            told = f"× {ordering.multiplicity:,}   {_symbol(ordering.space_group)}"
            axes.text(corner[0], under + 2.6, told, fontsize=_SMALL_POINTS, color="#555555")


@dataclass(frozen=True, eq=False)
class _Row:
    block: _Block
    heading: str

    @property
    def height(self) -> float:
        return self.block.height + (_HEADING_MM if self.heading else 0.0)


class _Sheet:
    """What all pages share."""

    def __init__(self, title: str, sections: Sequence[Section]) -> None:
        self._title = title
        several = len(sections) > 1
        self._blocks = [_Block(s, s.heading if several else "") for s in sections if s.count]
        self._scale = min(block.greatest_scale for block in self._blocks)
        for block in self._blocks:
            block.arrange(self._scale)
        parts = sections[0].layout.sublattices
        self._species = sorted({s for part in parts for s in part.species} - {VACANCY})

    def pages(self) -> list[list[_Row]]:
        """Share the rows out among pages."""
        room = _GREATEST_HEIGHT_MM - 2 * _MARGIN_MM - _HEADER_MM + _GAP_MM
        pages: list[list[_Row]] = [[]]
        for block in self._blocks:
            for row in range(math.ceil(block.count / block.across)):
                heading = block.heading if row == 0 or not pages[-1] else ""
                used = sum(other.height for other in pages[-1])
                if pages[-1] and used + _Row(block, heading).height > room:
                    pages.append([])
                    heading = block.heading
                pages[-1].append(_Row(block, heading))
        return pages

    def draw(self, rows: list[_Row], number: int, count: int) -> Figure:
        height = 2 * _MARGIN_MM + _HEADER_MM + sum(row.height for row in rows) - _GAP_MM
        figure = Figure(figsize=(_WIDTH_MM / _MM_PER_INCH, height / _MM_PER_INCH))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, _WIDTH_MM), ylim=(height, 0))
        axes.set_axis_off()
        self._header(axes, number, count)
        marks, top = Marks(), _MARGIN_MM + _HEADER_MM
        for row in rows:
            if row.heading:
                axes.text(_MARGIN_MM, top + 0.6, row.heading, fontsize=_SMALL_POINTS + 0.5)
                top += _HEADING_MM
            row.block.draw(axes, marks, self._species, top)
            top += row.block.height
        marks.add_to(axes)
        return figure

    def _header(self, axes: Axes, number: int, count: int) -> None:
        left, top = _MARGIN_MM, _MARGIN_MM + 2.5
        axes.text(left, top, self._title, fontsize=_TEXT_POINTS, fontweight="bold")
        if count > 1:
            axes.text(_WIDTH_MM - _MARGIN_MM, top, f"{number} / {count}", ha="right")
        marks, y, x = Marks(), top + 5.0, left + 1.5
        columns = [block.columns for block in self._blocks]
        entries = [(e, FIXED[i % len(FIXED)], 1.0) for i, (e, _) in enumerate(columns[0].fixed)]
        entries += [(e, SPECIES[i % len(SPECIES)], 1.0) for i, e in enumerate(self._species)]
        entries.append(("vacant", "", 0.0))
        if any(len(each.places) < len(each.column_of_site) for each in columns):
            entries.append(("half vacant", SPECIES[0], 0.5))
        for label, colour, share in entries:
            marks.pie(np.array([x, y]), 1.3, [(colour, share)])
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


def _symbol(space_group: str) -> str:
    """Write screw axes as they are printed: P4_2/mmc with a small 2."""
    return re.sub(r"_(\d)", lambda found: chr(0x2080 + int(found[1])), space_group)


def _round_length(greatest: float) -> float:
    power = 10.0 ** math.floor(math.log10(greatest))
    return max(step * power for step in (1, 2, 5) if step * power <= greatest * (1 + 1e-9))
