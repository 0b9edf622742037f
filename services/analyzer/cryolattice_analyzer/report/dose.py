"""What a report says of critical doses."""

from __future__ import annotations

from typing import Any

from cryolattice_analyzer.dose.critical_dose import DoseResult
from cryolattice_analyzer.figures.dose_figures import (
    critical_dose_figure,
    fading_figure,
    pattern_figure,
)
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.report.page import FigureOfReport, Page, TableOfReport


def describe_dose(page: Page, results: list[DoseResult], summary: dict[str, Any]) -> None:
    """Add the critical doses of one or two series to a page."""
    first = results[0].rows[0]
    page.answer = page.answer or (
        f"{first.critical_dose_e_per_angstrom2:.3g} e/Å² at {first.d_angstrom:.2f} Å, "
        f"{results[0].rows[-1].critical_dose_e_per_angstrom2:.3g} at "
        f"{results[0].rows[-1].d_angstrom:.2f} Å"
    )
    page.explanation = page.explanation or (
        "Critical dose: the accumulated dose at which the integrated, background-free intensity of "
        "a reflection has fallen to 1/e of its value at zero dose."
    )
    page.notes += summary["warnings"]
    for result in results:
        page.facts.append((result.name, f"{len(result.rows)} spacings measured"))
    if summary.get("improvement"):
        best = min(
            summary["improvement"],
            key=lambda row: (row["ci95"][1] - row["ci95"][0]) / row["factor"],
        )
        low, high = best["ci95"]
        page.facts.append(
            (
                f"Improvement at {best['d_angstrom']:.2f} Å",
                f"{best['factor']:.2f} times ({low:.2f} to {high:.2f})",
            )
        )
    page.figures += [
        FigureOfReport(
            "fading",
            to_png(fading_figure(results)),
            "Fading of the reflections",
            "Integrated intensity against accumulated dose with the fitted curves; the dashed line "
            "is at 1/e. Each frame is fitted as the integral over its own exposure.",
            wide=len(results) > 1,
        ),
        FigureOfReport(
            "critical_dose",
            to_png(critical_dose_figure(results)),
            "Critical dose against spacing",
            "Bars are 95 % intervals.",
        ),
    ]
    page.figures += [
        FigureOfReport(
            f"pattern_{index + 1}",
            to_png(pattern_figure(result)),
            f"Diffraction pattern, {result.name}",
            "Sum of the frames, registered, with the reflections that were measured.",
        )
        for index, result in enumerate(results)
    ]
    page.tables += [_rows(result) for result in results]
    if "improvement" in summary:
        page.tables.append(
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
                f"Critical dose in {results[0].name} over that in {results[-1].name}.",
            )
        )


def _rows(result: DoseResult) -> TableOfReport:
    return TableOfReport(
        f"Critical doses, {result.name}",
        ["d (Å)", "spots", "critical dose (e/Å²)", "95 %", "model"],
        [
            [
                f"{row.d_angstrom:.3f}",
                str(row.spots),
                f"{row.critical_dose_e_per_angstrom2:.2f}",
                f"{row.ci95_low:.2f} to {row.ci95_high:.2f}",
                row.model,
            ]
            for row in result.rows
        ],
    )
