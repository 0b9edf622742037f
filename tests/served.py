"""A server started with the command, as a user would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port


@contextmanager
def served(
    home: Path, metrics_port: int = 0, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield the address of ``cryolattice serve all`` on a free port, with its data in `home`."""
    port = free_port()
    log = home / "serve.log"
    with log.open("w") as output:
        ports = ("--port", str(port), "--metrics-port", str(metrics_port))
        process = subprocess.Popen(
            [Path(sys.executable).parent / "cryolattice", "serve", "all", *ports],
            env={
                **os.environ,
                "CRYOLATTICE_HOME": str(home),
                "RAY_AUTH_MODE": "disabled",
                **(environment or {}),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + 60
    while "serving" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "the server did not start in 60 s"
        time.sleep(0.1)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    assert code == 0
