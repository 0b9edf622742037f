"""One server for all pages, with the data of the embedded commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.served import served
from tests.servers import free_port


@pytest.fixture(scope="session")
def addresses(home: Path) -> Iterator[dict[str, str]]:
    """Addresses of the server, by those that the pages write."""
    metrics_port = free_port()
    with served(home, metrics_port) as address:
        yield {"localhost:50051": address, "localhost:9090": f"127.0.0.1:{metrics_port}"}


@pytest.fixture(scope="session")
def server(addresses: dict[str, str]) -> str:
    """Address of the server's calls."""
    return addresses["localhost:50051"]
