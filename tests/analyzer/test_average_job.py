"""What a request for an averaged cell is refused for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice.jobs.kinds import Inputs
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.store.writer import DatasetWriter
from cryolattice_analyzer.jobs.kinds import AVERAGE
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef


def _put(store: ArrayStore, kind: str, pixel_size_angstrom: float) -> DatasetRef:
    writer = DatasetWriter(store, kind, kind)
    writer.add_array("counts", np.zeros((8, 8), np.float32), ("y", "x"))
    writer.add_json("micrograph.json", {"pixel_size_angstrom": pixel_size_angstrom})
    writer.commit(spec_json=b"{}", inputs={})
    return DatasetRef(name=f"projects/p/datasets/{kind}", kind=kind)


def test_reflections_that_the_pixels_cannot_show_are_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri())
    spec = analyzer_pb2.AverageSpec(
        micrograph=_put(store, "micrograph", 0.8), lattice=_put(store, "lattice", 0.8)
    )
    AVERAGE.prepare(spec, Inputs(store))
    assert spec.g_max_per_angstrom == 0.7, "the usual limit, of which coarse pixels show a part"
    spec.g_max_per_angstrom = 99.0
    with pytest.raises(InvalidInputError, match=r"99 .* 0\.8 angstrom .* up to 0\.6") as caught:
        AVERAGE.prepare(spec, Inputs(store))
    assert caught.value.field == "g_max_per_angstrom"
