"""Where the data of the paper's figures come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryolattice.errors import InvalidInputError
from cryolattice.workflows import reproduce

DATA = Path(__file__).resolve().parents[2] / "examples" / "na2nh2bh4"


def test_a_checkout_needs_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert reproduce.data_folder(None) == DATA


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "na2nh2bh4_cubic.cif").write_bytes((DATA / "na2nh2bh4_cubic.cif").read_bytes())
    with pytest.raises(InvalidInputError, match=r"no micrograph_a\.mrc") as caught:
        reproduce.data_folder(tmp_path)
    assert caught.value.field == "data"


def test_an_installed_package_asks_for_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reproduce, "__file__", str(tmp_path / "a/b/c/d/e/reproduce.py"))
    with pytest.raises(InvalidInputError, match="give --data DIR"):
        reproduce.data_folder(None)
