"""Which files go up together."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryolattice.client.companions import companions_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "a.emi",
        "a_1.ser",
        "a_2.ser",
        "ab_1.ser",
        "a_b.EMI",
        "a_b_1.SER",
        "a.mrc",
        "b.tif",
        "b.tif.mdoc",
    ):
        (tmp_path / name).touch()
    (tmp_path / "a_3.ser").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("a_1.ser", ["a.emi"]),
        ("a.emi", ["a_1.ser", "a_2.ser"]),
        ("a_b_1.SER", ["a_b.EMI"]),
        ("a_b.EMI", ["a_b_1.SER"]),
        ("ab_1.ser", []),
        ("a.mrc", []),
        ("b.tif", ["b.tif.mdoc"]),
    ],
)
def test_pairs_of_tia(folder: Path, name: str, beside: list[str]) -> None:
    assert [path.name for path in companions_of(folder / name)] == beside


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert companions_of(tmp_path / "none" / "a_1.ser") == []
