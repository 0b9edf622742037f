"""The product as a user meets it: the installed command, embedded or against a deployment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Outcome
from tests.served import served
from tests.servers import free_port
from tests.traces import TraceReceiver, trace_receiver

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "examples" / "na2nh2bh4"
COMMAND = Path(sys.executable).parent / "cryolattice"
TIMEOUT_SECONDS = 280


Run = Callable[..., Outcome]


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "CRYOLATTICE_HOME": str(home), "RAY_AUTH_MODE": "disabled"}


def _runner(home: Path, more: Mapping[str, str] | None = None) -> Run:
    def run(*arguments: object) -> Outcome:
        done = subprocess.run(
            [COMMAND, *map(str, arguments)],
            env={**_environment(home), **(more or {})},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            cwd=ROOT,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def cryolattice(home: Path) -> Run:
    """Runs the command, embedded."""
    return _runner(home)


@dataclass(frozen=True)
class Deployment:
    """A server started with the command."""

    address: str
    home: Path
    run: Run
    metrics_url: str
    traces: TraceReceiver

    @property
    def log(self) -> list[dict[str, Any]]:
        """What the server and its processes have logged: every line is JSON."""
        return [json.loads(line) for line in (self.home / "serve.log").read_text().splitlines()]


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """``cryolattice serve all`` in a process of its own, which sends its traces."""
    server_home = tmp_path_factory.mktemp("server")
    metrics_port = free_port()
    with (
        trace_receiver() as traces,
        tempfile.TemporaryDirectory(prefix="ray-") as ray_folder,
    ):
        # what a Ray leaves that somebody else runs on this machine
        (Path(ray_folder) / "ray").mkdir()
        (Path(ray_folder) / "ray" / "ray_current_cluster").write_text("192.0.2.1:6379")
        environment = {**traces.environment, "RAY_TMPDIR": ray_folder}
        with served(server_home, metrics_port, environment) as address:
            yield Deployment(
                address=address,
                home=server_home,
                run=_runner(tmp_path_factory.mktemp("client"), traces.environment),
                metrics_url=f"http://127.0.0.1:{metrics_port}/metrics",
                traces=traces,
            )
