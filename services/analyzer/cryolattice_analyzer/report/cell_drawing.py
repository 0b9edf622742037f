"""Drawing a projected cell as vector graphics that follow the page's light and dark colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import atan2, cos, degrees, pi, sin

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cryolattice_analyzer.report.projected_cell import Column, ModelAtoms
from cryolattice_analyzer.report.wording import formula

# Pixels of the drawing's own coordinates; the page scales it.
_SIDE = 400.0
_MARGIN = 50.0
_EDGE = 1e-3
_ION_SHARE, _ATOM_SHARE = 0.18, 0.1


Place = Callable[[float, float], NDArray[np.float64]]


@dataclass(frozen=True)
class LegendEntry:
    """One kind of mark, as a small drawing, and what it stands for."""

    mark: Markup
    label: str


@dataclass(frozen=True)
class CellDrawing:
    """A drawing, its legend and what it shows in words."""

    svg: Markup
    legend: list[LegendEntry]
    description: str


def draw_cell(
    atoms: ModelAtoms, columns: list[Column], mobile: frozenset[str], description: str
) -> CellDrawing:
    """Draw one supercell with its edges, atoms repeated on the far edges.

    Parameters
    ----------
    atoms : ModelAtoms
        Gives the axes.
    columns : list of Column
    mobile : frozenset of str
        The species whose sites may be vacant: small discs; all others are large and pale.
    description : str
        The picture in words.
    """
    m, n, _ = atoms.supercell
    plane = atoms.edges[:2, :2]
    corners = np.array([[0, 0], [m, 0], [m, n], [0, n]]) @ plane
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = (_SIDE - 2 * _MARGIN) / float((high - low).max())
    height = float(high[1] - low[1]) * scale + 2 * _MARGIN
    width = float(high[0] - low[0]) * scale + 2 * _MARGIN

    def place(x: float, y: float) -> NDArray[np.float64]:
        return np.asarray((np.array([x, y]) @ plane - low) * scale + _MARGIN)

    shortest = scale * float(np.linalg.norm(plane, axis=1).min())
    small = mobile | {c.species for c in columns if c.vacant}
    others = [s for s in dict.fromkeys(c.species for c in columns) if s not in small]
    shapes = [_frame(place, m, n)]
    ordered = sorted(columns, key=lambda c: (c.species in small, c.vacant))
    for column in ordered:
        ion = others.index(column.species) + 1 if column.species in others else 0
        radius = shortest * (_ION_SHARE if ion else _ATOM_SHARE)
        shapes += [
            _column(place(x, y), radius, column, ion)
            for x in _repeats(column.x, m)
            for y in _repeats(column.y, n)
        ]
    shapes += _axes(place, m, n, atoms)
    svg = Markup(
        '<svg class="cell" viewBox="0 0 {w:.0f} {h:.0f}" role="img" aria-label="{alt}">{body}</svg>'
    ).format(w=width, h=height, alt=description, body=Markup("").join(shapes))
    return CellDrawing(svg, _legend(columns, small, others), description)


def _repeats(value: float, size: int) -> list[float]:
    return [value, value + size] if value < _EDGE else [value]


def _frame(place: Place, m: int, n: int) -> Markup:
    lines = [(place(x, 0), place(x, n)) for x in range(1, m)]
    lines += [(place(0, y), place(m, y)) for y in range(1, n)]
    inner = Markup("").join(
        Markup('<line class="inner" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
            *start, *stop
        )
        for start, stop in lines
    )
    corners = " ".join(
        f"{x:.1f},{y:.1f}" for x, y in (place(0, 0), place(m, 0), place(m, n), place(0, n))
    )
    return inner + Markup('<polygon class="edge" points="{}"/>').format(corners)


def _column(where: NDArray[np.float64], radius: float, column: Column, ion: int) -> Markup:
    x, y = float(where[0]), float(where[1])
    if ion:
        return Markup('<circle class="ion-{}" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>').format(
            min(ion, 4), x, y, radius
        )
    share = column.filled / column.sites
    if column.vacant == column.sites:
        return _vacancy(x, y, radius)
    if column.vacant:
        return _atom(x, y, radius, share) + Markup(
            '<circle class="ring" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>'
        ).format(x, y, 1.25 * radius)
    return _atom(x, y, radius, share)


def _atom(x: float, y: float, radius: float, share: float) -> Markup:
    """Draw a disc, or a sector of it where the sites are only partly filled."""
    if share > 1 - _EDGE:
        return Markup('<circle class="atom" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>').format(
            x, y, radius
        )
    angle = 2 * pi * share
    end_x, end_y = x + radius * sin(angle), y - radius * cos(angle)
    path = (
        f"M{x:.1f} {y:.1f}V{y - radius:.1f}A{radius:.1f} {radius:.1f} 0 {int(share > 0.5)} 1 "
        f"{end_x:.1f} {end_y:.1f}Z"
    )
    return Markup(
        '<circle class="empty" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/><path class="atom" d="{}"/>'
    ).format(x, y, radius, path)


def _vacancy(x: float, y: float, radius: float) -> Markup:
    arm = 0.5 * radius
    return Markup(
        '<circle class="vacancy" cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"/>'
        '<path class="cross" d="M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}M{a:.1f} {d:.1f}L{c:.1f} {b:.1f}"/>'
    ).format(x=x, y=y, r=1.25 * radius, a=x - arm, b=y - arm, c=x + arm, d=y + arm)


def _axes(place: Place, m: int, n: int, atoms: ModelAtoms) -> list[Markup]:
    """Name the two axes with their lengths, along the upper and the left edge."""
    origin, along_a, along_b = place(0, 0), place(m, 0), place(0, n)
    lengths = np.linalg.norm(atoms.edges, axis=1)
    result = []
    for name, end, repeat, length in (
        ("a", along_a, m, lengths[0]),
        ("b", along_b, n, lengths[1]),
    ):
        middle = 0.5 * (origin + end)
        direction = (end - origin) / np.linalg.norm(end - origin)
        normal = np.array([direction[1], -direction[0]]) * (1 if name == "a" else -1)
        x, y = middle + 37 * normal
        turn = degrees(atan2(direction[1], direction[0]))
        if turn > 45:
            turn -= 180
        text = f"{repeat} {name} = {repeat * length:.2f} Å" if repeat > 1 else f"{length:.2f} Å"
        result.append(
            Markup(
                '<text class="axis" x="{x:.1f}" y="{y:.1f}" transform="rotate({t:.1f} {x:.1f} '
                '{y:.1f})">{text}</text>'
            ).format(x=x, y=y + (0 if name == "a" else 4), t=turn, text=text)
        )
    return result


def _legend(columns: list[Column], small: frozenset[str], others: list[str]) -> list[LegendEntry]:
    def mark(body: Markup) -> Markup:
        return Markup('<svg class="mark" viewBox="0 0 20 20" aria-hidden="true">{}</svg>').format(
            body
        )

    entries = []
    for species in sorted(small):
        own = [c for c in columns if c.species == species]
        name = formula(species)
        if any(c.vacant for c in own):
            entries.append(
                LegendEntry(
                    mark(_vacancy(10, 10, 6.4)), f"{name} missing" if name else "vacant site"
                )
            )
        filled = [c.filled / c.sites for c in own if c.filled > _EDGE]
        share = float(np.mean(filled)) if filled else 0.0
        if not filled:
            continue
        if share < 1 - _EDGE and not any(c.vacant for c in own):
            name += f", {100 * share:.0f} % filled"
        else:
            share = 1.0
        entries.append(LegendEntry(mark(_atom(10, 10, 7, share)), name))
    for index, species in enumerate(others):
        body = Markup('<circle class="ion-{}" cx="10" cy="10" r="8.5"/>').format(min(index + 1, 4))
        entries.append(LegendEntry(mark(body), formula(species)))
    return entries
