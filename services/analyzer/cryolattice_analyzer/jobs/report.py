"""The report job: figures and a page of what the given datasets hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cryolattice.canonical import references
from cryolattice.store.writer import component_versions
from cryolattice_analyzer.jobs.dose import load_dose
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
    readers: dict[str, DatasetReader] = {
        ref.kind: context.inputs.open(ref, ref.kind, field=ref.kind) for ref in references(spec)
    }
    page = Page(title=spec.title or "Cryolattice report", notes=list(spec.warnings))
    context.progress(0, 2, "drawing")
    if "micrograph" in readers:
        describe_identification(page, readers)
    elif "beams" in readers and "models" in readers:
        describe_simulation(page, readers, spec.defocus_angstrom, spec.cs_mm)
    if "dose" in readers:
        describe_dose(page, load_dose(readers["dose"]), readers["dose"].json("dose.json"))
    page.notes = list(dict.fromkeys(page.notes))
    page.provenance = [
        {
            "kind": reader.manifest.kind,
            "name": reader.manifest.id,
            "manifest_sha256": reader.manifest_sha256,
            "spec": json.dumps(reader.manifest.spec, indent=1),
        }
        for reader in readers.values()
    ]
    page.versions = component_versions()
    context.progress(1, 2, "writing")
    for figure in page.figures:
        context.output.add_file(f"{figure.name}.png", figure.png)
    context.output.add_file("report.html", page.to_html().encode())
    context.progress(2, 2, "done")
