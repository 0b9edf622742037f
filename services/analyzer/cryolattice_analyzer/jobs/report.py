"""The report job: figures and a page of what the given datasets hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryolattice.canonical import dataset_id_of, references
from cryolattice.errors import DatasetNotCommittedError
from cryolattice.store.versions import component_versions
from cryolattice_analyzer.jobs.dose import load_dose
from cryolattice_analyzer.jobs.paper import draw_paper
from cryolattice_analyzer.report.contrast_transfer import describe_ctf
from cryolattice_analyzer.report.dose import describe_dose
from cryolattice_analyzer.report.identify import describe_identification
from cryolattice_analyzer.report.lattice import describe_lattice
from cryolattice_analyzer.report.page import Page
from cryolattice_analyzer.report.provenance import provenance
from cryolattice_analyzer.report.simulation import describe_simulation
from cryolattice_analyzer.report.wording import sentence
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef

if TYPE_CHECKING:
    from cryolattice.jobs.context import JobContext
    from cryolattice.jobs.kinds import Inputs
    from cryolattice.store.reader import DatasetReader


def run_report(context: JobContext, spec: analyzer_pb2.ReportSpec) -> None:
    """Draw the figures and write the page."""
    readers = open_chain(list(references(spec)), context.inputs)
    page = Page(title=spec.title or "Cryolattice report", notes=list(spec.warnings))
    context.progress(0, 2, "drawing")
    if spec.HasField("paper"):
        draw_paper(context, spec, readers, page)
    else:
        describe(page, spec, readers, context.inputs)
    page.notes = list(dict.fromkeys(sentence(note) for note in page.notes))
    page.provenance = provenance(readers, component_versions())
    context.progress(1, 2, "writing")
    for figure in page.figures:
        if figure.media_type == "image/png":
            context.output.add_file(f"{figure.name}.png", figure.png)
    context.output.add_file("result.json", page.data_json)
    context.output.add_file("report.html", page.to_html().encode())
    context.progress(2, 2, "done")


def describe(
    page: Page,
    spec: analyzer_pb2.ReportSpec,
    readers: dict[str, DatasetReader],
    inputs: Inputs,
) -> None:
    """Add to a page what the datasets of a spec say."""
    if spec.HasField("ctf") and not spec.HasField("models"):
        describe_ctf(page, readers["ctf"])
    elif spec.HasField("lattice") and not spec.HasField("models"):
        describe_lattice(page, readers)
    elif "micrograph" in readers:
        describe_identification(page, readers, inputs)
    elif "beams" in readers and "models" in readers:
        describe_simulation(page, readers, spec, inputs)
    if "dose" in readers:
        describe_dose(page, load_dose(readers["dose"]), readers["dose"].json("dose.json"))


def open_chain(refs: list[DatasetRef], inputs: Inputs) -> dict[str, DatasetReader]:
    """Open datasets, and those that they were made from, in the order of the making.

    They are keyed by kind; a second one of a kind, such as a series to compare with, has a number.
    """
    given = {dataset_id_of(ref): ref.kind for ref in reversed(refs)}
    direct = set(given.values())
    readers: dict[str, DatasetReader] = {}
    seen: set[str] = set()

    def add(ref: DatasetRef) -> None:
        identifier = dataset_id_of(ref)
        if not identifier or identifier in seen:
            return
        seen.add(identifier)
        try:
            reader = inputs.open(ref, ref.kind, field=ref.kind)
        except DatasetNotCommittedError:
            # what a dataset was made from may have been deleted since
            if identifier in given:
                raise
            return
        # a manifest's fields are in the order of the alphabet
        for _, earlier in sorted(
            reader.manifest.spec.items(), key=lambda item: item[0] == "compare"
        ):
            if isinstance(earlier, dict) and {"kind", "name"} <= earlier.keys():
                add(DatasetRef(name=earlier["name"], kind=earlier["kind"]))
        taken = ref.kind in readers or (ref.kind in direct and identifier not in given)
        readers[f"{ref.kind}_{len(readers)}" if taken else ref.kind] = reader

    for ref in refs:
        add(ref)
    return readers
