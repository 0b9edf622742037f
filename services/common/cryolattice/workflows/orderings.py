"""Enumerating orderings, and writing them as CIFs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError
from cryolattice.local_files import require_folder, write_files
from cryolattice.workflows.steps import read_crystal, supercell_message
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.modeler.v1 import modeler_pb2


def enumerate_orderings(
    lab: Connection,
    parent: Path,
    supercell: tuple[int, int, int],
    *,
    out: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_page: Callable[[int, int | None], None] | None = None,
) -> dict[str, Any]:
    """Return every inequivalent ordering of a supercell.

    Parameters
    ----------
    lab : Connection
    parent : Path
        CIF of the parent crystal.
    supercell : tuple of int
        Parent cells along each axis.
    out : Path, optional
        A new folder for one CIF each, ``orderings.json``, and a contact sheet of all (a PNG a page,
        ``orderings.pdf``).
    on_progress : callable, optional
        Is called with how many of how many are there.
    on_page : callable, optional
        Is called with how many files of the contact sheet are there, and None.

    Returns
    -------
    dict
        ``total``, ``classes`` and ``orderings`` [{id, multiplicity, vacant_sites, space_group}].

    Raises
    ------
    CryolatticeError
        What is wrong with the crystal or the supercell.
    """
    require_folder(out)
    if out is not None and out.exists() and any(out.iterdir()):
        raise InvalidInputError(f"--out {out} is not empty: name a new folder", field="out")
    crystal = read_crystal(parent)
    cells = supercell_message(supercell)
    count = lab.call(
        lab.modeler.CountOrderings,
        modeler_pb2.CountOrderingsRequest(parent_crystal=crystal, supercell=cells),
    )
    classes = int(count.classes)
    request = modeler_pb2.EnumerateOrderingsRequest(
        parent_crystal=crystal, supercell=cells, with_cif=out is not None
    )
    orderings, structures = [], {}
    for response in lab.stream(lab.modeler.EnumerateOrderings, request):
        ordering = response.ordering
        orderings.append(
            {
                "id": ordering.id,
                "multiplicity": ordering.multiplicity,
                "vacant_sites": [[site.x, site.y, site.z] for site in ordering.vacant_sites],
                "space_group": ordering.space_group,
            }
        )
        structures[ordering.id] = response.cif
        if on_progress is not None:
            on_progress(len(orderings), classes)
    result = {"total": int(count.total), "classes": classes, "orderings": orderings}
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for identifier, cif in structures.items():
            (out / f"{identifier}.cif").write_text(cif, encoding="utf-8")
        (out / "orderings.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        write_files(out, _contact_sheet(lab, crystal, cells, on_page))
    return result


def _contact_sheet(
    lab: Connection,
    crystal: modeler_pb2.Crystal,
    cells: Supercell,
    on_page: Callable[[int, int | None], None] | None,
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    request = modeler_pb2.DrawOrderingsRequest(parent_crystal=crystal, supercell=cells)
    for response in lab.stream(lab.modeler.DrawOrderings, request):
        files[response.file_name] = files.get(response.file_name, b"") + response.content
        if on_page is not None:
            on_page(len(files), None)
    return files
