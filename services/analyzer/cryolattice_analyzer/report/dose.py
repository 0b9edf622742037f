"""What a report says of critical doses."""

from __future__ import annotations

from typing import Any

from cryolattice_analyzer.dose.critical_dose import DoseResult, DoseRow
from cryolattice_analyzer.figures.dose_figures import (
    critical_dose_figure,
    fading_figure,
    pattern_figure,
)
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.report.cell_drawing import LegendEntry
from cryolattice_analyzer.report.page import (
    Answer,
    FigureOfReport,
    Item,
    Page,
    Picture,
    Section,
    TableOfReport,
)
from cryolattice_analyzer.report.scales import Interval, interval_scale, series_mark
from cryolattice_analyzer.report.wording import listed, plural

_SHOWN = 8
# half an interval over its value: a row known better than this is fit to be quoted
_WELL_KNOWN = 0.15

_TERMS = [
    (
        "Critical dose",
        "Accumulated dose at which the integrated, background-free intensity of a reflection has "
        "fallen to 1/e (37 %) of its value at zero dose.",
    ),
    (
        "Spacing d",
        "Distance of the lattice planes that a reflection comes from; small d is detail.",
    ),
    (
        "95 %",
        "Profile-likelihood interval, widened where the spots of one spacing scatter more than "
        "their noise; it holds the true value in 95 of 100 cases.",
    ),
    (
        "Model",
        "Exponential: the intensity fades to nothing. With an offset: a part of it never fades, "
        "and the critical dose is that of the fading part.",
    ),
]


def describe_dose(page: Page, results: list[DoseResult], summary: dict[str, Any]) -> None:
    """Add the critical doses of one or two series to a page."""
    page.notes += summary["warnings"]
    page.data = page.data or summary
    page.terms += _TERMS
    if not page.answers:
        _answer(page, results, summary)
    page.sections += [_fading_section(results), _numbers_section(results, summary)]


def _value(row: DoseRow) -> str:
    return f"{row.critical_dose_e_per_angstrom2:.3g} e/Å²"


def _interval(row: DoseRow) -> str:
    return f"{row.ci95_low:.3g} to {row.ci95_high:.3g}"


def _answer(page: Page, results: list[DoseResult], summary: dict[str, Any]) -> None:
    first = results[0]
    names = listed([result.name for result in results])
    page.kicker = f"How fast does the diffraction of {names} fade?"
    coarse = first.rows[0]
    fine = _finest_known(first)
    page.headline = (
        f"The {coarse.d_angstrom:.2f} Å reflections last {_value(coarse)}, those of "
        f"{fine.d_angstrom:.2f} Å {_value(fine)}"
        if fine is not coarse
        else f"The {coarse.d_angstrom:.2f} Å reflections last {_value(coarse)}"
    )
    page.lead = (
        "Critical dose: the accumulated dose at which a reflection has 1/e (37 %) of its intensity "
        "at zero dose left."
    )
    page.answers = [
        Answer(
            "How long does the lattice last?",
            _value(coarse),
            [f"95 % {_interval(coarse)} at {coarse.d_angstrom:.2f} Å, the largest spacing."],
        ),
        Answer(
            "How long does detail last?",
            _value(fine),
            [
                f"95 % {_interval(fine)} at {fine.d_angstrom:.2f} Å, the finest spacing known to "
                f"{100 * _WELL_KNOWN:.0f} %.",
                "Image below this dose to see it.",
            ],
        ),
        _comparison(results, summary),
        _trust(results),
    ]
    rows = [
        Interval(
            f"{row.d_angstrom:.2f} Å",
            row.critical_dose_e_per_angstrom2,
            row.ci95_low,
            row.ci95_high,
            index,
        )
        for index, result in enumerate(results)
        for row in result.rows[:_SHOWN]
    ]
    page.picture = Picture(
        interval_scale(
            rows,
            "critical dose (e/Å²)",
            "Critical dose of each spacing with its 95 % interval: "
            + "; ".join(f"{r.label} {r.value:.3g}" for r in rows)
            + ".",
        ),
        "95 % intervals"
        + (f"; the largest {_SHOWN} spacings." if len(first.rows) > _SHOWN else "."),
        [LegendEntry(series_mark(index), result.name) for index, result in enumerate(results)],
    )


def _finest_known(result: DoseResult) -> DoseRow:
    known = [
        row
        for row in result.rows
        if row.ci95_high - row.ci95_low < 2 * _WELL_KNOWN * row.critical_dose_e_per_angstrom2
    ]
    return known[-1] if known else result.rows[-1]


