from __future__ import annotations

import numpy as np
import pytest

from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_modeler import jobs
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.plane_cells import projected_cell

CIF = """data_test
_symmetry_space_group_name_H-M '{group}'
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {c}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma {gamma}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
X1 {element} 0 0 0 1
"""


def cif(group: str, a: float, b: float, c: float, gamma: float = 90, element: str = "Au") -> str:
    return CIF.format(group=group, a=a, b=b, c=c, gamma=gamma, element=element)


@pytest.mark.parametrize(
    ("text", "axis", "expected"),
    [
        (cif("P m m m", 4, 5, 6), 2, (4, 5, 90)),
        (cif("P m m m", 4, 5, 6), 0, (5, 6, 90)),
        # h k 0 of a face-centred crystal are all even: the projection repeats after a / 2
        (cif("F m -3 m", 4.08, 4.08, 4.08), 2, (2.04, 2.04, 90)),
        # h + k of a body-centred one is even
        (cif("I m -3 m", 3.0, 3.0, 3.0), 2, (3 / np.sqrt(2), 3 / np.sqrt(2), 90)),
        (cif("P 6/m m m", 2.46, 2.46, 6.7, 120), 2, (2.46, 2.46, 120)),
        (cif("P 6/m m m", 2.46, 2.46, 6.7, 120), 0, (2.46 * np.sqrt(3) / 2, 6.7, 90)),
    ],
)
def test_projected_cells(text: str, axis: int, expected: tuple[float, float, float]) -> None:
    parent = read_parent_crystal(text, "test.cif", require_disorder=False)
    cell = projected_cell(parent, axis)
    assert (cell.a_angstrom, cell.b_angstrom, cell.gamma_deg) == pytest.approx(expected, abs=1e-6)


def test_a_crystal_describes_itself() -> None:
    crystal = modeler_pb2.Crystal(cif=cif("F m -3 m", 4.08, 4.08, 4.08), file_name="au.cif")
    told = jobs.describe(crystal)
    assert told.space_group == "Fm-3m"
    assert list(told.lengths_angstrom) == pytest.approx([4.08] * 3)
    assert list(told.angles_deg) == pytest.approx([90.0] * 3)
    assert [cell.a_angstrom for cell in told.plane_cells] == pytest.approx([2.04] * 3)
