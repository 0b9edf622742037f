"""One server for all pages, with the data of the embedded commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.served import served


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[str]:
    """Address of the server."""
    with served(home) as address:
        yield address
