"""What several folders of tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.servers import Postgresql, postgresql

_SHORT_BYTES = 16

# the same examples in every run, unless others are looked for
settings.register_profile("suite", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name the content of a file by its argument: some formats hold the time they were written."""
    return argname if isinstance(val, bytes) and len(val) > _SHORT_BYTES else None


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of the embedded commands: a sweep is computed once a session."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Postgresql]:
    with postgresql() as server:
        yield server
