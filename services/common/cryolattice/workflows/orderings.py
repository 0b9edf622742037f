"""Counting and enumerating orderings, and writing them as CIFs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError
from cryolattice.local_files import require_folder, write_files
from cryolattice.workflows.steps import Follow, read_crystal, supercell_message, unseen
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.modeler.v1 import modeler_pb2

SupercellSize = Sequence[int] | Sequence[Sequence[int]]
"""Numbers of parent cells along each axis, or a matrix whose rows are the supercell's axes."""

_CIF_SYMMETRIES = {
    "p1": modeler_pb2.CIF_SYMMETRY_P1,
    "found": modeler_pb2.CIF_SYMMETRY_FOUND,
}


@dataclass(frozen=True, kw_only=True)
class EnumerateOptions:
    """What to enumerate, and how.

    Attributes
    ----------
    supercell : three ints, or three rows of three ints, optional
    up_to_index : int, optional
        Instead: every inequivalent supercell of up to so many primitive cells.
    count_only : bool
        Count without enumerating.
    limit : int, optional
        Refuse more classes than this; the modeler's own limit unless given.
    sample : int, optional
        So many classes at random, all equally likely.
    seed : int
        Of the sample.
    cif_symmetry : "p1" or "found"
        List every atom, or the asymmetric unit in the space group that is found.
    """

    supercell: SupercellSize | None = None
    up_to_index: int | None = None
    count_only: bool = False
    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    cif_symmetry: str = "p1"


def enumerate_orderings(
    lab: Connection,
    parent: Path,
    options: EnumerateOptions,
    *,
    out: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_page: Callable[[int, int | None], None] | None = None,
) -> dict[str, Any]:
    """Return inequivalent orderings: of a supercell, or of every one up to a size.

    Parameters
    ----------
    lab : Connection
    parent : Path
        CIF of the parent crystal.
    options : EnumerateOptions
    out : Path, optional
        A new folder for one CIF each, ``orderings.json``, and unless it is a sample a contact
        sheet (a PNG a page, ``orderings.pdf``).
    on_progress : callable, optional
        Is called with how many of how many are there.
    on_page : callable, optional
        Is called with how many files of the contact sheet are there, and None.

    Returns
    -------
    dict
        ``total``, ``classes`` and ``orderings`` [{id, multiplicity, vacant_sites, space_group}];
        with ``up_to_index`` also ``superlattices`` [{index, axes, total, classes}], and each
        ordering's place among them, ``superlattice``; of a sample also ``sample`` {size, seed,
        probability}, the probability of each class to be in it.

    Raises
    ------
    CryolatticeError
        What is wrong with the crystal or the options.
    """
    require_folder(out)
    if out is not None and out.exists() and any(out.iterdir()):
        raise InvalidInputError(f"--out {out} is not empty: name a new folder", field="out")
    request = _request(parent, options, with_cif=out is not None)
    count = lab.call(
        lab.modeler.CountOrderings,
        modeler_pb2.CountOrderingsRequest(
            parent_crystal=request.parent_crystal,
            supercell=request.supercell if request.HasField("supercell") else None,
            up_to_index=request.up_to_index,
        ),
    )
    result: dict[str, Any] = {"total": int(count.total), "classes": int(count.classes)}
    if options.up_to_index is not None:
        result["superlattices"] = [_superlattice(item) for item in count.superlattices]
    if options.count_only:
        return result
    expected = result["classes"]
    if options.sample is not None:
        expected = min(options.sample, expected)
        result["sample"] = {
            "size": expected,
            "seed": options.seed,
            "probability": expected / result["classes"],
        }
    with _NewFolder(out) as folder:
        orderings = result["orderings"] = []
        for response in lab.stream(lab.modeler.EnumerateOrderings, request):
            row = _ordering(response.ordering)
            if options.up_to_index is not None:
                row["superlattice"] = result["superlattices"].index(
                    _superlattice(response.superlattice)
                )
            orderings.append(row)
            if folder is not None:
                (folder / f"{row['id']}.cif").write_text(response.cif, encoding="utf-8")
            if on_progress is not None:
                on_progress(len(orderings), expected)
        if folder is not None:
            text = json.dumps(result, indent=2) + "\n"
            (folder / "orderings.json").write_text(text, encoding="utf-8")
            if options.sample is None:
                write_files(folder, _contact_sheet(lab, request, on_page))
    return result


