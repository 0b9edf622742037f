"""The lattice of a micrograph: its parent's, or any that is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError
from cryolattice.local_files import require_folder
from cryolattice.workflows.images import ImageOptions, upload_image, without_lens
from cryolattice.workflows.steps import (
    Answer,
    Follow,
    read_crystal,
    save_report,
    unseen,
)
from cryolattice.workflows.views import distinct_cells
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.crystal_pb2 import PlaneCell
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.modeler.v1 import modeler_pb2

# more than a well calibrated microscope errs by
NOTABLE_MISMATCH_PERCENT = 1.5
# lengths further apart than this are those of another lattice
_RELATED_PERCENT = 25.0
_RELATED_DEG = 5.0


@dataclass(frozen=True)
class LatticeOptions:
    """What is known of the lattice.

    Attributes
    ----------
    image : ImageOptions
    parent : Path, optional
        CIF of the parent crystal; without it any lattice is looked for.
    zone_axes : "c" or "all"
        Views of the parent that are considered.
    supercell : tuple of int, optional
        Greatest repeat of the cell to look for along a and b; 2 and 2 unless given.
    """

    image: ImageOptions = field(default_factory=ImageOptions)
    parent: Path | None = None
    zone_axes: Literal["c", "all"] = "c"
    supercell: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        require_zone_axes(self.zone_axes)
        cells = self.supercell
        if cells is not None and not (len(cells) == 2 and min(cells) > 0):
            raise InvalidInputError(
                f"supercell is {' '.join(map(str, cells))}: give two whole numbers of at least 1",
                field="supercell",
            )


@dataclass(frozen=True)
class FoundLattice:
    """A lattice dataset, what it says and what is to be remarked."""

    ref: DatasetRef
    summary: dict[str, Any]
    warnings: list[str]


def require_zone_axes(choice: str) -> None:
    """Raise `InvalidInputError` unless this is one of the choices."""
    if choice not in ("c", "all"):
        raise InvalidInputError(f"zone_axes is {choice!r}: write 'c' or 'all'", field="zone_axes")


def find_lattice(
    lab: Connection,
    micrograph: Path,
    options: LatticeOptions,
    *,
    out: Path | None = None,
    follow: Follow = unseen,
) -> Answer:
    """Find the lattice and superlattice of a micrograph.

    Parameters
    ----------
    lab : Connection
    micrograph : Path
    options : LatticeOptions
    out : Path, optional
        Folder for the report and its figures.
    follow : callable, optional
        Is told of the jobs.

    Returns
    -------
    Answer
        ``found``, ``lattices``, ``superlattice_snr`` and ``reason`` (None where they do not apply),
        ``warnings``, ``dataset``.

    Raises
    ------
    CryolatticeError
        What is wrong with the files or the options.
    """
    require_folder(out)
    cells = parent_cells(lab, options)
    image = upload_image(lab, micrograph, options.image)
    found = search_lattice(lab, image, cells, options, follow)
    document: dict[str, Any] = {
        "found": found.summary["found"],
        "lattices": found.summary["lattices"],
        "superlattice_snr": found.summary.get("superlattice_snr"),
        "reason": found.summary.get("reason"),
        "warnings": found.warnings,
        "dataset": found.ref.name,
    }
    report = analyzer_pb2.ReportSpec(
        micrograph=image,
        lattice=found.ref,
        title=f"Lattice: {micrograph.name}",
        warnings=found.warnings,
    )
    if out is not None:
        save_report(lab, report, out, follow)
    return Answer(document, report)


def parent_cells(lab: Connection, options: LatticeOptions) -> list[PlaneCell]:
    """Return the plane cells of the parent's views; none without a parent."""
    if options.parent is None:
        return []
    request = modeler_pb2.DescribeCrystalRequest(crystal=read_crystal(options.parent))
    seen = lab.call(lab.modeler.DescribeCrystal, request).plane_cells
    return distinct_cells(seen if options.zone_axes == "all" else seen[2:])


