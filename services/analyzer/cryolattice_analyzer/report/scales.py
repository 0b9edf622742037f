"""Small scales beside a number: how probable, which thickness, which dose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np
from markupsafe import Markup

from cryolattice_analyzer.ranking.thickness_range import ThicknessRange

_WIDTH = 320.0


def probability_scale(probability: float, needed: float) -> Markup:
    """Draw a bar from 0 to 100 % with the probability that an answer needs."""
    return Markup(
        '<svg class="scale" viewBox="0 0 {w:.0f} 22" role="img" aria-label="{alt}">'
        '<rect class="track" x="0" y="3" width="{w:.0f}" height="8" rx="4"/>'
        '<rect class="fill" x="0" y="3" width="{p:.1f}" height="8" rx="4"/>'
        '<line class="need" x1="{n:.1f}" x2="{n:.1f}" y1="0" y2="14"/>'
        '<text x="0" y="21">0</text>'
        '<text class="end" x="{n:.1f}" y="21">{need:.0f} % needed</text></svg>'
    ).format(
        w=_WIDTH,
        p=max(_WIDTH * min(max(probability, 0.0), 1.0), 2.0),
        n=_WIDTH * needed,
        need=100 * needed,
        alt=f"Probability {100 * probability:.1f} %; an answer needs {100 * needed:.0f} %.",
    )


def thickness_scale(found: ThicknessRange, steps_shown: int = 13) -> Markup:
    """Draw the probabilities of the likeliest thickness and its neighbours as columns."""
    best = int(np.argmax(found.probability))
    step = found.step_angstrom or 1.0
    least = found.probability.max() * 1e-3
    held = np.flatnonzero(found.probability > least)
    reach = max(
        steps_shown // 2,
        round((found.thickness_angstrom[held[-1]] - found.thickness_angstrom[best]) / step),
        round((found.thickness_angstrom[best] - found.thickness_angstrom[held[0]]) / step),
    )
    reach = min(reach, 40)
    pitch = _WIDTH / (2 * reach + 1)
    bars, labels = [], []
    for thickness, probability in zip(found.thickness_angstrom, found.probability, strict=True):
        place = (thickness - found.thickness_angstrom[best]) / step + reach
        if not -0.5 <= place <= 2 * reach + 0.5:
            continue
        height = 28.0 * float(probability / found.probability.max())
        bars.append(
            Markup(
                '<rect class="fill" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
            ).format(pitch * place + 0.12 * pitch, 30 - height, 0.76 * pitch, height)
        )
    for offset, anchor in ((-reach, "start"), (0, "middle"), (reach, "end")):
        value = found.thickness_angstrom[best] + offset * step
        if value < 0:
            continue
        place = {"start": 0.0, "middle": pitch * (reach + 0.5), "end": _WIDTH}[anchor]
        labels.append(
            Markup('<text class="{}" x="{:.1f}" y="41">{:.1f} Å</text>').format(
                anchor, place, value
            )
        )
    alt = (
        f"Probability over thickness: greatest at {found.likeliest_angstrom:.1f} Å; 95 % between "
        f"{found.low_angstrom:.1f} and {found.high_angstrom:.1f} Å."
    )
    return Markup(
        '<svg class="scale" viewBox="0 0 {w:.0f} 43" role="img" aria-label="{alt}">'
        '<line class="base" x1="0" x2="{w:.0f}" y1="30.5" y2="30.5"/>{bars}{labels}</svg>'
    ).format(w=_WIDTH, alt=alt, bars=Markup("").join(bars), labels=Markup("").join(labels))


@dataclass(frozen=True)
class Interval:
    """A value with its interval, and which series (0 or 1) it is of."""

    label: str
    value: float
    low: float
    high: float
    series: int = 0


def interval_scale(rows: Sequence[Interval], axis: str, description: str) -> Markup:
    """Draw values with their intervals on a common logarithmic axis, a line each label."""
    labels = list(dict.fromkeys(row.label for row in rows))
    least = min(row.low for row in rows)
    most = max(row.high for row in rows)
    start, stop = floor(4 * log10(least) - 0.3) / 4, ceil(4 * log10(most) + 0.3) / 4
    left, width, pitch, top = 62.0, 330.0, 34.0, 26.0
    bottom = top + pitch * len(labels)

    def x(value: float) -> float:
        return left + width * (log10(value) - start) / (stop - start)

    ticks = [
        factor * 10.0**decade
        for decade in range(floor(start), ceil(stop) + 1)
        for factor in (1, 2, 5)
        if start <= log10(factor * 10.0**decade) <= stop
    ]
    shapes = [
        Markup(
            '<line class="inner" x1="{x:.1f}" x2="{x:.1f}" y1="{t:.1f}" y2="{b:.1f}"/>'
            '<text class="middle" x="{x:.1f}" y="{l:.1f}">{v:g}</text>'
        ).format(x=x(tick), t=top - 6, b=bottom - 6, l=bottom + 10, v=tick)
        for tick in ticks
    ]
    for index, label in enumerate(labels):
        y = top + pitch * (index + 0.35)
        shapes.append(
            Markup('<text class="row" x="{:.1f}" y="{:.1f}">{}</text>').format(
                left - 10, y + 5, label
            )
        )
        shapes += [_interval(row, x, y) for row in rows if row.label == label]
    return Markup(
        '<svg class="cell chart" viewBox="0 0 420 {h:.0f}" role="img" aria-label="{alt}">{body}'
        '<text class="middle" x="{m:.1f}" y="{t:.1f}">{axis}</text></svg>'
    ).format(
        h=bottom + 40,
        alt=description,
        body=Markup("").join(shapes),
        m=left + width / 2,
        t=bottom + 29,
        axis=axis,
    )


def _interval(row: Interval, x: Callable[[float], float], y: float) -> Markup:
    low, value, high = x(row.low), x(row.value), x(row.high)
    mark = (
        Markup('<circle class="series-0" cx="{:.1f}" cy="{:.1f}" r="5.5"/>').format(value, y)
        if row.series == 0
        else Markup('<rect class="series-1" x="{:.1f}" y="{:.1f}" width="10" height="10"/>').format(
            value - 5, y - 5
        )
    )
    return (
        Markup(
            '<line class="bar-{s}" x1="{a:.1f}" x2="{b:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        ).format(s=row.series, a=low, b=high, y=y)
        + mark
    )


def series_mark(series: int) -> Markup:
    """Return the mark of a series for a legend."""
    shape = (
        '<circle class="series-0" cx="10" cy="10" r="7"/>'
        if series == 0
        else '<rect class="series-1" x="4" y="4" width="12" height="12"/>'
    )
    return Markup('<svg class="mark" viewBox="0 0 20 20" aria-hidden="true">{}</svg>').format(
        Markup(shape)  # noqa: S704
    )
