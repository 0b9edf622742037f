"""What `identify` refuses at once, and what it remarks on its own answer."""

from __future__ import annotations

from typing import Any

import pytest

from cryolattice.errors import InvalidInputError
from cryolattice.workflows.identify import _b_levels, _edge_remark
from cryolattice.workflows.lattice import LatticeOptions
from cryolattice.workflows.steps import chosen_clusters, supercell_message


@pytest.mark.parametrize(
    ("best", "levels", "says"),
    [
        (1.0, [0.2, 0.5, 1.0], "the largest of those tried"),
        (1.0, [0.2, 0.5, 1.0], "try --debye-waller 0.2 --debye-waller 0.5 --debye-waller 1 "),
        (1.0, [0.2, 0.5, 1.0], "--debye-waller 2"),
        (0.8, [0.8, 2.0], "try --debye-waller 0.4 --debye-waller 0.8 --debye-waller 2"),
    ],
)
def test_a_debye_waller_factor_at_the_edge_of_what_was_tried(
    best: float, levels: list[float], says: str
) -> None:
    (remark,) = _edge_remark(best, levels)
    assert says in remark


@pytest.mark.parametrize(
    ("best", "levels"), [(0.5, [0.2, 0.5, 1.0]), (0.2, [0.2, 0.5, 1.0]), (1.0, [1.0])]
)
def test_one_within(best: float, levels: list[float]) -> None:
    assert _edge_remark(best, levels) == []


def test_debye_waller_factors_come_in_any_order() -> None:
    assert _b_levels((1.0, 0.2, 0.2)) == [0.2, 1.0]
    for wrong in ((), (-1.0,), (0.2, float("nan")), (30.0,)):
        with pytest.raises(InvalidInputError, match="debye_waller is"):
            _b_levels(wrong)


@pytest.mark.parametrize("wrong", [2, (2, 2), (2.0, 2, 1), ((1, 0, 0), (0, 1, 0)), "221"])
def test_what_is_no_supercell(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="three whole numbers"):
        supercell_message(wrong)


def test_clusters_are_named_by_site() -> None:
    assert chosen_clusters("none", {"N1": "NH2"}) == ({}, [])
    with pytest.raises(InvalidInputError, match="clusters is 'NH2'"):
        chosen_clusters("NH2", {"N1": "NH2"})


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"supercell": (0, 1)}, "supercell"),
        ({"supercell": (1, 1, 1)}, "supercell"),
        ({"zone_axes": "b"}, "zone_axes"),
    ],
)
def test_what_no_lattice_can_be_looked_for(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        LatticeOptions(**given)
    assert caught.value.field == field
