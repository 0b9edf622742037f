"""What several folders of tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of the embedded commands: a sweep is computed once a session."""
    return tmp_path_factory.mktemp("home")
