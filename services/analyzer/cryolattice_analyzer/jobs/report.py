"""The report job: figures and a page of what the given datasets hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cryolattice.canonical import references
from cryolattice.store.writer import component_versions
from cryolattice_analyzer.jobs.dose import load_dose
from cryolattice_analyzer.jobs.paper import draw_paper
from cryolattice_analyzer.report.dose import describe_dose
from cryolattice_analyzer.report.identify import describe_identification
from cryolattice_analyzer.report.page import Page
from cryolattice_analyzer.report.simulation import describe_simulation
from cryolattice_api.analyzer.v1 import analyzer_pb2

if TYPE_CHECKING:
    from cryolattice.jobs.context import JobContext
    from cryolattice.store.reader import DatasetReader


def run_report(context: JobContext, spec: analyzer_pb2.ReportSpec) -> None:
    """Draw the figures and write the page."""
    opened = [context.inputs.open(ref, ref.kind, field=ref.kind) for ref in references(spec)]
    readers: dict[str, DatasetReader] = {reader.manifest.kind: reader for reader in opened}
    page = Page(title=spec.title or "Cryolattice report", notes=list(spec.warnings))
    context.progress(0, 2, "drawing")
    if spec.HasField("paper"):
        draw_paper(context, spec, readers, page)
    elif "micrograph" in readers:
        describe_identification(page, readers)
    elif "beams" in readers and "models" in readers:
        describe_simulation(page, readers, spec.defocus_angstrom, spec.cs_mm)
    if "dose" in readers and not spec.HasField("paper"):
        describe_dose(page, load_dose(readers["dose"]), readers["dose"].json("dose.json"))
    page.notes = list(dict.fromkeys(page.notes))
    page.provenance = [
        {
            "kind": reader.manifest.kind,
            "name": reader.manifest.id,
            "manifest_sha256": reader.manifest_sha256,
            "spec": json.dumps(reader.manifest.spec, indent=1),
        }
        for reader in opened
    ]
    page.versions = component_versions()
    context.progress(1, 2, "writing")
    for figure in page.figures:
        if figure.media_type == "image/png":
            context.output.add_file(f"{figure.name}.png", figure.png)
    context.output.add_file("report.html", page.to_html().encode())
    context.progress(2, 2, "done")
