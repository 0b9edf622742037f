"""The part of a report job that draws the counterparts of a paper's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryolattice_analyzer.figures.fading_movie import fading_movie
from cryolattice_analyzer.figures.style import to_pdf, to_png
from cryolattice_analyzer.report.page import (
    Answer,
    FigureOfReport,
    Item,
    Page,
    Section,
    TableOfReport,
)
from cryolattice_analyzer.report.paper import MOVIE, paper_figures
from cryolattice_analyzer.report.paper_evidence import gather
from cryolattice_analyzer.report.paper_numbers import (
    compared_with_paper,
    rounded,
    spread,
    summary_lines,
)
from cryolattice_api.analyzer.v1 import analyzer_pb2

if TYPE_CHECKING:
    from cryolattice.jobs.context import JobContext
    from cryolattice.store.reader import DatasetReader

PRISTINE_CIF, ORDERED_CIF = "pristine.cif", "ordered.cif"


def draw_paper(
    context: JobContext,
    spec: analyzer_pb2.ReportSpec,
    readers: dict[str, DatasetReader],
    page: Page,
) -> None:
    """Draw the figures, the movie and the comparison; write them beside the page."""
    paper = spec.paper
    opened = [
        (context.inputs.open(ref, "diffraction_series", field=f"paper.{field}"), label)
        for field, ref, label in (
            ("series", paper.series, paper.series_label),
            ("compare", paper.compare, paper.compare_label),
        )
    ]
    labelled = [
        (reader, label or reader.json("diffraction_series.json")["file_name"])
        for reader, label in opened
    ]
    evidence = gather(readers, labelled)
    named = {kind: f"{kind} {_short(reader)}" for kind, reader in readers.items()}
    for field, (reader, label) in zip(("series", "compare"), labelled, strict=True):
        named[field] = f"diffraction series at {label} {_short(reader)}"
    page.kicker = page.title
    page.headline, page.lead = summary_lines(evidence)
    figures: list[Item] = []
    output = context.output
    for drawn in paper_figures(evidence):
        output.add_file(f"{drawn.name}.pdf", to_pdf(drawn.figure))
        caption = f"{drawn.caption} From {', '.join(named[source] for source in drawn.sources)}."
        figures.append(
            FigureOfReport(
                drawn.name,
                to_png(drawn.figure),
                drawn.title,
                caption,
                f"{drawn.title}: {drawn.caption}",
                wide=drawn.wide,
            )
        )
        context.progress(0, 2, f"drew {drawn.name}")
    movie = fading_movie(evidence.series)
    output.add_file(MOVIE, movie)
    shown = " and ".join(f"{one.label}, {len(one.frames)} frames" for one in evidence.series)
    figures.append(
        FigureOfReport(
            MOVIE.removesuffix(".gif"),
            movie,
            "Movie. Fading of the diffraction pattern",
            f"Measured: {shown}; each frame with the dose accumulated at its end, on the grey "
            f"scale of the first. From {named['series']}, {named['compare']}.",
            "Movie of the diffraction patterns of the series, fading frame by frame.",
            wide=True,
            media_type="image/gif",
        )
    )
    for name, text in ((PRISTINE_CIF, paper.pristine_cif), (ORDERED_CIF, paper.ordered_cif)):
        if text:
            output.add_file(name, text.encode())
    rows = compared_with_paper(evidence)
    page.answers = [
        Answer(
            f"{row.quantity[0].upper()}{row.quantity[1:]}",
            f"{rounded(row.found)} {row.unit}",
            [f"The paper: {rounded(row.paper)} {row.unit}."],
        )
        for row in rows
    ]
    table = TableOfReport(
        "Compared with the paper",
        ["", "unit", "paper", "here", "95 %"],
        [
            [row.quantity, row.unit, rounded(row.paper), rounded(row.found), spread(row.ci95)]
            for row in rows
        ],
        numbers=3,
    )
    page.sections = [Section("The figures", "", figures), Section("The numbers", "", [table])]
    page.data = {"comparison": [row.as_dict() for row in rows]}
    output.add_json(
        "figures.json",
        {
            "figures": [
                {"name": figure.name, "title": figure.title, "caption": figure.look}
                for figure in page.figures
            ],
            "comparison": [row.as_dict() for row in rows],
        },
    )


def _short(reader: DatasetReader) -> str:
    """Enough of a dataset's id to find it in the list of all."""
    return reader.manifest.id[:8]
