from __future__ import annotations

import json

import pytest
from google.protobuf.message import Message

from cryolattice.canonical import canonical_json, dataset_id, references, spec_sha256
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_api.simulator.v1 import simulator_pb2


def _ref(project: str = "a", identifier: str = "0f", kind: str = "micrograph") -> DatasetRef:
    return DatasetRef(
        name=f"projects/{project}/datasets/{identifier}",
        kind=kind,
        uri=f"file:///{project}/{identifier}",
        manifest_sha256="00",
    )


def test_project_and_place_do_not_change_the_question() -> None:
    here = analyzer_pb2.LatticeSpec(micrograph=_ref("a"), supercell_a=2)
    there = analyzer_pb2.LatticeSpec(micrograph=_ref("b"), supercell_a=2)
    there.micrograph.uri = "s3://bucket/x"
    assert canonical_json(here) == canonical_json(there)
    assert there.micrograph.uri == "s3://bucket/x", "the caller's message is left alone"


def test_another_input_or_value_is_another_question() -> None:
    spec = analyzer_pb2.LatticeSpec(micrograph=_ref(), supercell_a=2)
    seen = {spec_sha256(spec)}
    for other in (
        analyzer_pb2.LatticeSpec(micrograph=_ref(identifier="1f"), supercell_a=2),
        analyzer_pb2.LatticeSpec(micrograph=_ref(), supercell_a=3),
        analyzer_pb2.LatticeSpec(micrograph=_ref(), supercell_b=2),
        analyzer_pb2.LatticeSpec(micrograph=_ref(kind="average"), supercell_a=2),
    ):
        seen.add(spec_sha256(other))
    assert len(seen) == 5


def test_defaults_are_filled_in_and_maps_have_no_order() -> None:
    one = modeler_pb2.ModelsSpec(clusters={"N1": "NH2", "B1": "BH4"})
    two = modeler_pb2.ModelsSpec(clusters={"B1": "BH4", "N1": "NH2"}, seed=0)
    assert canonical_json(one) == canonical_json(two)
    fields = json.loads(canonical_json(one))
    assert fields["seed"] == "0"
    assert fields["ordering_ids"] == []


def test_large_integers_stay_exact() -> None:
    first = modeler_pb2.ModelsSpec(seed=2**63)
    second = modeler_pb2.ModelsSpec(seed=2**63 + 1)
    assert spec_sha256(first) != spec_sha256(second)


def test_every_set_reference_is_found() -> None:
    spec = analyzer_pb2.RankSpec(
        micrograph=_ref(identifier="1"), beams=_ref(identifier="2"), models=_ref(identifier="3")
    )
    assert {ref.name.rsplit("/", 1)[-1] for ref in references(spec)} == {"1", "2", "3"}
    no_reference = modeler_pb2.ModelsSpec(supercell=Supercell(a=1), clusters={"N1": "NH2"})
    assert list(references(no_reference)) == []


def test_a_dataset_is_named_by_kind_spec_and_inputs() -> None:
    name = dataset_id("models", b"{}", ["b", "a"])
    assert name == dataset_id("models", b"{}", ["a", "b"])
    assert len(name) == 32
    others = {
        dataset_id("beams", b"{}", ["a", "b"]),
        dataset_id("models", b'{"x":1}', ["a", "b"]),
        dataset_id("models", b"{}", ["a"]),
    }
    assert len(others | {name}) == 4


def test_the_device_is_no_part_of_the_question() -> None:
    there, here = (
        simulator_pb2.SweepSpec(device=simulator_pb2.DEVICE_GPU),
        simulator_pb2.SweepSpec(),
    )
    assert canonical_json(there) == canonical_json(here)
    assert spec_sha256(simulator_pb2.SweepSpec(engine=2)) != spec_sha256(here)


@pytest.mark.parametrize(
    ("spec", "sha256"),
    [
        (
            modeler_pb2.ModelsSpec(parent_crystal=modeler_pb2.Crystal(cif="x")),
            "d20013b7590571fe200d766c1df727a018226e6a569acb009b26a8276dfdf056",
        ),
        (
            simulator_pb2.SweepSpec(),
            "de3fcb63fa7ef7bf266cbc949f67e1fbaec1e1cbd9d068ae2c6d9f2706d1a9e1",
        ),
        (
            simulator_pb2.PotentialSpec(),
            "04fe344f798460c308be4d4419ef7bdf914b58b5b734f27f21e619ab4c6e82e4",
        ),
        (
            analyzer_pb2.RankSpec(),
            "a150b61e812be7bc9fc3416a6613d4dbf09578b17dc4126afc38a3e518f71dda",
        ),
        (
            analyzer_pb2.ReportSpec(paper=analyzer_pb2.PaperFigures()),
            "e5a9dd353791f32df89787e530f881718f7a0cf4a307ae08a7e7ff7f72420014",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_new_field_that_is_not_set_leaves_older_questions_as_they_were(
    spec: Message, sha256: str
) -> None:
    # a field that fails this test needs presence: `optional`, or a message
    assert spec_sha256(spec) == sha256