def search_lattice(
    lab: Connection,
    image: DatasetRef,
    cells: list[PlaneCell],
    options: LatticeOptions,
    follow: Follow,
) -> FoundLattice:
    """Look for each of the cells, or else for any; keep the lattice that is most certain."""
    facts = lab.open_ref(image).json("micrograph.json")
    warnings = without_lens(facts["warnings"])
    m, n = options.supercell or (0, 0)

    def run(cell: PlaneCell | None) -> tuple[DatasetRef, dict[str, Any]]:
        spec = analyzer_pb2.LatticeSpec(
            micrograph=image, parent_cell=cell, supercell_a=m, supercell_b=n
        )
        ref = lab.run_job(
            lab.analyzer.CreateLatticeJob,
            analyzer_pb2.CreateLatticeJobRequest(spec=spec),
            follow("lattice"),
        )
        return ref, lab.open_ref(ref).json("lattice.json")

    seen = [(cell, *run(cell)) for cell in cells]
    right = [one for one in seen if one[2]["found"]]
    like: PlaneCell | None
    if right:
        like, ref, summary = min(right, key=lambda one: one[2]["log10_false_alarm"])
    else:
        ref, summary = run(None)
        like = _nearest(summary, cells)
        if cells and summary["found"]:
            warnings.append(
                "the parent's lattice is not found in the micrograph "
                f"({seen[0][2]['reason']}); the lattice given is the one that is there"
            )
    if like is not None:
        lattice = summary["lattices"][0]
        lattice["mismatch_percent"] = mismatch_percent(lattice, like)
        remark = _mismatch_remark(lattice, like, facts["pixel_size_angstrom"])
        warnings += [remark] if remark else []
    return FoundLattice(ref, summary, warnings)


def mismatch_percent(lattice: dict[str, Any], cell: PlaneCell) -> float:
    """Relative difference of a or b from the parent's, the larger of the two."""
    pairs = zip(_lengths(lattice), (cell.a_angstrom, cell.b_angstrom), strict=True)
    return max((100 * (seen / told - 1) for seen, told in pairs), key=abs)


def _lengths(lattice: dict[str, Any]) -> tuple[float, float]:
    """Return a and b of the parent-sized cell."""
    m, n = lattice["superlattice"] or (1, 1)
    return lattice["a_angstrom"] / m, lattice["b_angstrom"] / n


def _nearest(summary: dict[str, Any], cells: list[PlaneCell]) -> PlaneCell | None:
    """Return the parent's cell that a lattice found without it resembles, its axes so named."""
    if not summary["found"]:
        return None
    lattice = summary["lattices"][0]
    turned = [
        PlaneCell(a_angstrom=c.b_angstrom, b_angstrom=c.a_angstrom, gamma_deg=c.gamma_deg)
        for c in cells
    ]
    alike = [
        cell
        for cell in [*cells, *turned]
        if abs(mismatch_percent(lattice, cell)) < _RELATED_PERCENT
        and min(abs(lattice["gamma_deg"] - g) for g in (cell.gamma_deg, 180 - cell.gamma_deg))
        < _RELATED_DEG
    ]
    return min(alike, key=lambda cell: abs(mismatch_percent(lattice, cell)), default=None)


def _mismatch_remark(
    lattice: dict[str, Any], cell: PlaneCell, pixel_size_angstrom: float
) -> str | None:
    mismatch = lattice["mismatch_percent"]
    if abs(mismatch) < NOTABLE_MISMATCH_PERCENT:
        return None
    a, b = _lengths(lattice)
    scale = ((a * b) / (cell.a_angstrom * cell.b_angstrom)) ** 0.5
    return (
        f"the lattice is {abs(mismatch):.1f} % {'larger' if mismatch > 0 else 'smaller'} than the "
        f"parent's (a {a:.3f} for {cell.a_angstrom:.3f}, b {b:.3f} for {cell.b_angstrom:.3f} "
        "angstrom): the calibration of the micrograph is off, or this is another crystal; a pixel "
        f"size of {pixel_size_angstrom / scale:.5g} instead of {pixel_size_angstrom:.5g} angstrom "
        "would make them agree"
    )
