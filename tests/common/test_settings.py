from __future__ import annotations

from pathlib import Path

import pytest

from cryolattice.settings import Settings


def test_urls_follow_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYOLATTICE_HOME", str(tmp_path / "my data"))
    settings = Settings()
    assert settings.store_url == f"file://{tmp_path}/my%20data/store"
    assert settings.ledger_url == f"sqlite:///{tmp_path}/my data/ledger.db"
    assert settings.project == "default"


def test_a_child_process_gets_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Settings(home=tmp_path, store_url="s3://bucket/x", project="p")
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == given


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYOLATTICE_HOME", "")
    monkeypatch.setenv("CRYOLATTICE_PROJECT", "")
    assert Settings().home != Path.cwd()
    assert Settings().project == "default"


def test_home_may_begin_with_a_tilde() -> None:
    assert Settings(home=Path("~/x")).home == Path.home() / "x"
