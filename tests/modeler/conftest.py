from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.parent_cif import read_parent_crystal

ROOT = Path(__file__).parents[2]
CUBIC_CIF = ROOT / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"
REAL_CIF_FOLDER = ROOT.parent / "shared" / "data" / "real" / "cif"

Atom = tuple[str, str, float, float, float, str]
MakeCif = Callable[..., str]


@pytest.fixture(scope="session")
def cubic_text() -> str:
    return CUBIC_CIF.read_text()


@pytest.fixture(scope="session")
def cubic(cubic_text: str) -> ParentCrystal:
    return read_parent_crystal(cubic_text, CUBIC_CIF.name)


@pytest.fixture(scope="session")
def real_cif() -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        path = REAL_CIF_FOLDER / name
        if not path.exists():
            pytest.skip(f"{path} is not there")
        return path.read_bytes()

    return read


@pytest.fixture(scope="session")
def make_cif() -> MakeCif:
    def make(
        cell: Sequence[float], atoms: Sequence[Atom], space_group: str = "P 1", extra: str = ""
    ) -> str:
        names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
        lines = ["data_test"]
        lines += [f"_cell_{name} {value}" for name, value in zip(names, cell, strict=True)]
        lines.append(f"_space_group_name_H-M_alt '{space_group}'")
        lines += ["loop_", "_atom_site_label", "_atom_site_type_symbol"]
        lines += [f"_atom_site_fract_{axis}" for axis in "xyz"] + ["_atom_site_occupancy"]
        lines += [
            f"{label} {symbol} {x:.7f} {y:.7f} {z:.7f} {share}"
            for label, symbol, x, y, z, share in atoms
        ]
        return "\n".join(lines) + "\n" + extra

    return make
