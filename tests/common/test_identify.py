"""What `identify` remarks on its own answer."""

from __future__ import annotations

import pytest

from cryolattice.workflows.identify import _edge_remark


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
