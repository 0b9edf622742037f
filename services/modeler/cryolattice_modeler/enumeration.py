"""Requests to count and enumerate, from message to message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from cryolattice.errors import InvalidInputError
from cryolattice_api.common.v1.crystal_pb2 import Site, Supercell
from cryolattice_api.modeler.v1 import modeler_pb2

if TYPE_CHECKING:
    from cryolattice_modeler.crystal import ParentCrystal
    from cryolattice_modeler.orderings import Ordering
    from cryolattice_modeler.structure_cif import CifSymmetry
    from cryolattice_modeler.supercell_sizes import SupercellSize
    from cryolattice_modeler.superlattices import Superlattice

# gemmi, spglib and scipy are imported where they are used: the server starts without them

DEFAULT_LIMIT = 100_000
_CIF_SYMMETRIES: dict[int, CifSymmetry] = {
    modeler_pb2.CIF_SYMMETRY_UNSPECIFIED: "p1",
    modeler_pb2.CIF_SYMMETRY_P1: "p1",
    modeler_pb2.CIF_SYMMETRY_FOUND: "found",
}
_MATRIX_ENTRIES = 9


def read_parent(crystal: modeler_pb2.Crystal, *, require_disorder: bool = True) -> ParentCrystal:
    """Read a message's crystal; errors as `read_parent_crystal`, of the message's fields."""
    from cryolattice_modeler.parent_cif import read_parent_crystal  # noqa: PLC0415

    if not crystal.cif.strip():
        raise InvalidInputError(
            "parent_crystal.cif is empty: give the text of a CIF", field="parent_crystal.cif"
        )
    name = crystal.file_name or "the parent crystal"
    try:
        return read_parent_crystal(
            crystal.cif,
            name,
            require_disorder=require_disorder,
            file_format=crystal.format,
            box_angstrom=crystal.box.edges_angstrom,
        )
    except InvalidInputError as error:
        if error.field == "parent":
            # which is the project in a request
            error.field = "parent_crystal.cif"
        raise


def forget_name(crystal: modeler_pb2.Crystal) -> None:
    """Keep of a file's name only the format that it tells: it must not make another dataset."""
    from cryolattice_modeler.structure_files import told_by_content, told_by_name  # noqa: PLC0415

    known = told_by_content(crystal.cif)
    file_format = "" if known else crystal.format or told_by_name(crystal.file_name)
    crystal.ClearField("file_name")
    crystal.ClearField("format")
    if file_format:
        crystal.format = file_format
    if not crystal.box.edges_angstrom:
        crystal.ClearField("box")


def supercell_size(supercell: Supercell) -> SupercellSize:
    """Return a message's supercell as the modeler's functions take it.

    Raises
    ------
    InvalidInputError
        If it is neither three numbers nor nine, or both.
    """
    if not supercell.HasField("matrix"):
        return supercell.a, supercell.b, supercell.c
    matrix = list(supercell.matrix.entries)
    if len(matrix) != _MATRIX_ENTRIES or supercell.a or supercell.b or supercell.c:
        raise InvalidInputError(
            f"supercell has {len(matrix)} matrix entries: give either a, b and c, or a matrix of "
            "nine whole numbers",
            field="supercell",
        )
    return [matrix[0:3], matrix[3:6], matrix[6:9]]


def count(request: modeler_pb2.CountOrderingsRequest) -> modeler_pb2.CountOrderingsResponse:
    """Count orderings and classes; errors as `count_orderings` and `superlattices`."""
    from cryolattice_modeler.clusters import suggest_clusters  # noqa: PLC0415
    from cryolattice_modeler.counting import count_classes, total_orderings  # noqa: PLC0415
    from cryolattice_modeler.supercell import VACANCY, disordered_supercell  # noqa: PLC0415

    parent = read_parent(request.parent_crystal)
    if request.up_to_index:
        found = asked_superlattices(parent, request, limit=None)
        return modeler_pb2.CountOrderingsResponse(
            total=str(sum(item.total for item in found)),
            classes=str(sum(item.classes for item in found)),
            superlattices=[_superlattice(item) for item in found],
        )
    layout = disordered_supercell(parent, supercell_size(request.supercell))
    vacancies = sum(
        number
        for sublattice in layout.sublattices
        for element, number in zip(sublattice.species, sublattice.counts, strict=True)
        if element == VACANCY
    )
    edges = layout.parent.cell_angstrom * np.array(layout.supercell)[:, None]
    return modeler_pb2.CountOrderingsResponse(
        total=str(total_orderings(layout)),
        classes=str(count_classes(layout)),
        site_count=layout.site_count,
        vacancy_count=vacancies,
        suggested_clusters=suggest_clusters(parent),
        axis_lengths_angstrom=np.linalg.norm(edges, axis=1).tolist(),
    )


