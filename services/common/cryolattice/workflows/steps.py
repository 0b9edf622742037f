"""What the workflows share: who is told of progress, and the parent crystal's file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryolattice.errors import InvalidInputError, UnreadableFileError
from cryolattice.local_files import write_files
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.crystal_pb2 import LatticeMatrix, Supercell
from cryolattice_api.modeler.v1 import modeler_pb2

if TYPE_CHECKING:
    from cryolattice.client.connection import Connection
    from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
    from cryolattice_api.common.v1.job_pb2 import Job

# given a label, and how many candidates the job has, returns what is to be called with each change
Follow = Callable[..., Callable[["Job"], None]]

AUTO_CLUSTERS = "auto"


@dataclass(frozen=True)
class Answer:
    """What a workflow found, and what a report of it is made from.

    Attributes
    ----------
    document : dict
        What the command prints as JSON.
    report : ReportSpec
    """

    document: dict[str, Any]
    report: analyzer_pb2.ReportSpec


def unseen(_label: str, _candidates: int | None = None) -> Callable[[Job], None]:
    """Follow nothing."""
    return lambda _job: None


def read_crystal(path: Path) -> modeler_pb2.Crystal:
    """Return the CIF at `path`.

    Raises
    ------
    UnreadableFileError
        It cannot be opened or is no text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(
            f"{path} is not a text file: give a CIF", field="parent"
        ) from error
    except OSError as error:
        raise UnreadableFileError(
            f"cannot open {path}: {error.strerror or error}", field="parent"
        ) from error
    return modeler_pb2.Crystal(cif=text, file_name=path.name)


def supercell_message(supercell: Sequence[int] | Sequence[Sequence[int]]) -> Supercell:
    """Return the message of a supercell: three numbers of cells, or a matrix of three rows.

    Raises
    ------
    InvalidInputError
        It is neither, or a number does not fit into 32 bits.
    """
    numbers: list[int] = []
    rows = 0
    for entry in supercell if isinstance(supercell, Iterable) else [supercell]:
        rows += isinstance(entry, Iterable)
        numbers += list(entry) if isinstance(entry, Iterable) else [entry]
    shown = " ".join(map(str, numbers))
    whole = all(isinstance(number, Integral) for number in numbers)
    if (rows, len(numbers)) not in {(0, 3), (3, 9)} or not whole:
        raise InvalidInputError(
            f"supercell is {shown or 'empty'}: give three whole numbers of parent cells, or a "
            "matrix of three rows of three",
            field="supercell",
        )
    if max(map(abs, numbers)) > 10**6:
        raise InvalidInputError(
            f"supercell is {shown}: give small whole numbers", field="supercell"
        )
    if rows:
        return Supercell(matrix=LatticeMatrix(entries=numbers))
    a, b, c = numbers
    return Supercell(a=a, b=b, c=c)


def chosen_clusters(
    clusters: dict[str, str] | str,
    suggested: dict[str, str],
    *,
    orientations: str = "averaged over all orientations",
) -> tuple[dict[str, str], list[str]]:
    """Return the clusters to place, and a remark where they were guessed.

    Raises
    ------
    InvalidInputError
        They are neither a mapping, nor ``"auto"``, nor ``"none"``.
    """
    if isinstance(clusters, dict):
        return clusters, []
    if clusters not in {AUTO_CLUSTERS, "none"}:
        raise InvalidInputError(
            f"clusters is {clusters!r}: give 'auto', 'none', or ions by site label, such as "
            "{'N1': 'NH2'}",
            field="clusters",
        )
    if clusters == "none" or not suggested:
        return {}, []
    listed = ", ".join(f"{cluster} on {label}" for label, cluster in sorted(suggested.items()))
    return suggested, [
        f"the parent's file has no hydrogens near its bare B and N sites: {listed} assumed, "
        f"{orientations}; choose with --cluster LABEL=ION or --cluster none"
    ]


def make_report(lab: Connection, spec: analyzer_pb2.ReportSpec, follow: Follow) -> DatasetRef:
    """Have a report drawn and return its dataset."""
    return lab.run_job(
        lab.analyzer.CreateReportJob,
        analyzer_pb2.CreateReportJobRequest(spec=spec),
        follow("report"),
    )


def save_report(lab: Connection, spec: analyzer_pb2.ReportSpec, out: Path, follow: Follow) -> None:
    """Have a report drawn and copy its files into a folder."""
    reader = lab.open_ref(make_report(lab, spec, follow))
    write_files(out, {name: reader.file(name) for name in reader.file_names})


def verification_of(lab: Connection, beams: DatasetRef) -> dict[str, Any]:
    """Return how beams compare with abTEM's; empty where they were not compared."""
    reader = lab.open_ref(beams)
    name = "verification.json"
    found: dict[str, Any] = reader.json(name) if name in reader.file_names else {}
    return found


def thickness_series(
    period_angstrom: float, greatest_angstrom: float, step_angstrom: float | None
) -> list[float]:
    """Return multiples of the step (one period unless given) up to the greatest thickness.

    Raises
    ------
    InvalidInputError
        A length that is not positive, or none that is short enough.
    """
    for name, value in (("thickness_max", greatest_angstrom), ("thickness_step", step_angstrom)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InvalidInputError(
                f"{name} is {value:g} angstrom: give a positive thickness", field=name
            )
    step = step_angstrom or period_angstrom
    count = math.floor(greatest_angstrom / step + 1e-6)
    if count < 1:
        raise InvalidInputError(
            f"thickness_max is {greatest_angstrom:g} angstrom, less than the first thickness of "
            f"{step:g} angstrom: raise it",
            field="thickness_max",
        )
    return [round(step * index, 6) for index in range(1, count + 1)]