def _comparison(results: list[DoseResult], summary: dict[str, Any]) -> Answer:
    question = "How much better is it?"
    if not summary.get("improvement"):
        return Answer(
            question,
            "Nothing to compare with",
            ["Give a second series with --compare, such as one at room temperature."],
        )
    best = min(
        summary["improvement"], key=lambda row: (row["ci95"][1] - row["ci95"][0]) / row["factor"]
    )
    low, high = best["ci95"]
    return Answer(
        question,
        f"{best['factor']:.2f} times",
        [
            f"95 % {low:.2f} to {high:.2f} at {best['d_angstrom']:.2f} Å, the spacing where it is "
            f"known best: {results[0].name} over {results[-1].name}."
        ],
    )


def _trust(results: list[DoseResult]) -> Answer:
    details = []
    for result in results:
        frames = len(result.curves[0].dose_e_per_angstrom2)
        spots = sum(row.spots for row in result.rows)
        reached = frames * result.dose_per_frame_e_per_angstrom2
        details.append(
            f"{result.name}: {spots} spots of {plural(len(result.rows), 'spacing')}, in "
            f"{frames} frames to {reached:g} e/Å²."
        )
    plateaus = sorted({row.model for result in results for row in result.rows})
    value = "Plain exponential fading"
    if any("offset" in model for model in plateaus):
        value = "Fading to a plateau"
        details.append("A part of the intensity never fades; the dose is that of the rest.")
    beyond = [
        f"{row.d_angstrom:.2f} Å"
        for result in results
        for row in result.rows
        if row.critical_dose_e_per_angstrom2
        > len(result.curves[0].dose_e_per_angstrom2) * result.dose_per_frame_e_per_angstrom2
    ]
    if beyond:
        details.append(f"Beyond the last frame, extrapolated: {listed(beyond[:3])}.")
    return Answer("What does it rest on?", value, details)


def _fading_section(results: list[DoseResult]) -> Section:
    items: list[Item] = [
        FigureOfReport(
            "fading",
            to_png(fading_figure(results)),
            "Fading of the reflections",
            "The curves must pass through the points from the first frame to the last. The dashed "
            "line is at 1/e, dotted lines lead to the critical doses. Each frame is fitted as the "
            "integral over its own exposure.",
            "Integrated intensity against accumulated dose with fitted curves, for the largest "
            "spacings of each series.",
            wide=len(results) > 1,
        ),
        FigureOfReport(
            "critical_dose",
            to_png(critical_dose_figure(results)),
            "Critical dose against spatial frequency",
            "Detail fades first: the points fall to the right. Bars are 95 % intervals; a point "
            "far off a smooth trend deserves a look at its spots.",
            "Critical dose against one over the spacing, with 95 % intervals.",
        ),
    ]
    items += [
        FigureOfReport(
            f"pattern_{index + 1}",
            to_png(pattern_figure(result)),
            f"Diffraction pattern, {result.name}",
            "Each ring is a reflection that was measured, seen or not. Rings must sit on the spots "
            "out to the edge: if they drift off, the lattice is wrong.",
            f"Sum of the registered frames of {result.name} with the measured reflections ringed.",
        )
        for index, result in enumerate(results)
    ]
    return Section("The fading", "What was measured on every frame.", items)


def _numbers_section(results: list[DoseResult], summary: dict[str, Any]) -> Section:
    items: list[Item] = [_rows(result) for result in results]
    if "improvement" in summary:
        items.append(
            TableOfReport(
                "Improvement",
                ["d (Å)", "factor", "95 %"],
                [
                    [
                        f"{row['d_angstrom']:.3f}",
                        f"{row['factor']:.2f}",
                        f"{row['ci95'][0]:.2f} to {row['ci95'][1]:.2f}",
                    ]
                    for row in summary["improvement"]
                ],
                f"Critical dose in {results[0].name} over that in {results[-1].name}, for the "
                "spacings that both have.",
                numbers=3,
                wide=False,
            )
        )
    return Section("The numbers", "One row a spacing, largest first.", items)


def _rows(result: DoseResult) -> TableOfReport:
    return TableOfReport(
        f"Critical doses, {result.name}",
        ["d (Å)", "model", "spots", "critical dose (e/Å²)", "95 %"],
        [
            [
                f"{row.d_angstrom:.3f}",
                row.model,
                str(row.spots),
                f"{row.critical_dose_e_per_angstrom2:.2f}",
                f"{row.ci95_low:.2f} to {row.ci95_high:.2f}",
            ]
            for row in result.rows
        ],
        numbers=3,
        wide=False,
    )
