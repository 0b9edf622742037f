from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryolattice.canonical import spec_sha256
from cryolattice.errors import InvalidInputError
from cryolattice.jobs.kinds import Inputs
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.store.writer import DatasetWriter
from cryolattice_analyzer.jobs.kinds import RANK, REPORT
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef

PLAIN = ("model", "b_level", "thickness", "beam")


def put(
    root: ArrayStore, kind: str, identifier: str, name: str, dims: tuple[str, ...]
) -> DatasetRef:
    output = DatasetWriter(root, kind, identifier)
    output.add_array(name, np.ones((1,) * len(dims), np.complex64), dims)
    output.add_json("models.json", [{"model_id": "m"}])
    output.commit(spec_json=b'{"models": {"name": "models"}}', inputs={})
    return DatasetRef(name=f"projects/p/datasets/{identifier}", kind=kind)


def test_beams_over_further_axes_are_neither_ranked_nor_reported(tmp_path: Path) -> None:
    root = open_store(f"file://{tmp_path}/store")
    refs: dict[str, Any] = {
        kind: put(root, kind, kind, "counts", ("y", "x"))
        for kind in ("average", "micrograph", "models")
    }
    plain = put(root, "beams", "plain", "psi", PLAIN)
    phonons = put(
        root, "beams", "phonons", "psi", ("model", "b_level", "phonon", "thickness", "beam")
    )
    questions = ((RANK, analyzer_pb2.RankSpec(**refs)), (REPORT, analyzer_pb2.ReportSpec()))
    for kind, spec in questions:
        spec.beams.CopyFrom(phonons)
        with pytest.raises(InvalidInputError, match="of which phonon cannot be used") as caught:
            kind.prepare(spec, Inputs(root))
        assert caught.value.field == "beams"
        spec.beams.CopyFrom(plain)
        kind.prepare(spec, Inputs(root))
    beside = analyzer_pb2.ReportSpec(beams=plain, compare_beams=phonons)
    with pytest.raises(InvalidInputError, match="of which phonon cannot be used") as caught:
        REPORT.prepare(beside, Inputs(root))
    assert caught.value.field == "compare_beams"


def test_what_is_not_asked_for_is_no_other_question(tmp_path: Path) -> None:
    root = open_store(f"file://{tmp_path}/store")
    refs: dict[str, Any] = {
        kind: put(root, kind, kind, "counts", ("y", "x"))
        for kind in ("average", "micrograph", "models")
    }
    refs["beams"] = put(root, "beams", "plain", "psi", PLAIN)
    plain, said = analyzer_pb2.RankSpec(**refs), analyzer_pb2.RankSpec(screen=False, **refs)
    for spec in (plain, said):
        RANK.prepare(spec, Inputs(root))
    assert spec_sha256(plain) == spec_sha256(said)


def test_images_are_reported_with_their_own_beams(tmp_path: Path) -> None:
    root = open_store(f"file://{tmp_path}/store")
    models, beams = (put(root, kind, kind, "psi", PLAIN) for kind in ("models", "beams"))
    output = DatasetWriter(root, "images", "images")
    output.add_array("image", np.ones((1, 1, 2, 2), np.float32), ("thickness", "defocus", "y", "x"))
    output.commit(
        spec_json=b'{"beams": {"name": "others"}, "models": {"name": "models"}}', inputs={}
    )
    images = DatasetRef(name="projects/p/datasets/images", kind="images")
    spec = analyzer_pb2.ReportSpec(models=models, beams=beams, images=images)
    with pytest.raises(InvalidInputError, match="recorded from other beams") as caught:
        REPORT.prepare(spec, Inputs(root))
    assert caught.value.field == "images"
