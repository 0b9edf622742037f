"""The orderings job: every class of a supercell as rows of a committed dataset, however many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import LimitExceededError
from cryolattice.jobs.kinds import Inputs, JobKind, ReadPart, Round
from cryolattice.store.arrays import ArraySpec
from cryolattice_api.common.v1.job_pb2 import JobEstimate
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_modeler.enumeration import forget_name, read_parent, supercell_size
from cryolattice_modeler.jobs import PROCESS_BYTES

if TYPE_CHECKING:
    from cryolattice.store.writer import DatasetWriter
    from cryolattice_modeler.ordering_rows import OrderingRows
    from cryolattice_modeler.supercell import DisorderedSupercell

# gemmi, spglib and scipy are imported where they are used: the server starts without them

MAX_JOB_CLASSES = 100_000_000
ROWS_PER_TILE = 16_384
_BYTES_PER_ROW = 12  # id and multiplicity
_SECONDS_PER_ROW = 3e-5


def _layout(spec: modeler_pb2.OrderingsSpec) -> DisorderedSupercell:
    from cryolattice_modeler.supercell import disordered_supercell  # noqa: PLC0415

    return disordered_supercell(read_parent(spec.parent_crystal), supercell_size(spec.supercell))


def _tiles(classes: int) -> list[tuple[int, int]]:
    starts = range(0, classes, ROWS_PER_TILE)
    return [(start, min(start + ROWS_PER_TILE, classes)) for start in starts]


def prepare_orderings(spec: modeler_pb2.OrderingsSpec, _inputs: Inputs) -> JobEstimate:
    """Check an orderings spec and estimate its cost; `store_bytes` is before compression.

    Raises
    ------
    CryolatticeError
        What is wrong with the crystal or the supercell.
    LimitExceededError
        If there are more than 100 million classes.
    """
    from cryolattice_modeler.counting import count_classes, total_orderings  # noqa: PLC0415

    layout = _layout(spec)
    classes = count_classes(layout)
    if classes > MAX_JOB_CLASSES:
        raise LimitExceededError(
            f"the supercell has {total_orderings(layout):,} orderings in {classes:,} classes, "
            f"above the limit of {MAX_JOB_CLASSES:,} for a dataset: draw a random sample, or take "
            "a smaller supercell",
            field="supercell",
            metadata={"classes": str(classes), "limit": str(MAX_JOB_CLASSES)},
        )
    # the name is for messages: it must not make another dataset of the same crystal
    forget_name(spec.parent_crystal)
    return JobEstimate(
        tile_count=len(_tiles(classes)),
        store_bytes=classes * (layout.site_count + _BYTES_PER_ROW),
        core_seconds=classes * _SECONDS_PER_ROW,
        worker_peak_bytes=_peak_bytes(layout),
    )


def _peak_bytes(layout: DisorderedSupercell) -> int:
    # a tile's rows, found and on their way to the store
    return PROCESS_BYTES + 3 * ROWS_PER_TILE * (layout.site_count + _BYTES_PER_ROW)


class OrderingsJob:
    """Writes the classes tile by tile; each begins behind the last row of the one before.

    Parameters
    ----------
    layout : DisorderedSupercell
    """

    attributes: Mapping[str, Any] = {}

    def __init__(self, layout: DisorderedSupercell) -> None:
        from cryolattice_modeler.counting import count_classes  # noqa: PLC0415
        from cryolattice_modeler.ordering_rows import OrderingTable  # noqa: PLC0415

        self._layout = layout
        self._table = OrderingTable(layout)
        self._classes = count_classes(layout)
        self._next = -1
        self._parts: Iterator[OrderingRows] = iter(())

    @property
    def arrays(self) -> Sequence[ArraySpec]:
        """The rows' arrays."""
        rows, sites, chunk = self._classes, self._layout.site_count, ROWS_PER_TILE
        return [
            ArraySpec("ordering", (rows,), ("ordering",), np.uint64, chunks=(chunk,)),
            ArraySpec("multiplicity", (rows,), ("ordering",), np.int32, chunks=(chunk,)),
            ArraySpec(
                "number", (rows, sites), ("ordering", "site"), np.uint8, chunks=(chunk, sites)
            ),
        ]

    @property
    def rounds(self) -> Sequence[Round]:
        """One tile a round: each needs the one before."""
        return [Round([tile]) for tile in _tiles(self._classes)]

    @property
    def worker_peak_bytes(self) -> int:
        """Estimate of the greatest memory of the process that computes them."""
        return _peak_bytes(self._layout)

    def compute(self, start: int, stop: int, earlier: ReadPart) -> Mapping[str, NDArray[Any]]:
        """Return the rows from start to stop."""
        if start != self._next:
            self._parts = self._from(start, earlier)
        rows = next(self._parts, None)
        if rows is None or len(rows.ids) != stop - start:
            raise AssertionError("the enumeration does not give the number of classes counted")
        self._next = stop
        return {
            "ordering": rows.ids,
            "multiplicity": rows.multiplicities,
            "number": rows.numbers,
        }

    def _from(self, start: int, earlier: ReadPart) -> Iterator[OrderingRows]:
        last = earlier("number", start - 1, start)[0] if start else None
        return self._table.parts(ROWS_PER_TILE, behind=last)

    def finish(self, output: DatasetWriter) -> None:
        """Add where the sites are."""
        layout = self._layout
        cell = layout.parent.cell_angstrom * np.array(layout.supercell)[:, None]
        output.add_array("cell", cell, ("vector", "xyz"), "angstrom")
        output.add_array("position", self._table.positions_angstrom, ("site", "xyz"), "angstrom")


def load_orderings(spec: modeler_pb2.OrderingsSpec, _inputs: Inputs) -> OrderingsJob:
    """Return what computes the tiles of an orderings job."""
    return OrderingsJob(_layout(spec))


ORDERINGS = JobKind(
    name="orderings",
    output_kind="orderings",
    spec=modeler_pb2.OrderingsSpec,
    prepare=prepare_orderings,
    run="cryolattice_modeler.ordering_job:load_orderings",
    tiled_in_order=True,
)