def enumerate_orderings(
    request: modeler_pb2.EnumerateOrderingsRequest,
) -> Iterator[modeler_pb2.EnumerateOrderingsResponse]:
    """Yield each class's representative, with its structure as a CIF where asked for.

    Raises
    ------
    InvalidInputError, LimitExceededError, CompositionError, NothingToOrderError
        At the call, as `enumerate_orderings`, `sample_orderings` and `superlattices`.
    """
    from cryolattice_modeler.orderings import enumerate_orderings  # noqa: PLC0415
    from cryolattice_modeler.sampling import sample_orderings  # noqa: PLC0415

    if request.cif_symmetry not in _CIF_SYMMETRIES:
        raise InvalidInputError(
            f"cif_symmetry {request.cif_symmetry} is unknown", field="cif_symmetry"
        )
    limit = class_limit(request)
    answer = _answer(request)
    parent = read_parent(request.parent_crystal)
    if request.up_to_index:
        if request.sample:
            raise InvalidInputError(
                "sample goes with one supercell: leave out up_to_index", field="sample"
            )
        found = asked_superlattices(parent, request, limit=limit)
        return (
            answer(ordering, _superlattice(item)) for item in found for ordering in item.orderings()
        )
    size = supercell_size(request.supercell)
    orderings = (
        sample_orderings(parent, size, request.sample, seed=request.seed)
        if request.sample
        else enumerate_orderings(parent, size, limit=limit)
    )
    return (answer(ordering, None) for ordering in orderings)


def class_limit(
    request: modeler_pb2.EnumerateOrderingsRequest | modeler_pb2.DrawOrderingsRequest,
) -> int:
    """Return above how many classes a request is refused.

    Raises
    ------
    InvalidInputError
        If it is negative.
    """
    if request.limit < 0:
        raise InvalidInputError(
            f"limit is {request.limit}: give a number of classes of at least 1", field="limit"
        )
    return request.limit or DEFAULT_LIMIT


def _answer(
    request: modeler_pb2.EnumerateOrderingsRequest,
) -> Callable[[Ordering, modeler_pb2.Superlattice | None], modeler_pb2.EnumerateOrderingsResponse]:
    from cryolattice_modeler.ordering_structures import ordering_to_cif  # noqa: PLC0415

    symmetry = _CIF_SYMMETRIES[request.cif_symmetry]

    def answer(
        ordering: Ordering, superlattice: modeler_pb2.Superlattice | None
    ) -> modeler_pb2.EnumerateOrderingsResponse:
        return modeler_pb2.EnumerateOrderingsResponse(
            ordering=modeler_pb2.Ordering(
                id=ordering.ordering_id,
                multiplicity=ordering.multiplicity,
                vacant_sites=[Site(x=x, y=y, z=z) for x, y, z in ordering.vacant],
                space_group=ordering.space_group,
            ),
            cif=ordering_to_cif(ordering, symmetry) if request.with_cif else "",
            superlattice=superlattice,
        )

    return answer


def asked_superlattices(
    parent: ParentCrystal,
    request: modeler_pb2.CountOrderingsRequest
    | modeler_pb2.EnumerateOrderingsRequest
    | modeler_pb2.DrawOrderingsRequest,
    *,
    limit: int | None,
) -> list[Superlattice]:
    """Return the supercells of up to so many cells; errors as `superlattices`."""
    from cryolattice_modeler.superlattices import superlattices  # noqa: PLC0415

    if request.HasField("supercell"):
        raise InvalidInputError(
            "up_to_index takes every supercell: leave out supercell", field="up_to_index"
        )
    return superlattices(parent, request.up_to_index, limit=limit)


def _superlattice(item: Superlattice) -> modeler_pb2.Superlattice:
    axes = item.matrix @ item.primitive_axes
    return modeler_pb2.Superlattice(
        index=item.index,
        axes=np.round(axes, 9).ravel().tolist(),
        total=str(item.total),
        classes=str(item.classes),
    )
