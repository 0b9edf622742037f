"""What the steps of a cascade ask for."""

from __future__ import annotations

import pytest

from cryolattice.canonical import canonical_json
from cryolattice.errors import InvalidInputError
from cryolattice.workflows.cascade import CASCADE_FROM, screen_sweep, uses_cascade
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.simulator.v1 import simulator_pb2

THICKNESSES = [9.4, 18.8, 28.2]


def test_the_screen_takes_one_of_those_that_project_alike_at_every_thickness() -> None:
    records = [
        {"model_id": "m0", "projection_key": "a"},
        {"model_id": "m1", "projection_key": "b"},
        {"model_id": "m2", "projection_key": "a"},
    ]
    thorough = simulator_pb2.SweepSpec(
        thicknesses_angstrom=THICKNESSES, energy_kev=200, b_levels_angstrom2=[0.2, 0.5, 1.0]
    )
    spec = screen_sweep(thorough, records)
    assert spec.selection.model_ids == ["m0", "m1"]
    assert spec.thicknesses_angstrom == THICKNESSES
    assert spec.energy_kev == 200
    assert len(spec.b_levels_angstrom2) == 1
    assert not thorough.HasField("selection")


def test_many_candidates_are_ranked_in_steps_unless_told_otherwise() -> None:
    assert uses_cascade("auto", CASCADE_FROM)
    assert not uses_cascade("auto", CASCADE_FROM - 1)
    assert uses_cascade("on", 2)
    assert not uses_cascade("off", 10 * CASCADE_FROM)
    with pytest.raises(InvalidInputError, match="'sometimes'"):
        uses_cascade("sometimes", 2)


def test_questions_without_a_cascade_keep_their_ids() -> None:
    for spec in (simulator_pb2.SweepSpec(), analyzer_pb2.RankSpec(), analyzer_pb2.ReportSpec()):
        for name in (b"selection", b"screen", b"confirmation"):
            assert name not in canonical_json(spec)