def commit_orderings(
    lab: Connection, parent: Path, supercell: SupercellSize, follow: Follow = unseen
) -> dict[str, Any]:
    """Have the inequivalent orderings of a supercell written into a dataset, however many.

    The work is a job that goes on where it was when it is interrupted and resumed.

    Parameters
    ----------
    lab : Connection
    parent : Path
        CIF of the parent crystal.
    supercell : three ints, or three rows of three ints
    follow : callable
        Is told of the job.

    Returns
    -------
    dict
        ``total``, ``classes`` and ``dataset``, the name of a dataset of kind ``orderings``.

    Raises
    ------
    CryolatticeError
        What is wrong with the crystal or the supercell.
    """
    request = orderings_request(parent, supercell)
    request.validate_only, request.parent = True, lab.parent
    count = lab.call(lab.modeler.CreateOrderingsJob, request)
    request.validate_only = False
    ref = lab.run_job(lab.modeler.CreateOrderingsJob, request, follow("orderings"))
    return {"total": int(count.total), "classes": int(count.classes), "dataset": ref.name}


def orderings_request(
    parent: Path, supercell: SupercellSize
) -> modeler_pb2.CreateOrderingsJobRequest:
    """Return what starts the job of `commit_orderings`; errors as there."""
    spec = modeler_pb2.OrderingsSpec(
        parent_crystal=read_crystal(parent), supercell=supercell_message(supercell)
    )
    return modeler_pb2.CreateOrderingsJobRequest(spec=spec)


def _request(
    parent: Path, options: EnumerateOptions, *, with_cif: bool
) -> modeler_pb2.EnumerateOrderingsRequest:
    if (options.supercell is None) == (options.up_to_index is None):
        raise InvalidInputError(
            "give either a supercell (or matrix) or up_to_index", field="supercell"
        )
    if options.cif_symmetry not in _CIF_SYMMETRIES:
        raise InvalidInputError(
            f"cif_symmetry is {options.cif_symmetry!r}: write 'p1' or 'found'",
            field="cif_symmetry",
        )
    numbers = {
        "up_to_index": (options.up_to_index, 2**31),
        "limit": (options.limit, 2**63),
        "sample": (options.sample, 2**63),
    }
    for field, (value, bound) in numbers.items():
        if value is not None and not 1 <= value < bound:
            raise InvalidInputError(
                f"{field} is {value}: give a whole number of at least 1", field=field
            )
    if not 0 <= options.seed < 2**64:
        raise InvalidInputError(
            f"seed is {options.seed}: give a whole number from 0 to 2^64 - 1", field="seed"
        )
    cells: Supercell | None = None
    if options.supercell is not None:
        cells = supercell_message(options.supercell)
    return modeler_pb2.EnumerateOrderingsRequest(
        parent_crystal=read_crystal(parent),
        supercell=cells,
        up_to_index=options.up_to_index or 0,
        with_cif=with_cif,
        limit=options.limit or 0,
        sample=options.sample or 0,
        seed=options.seed,
        cif_symmetry=_CIF_SYMMETRIES[options.cif_symmetry],
    )


def _ordering(ordering: modeler_pb2.Ordering) -> dict[str, Any]:
    return {
        "id": ordering.id,
        "multiplicity": ordering.multiplicity,
        "vacant_sites": [[site.x, site.y, site.z] for site in ordering.vacant_sites],
        "space_group": ordering.space_group,
    }


def _contact_sheet(
    lab: Connection,
    asked: modeler_pb2.EnumerateOrderingsRequest,
    on_page: Callable[[int, int | None], None] | None,
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    request = modeler_pb2.DrawOrderingsRequest(
        parent_crystal=asked.parent_crystal,
        supercell=asked.supercell if asked.HasField("supercell") else None,
        up_to_index=asked.up_to_index,
        limit=asked.limit,
    )
    for response in lab.stream(lab.modeler.DrawOrderings, request):
        files[response.file_name] = files.get(response.file_name, b"") + response.content
        if on_page is not None:
            on_page(len(files), None)
    return files


def _superlattice(item: modeler_pb2.Superlattice) -> dict[str, Any]:
    axes = list(item.axes)
    return {
        "index": item.index,
        "axes": [axes[0:3], axes[3:6], axes[6:9]],
        "total": int(item.total),
        "classes": int(item.classes),
    }


class _NewFolder:
    """A folder that appears under its name when everything is in it."""

    def __init__(self, out: Path | None) -> None:
        self._out = out
        self._part: Path | None = None

    def __enter__(self) -> Path | None:
        if self._out is not None:
            self._out.parent.mkdir(parents=True, exist_ok=True)
            self._part = Path(tempfile.mkdtemp(prefix=f".{self._out.name}-", dir=self._out.parent))
            self._part.chmod(0o755)
        return self._part

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if self._part is None or self._out is None:
            return
        if kind is not None:
            shutil.rmtree(self._part, ignore_errors=True)
            return
        if self._out.exists():
            self._out.rmdir()
        self._part.rename(self._out)
