"""The parts of a deployment on this machine, each of which can be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from cryolattice.client.connection import Connection
from cryolattice.errors import ServerUnavailableError
from cryolattice.settings import Settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.servers import BUCKET, Postgresql, S3Server, free_port

BIN = Path(sys.executable).parent
REPLICAS = 2


class Ray:
    """A cluster of two nodes on this machine, each with one core."""

    def __init__(self, folder: Path, bucket: S3Server) -> None:
        self._log = folder / "ray.log"
        self._port = free_port()
        self.environment = {
            **os.environ,
            **bucket.environment,
            "RAY_AUTH_MODE": "disabled",
            "RAY_ADDRESS": f"127.0.0.1:{self._port}",
        }
        self._commands = (
            ("--head", f"--port={self._port}", "--include-dashboard=false"),
            (f"--address=127.0.0.1:{self._port}",),
        )
        self._nodes = [self._start(*self._commands[0])]
        try:
            self._wait_for(1)
            self._nodes.append(self._start(*self._commands[1]))
            self.ready()
        except BaseException:
            self.stop()
            raise

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in self.environment.items() if k != "RAY_ADDRESS"}
        command = [str(BIN / "ray"), "start", "--block", "--num-cpus=1", "--disable-usage-stats"]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*command, *arguments],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ready(self) -> None:
        """Return when both nodes are there."""
        self._wait_for(2)

    def add_node(self) -> None:
        """Start the second node."""
        self._nodes[1] = self._start(*self._commands[1])

    def kill_node(self) -> None:
        """Kill the second node."""
        kill_group(self._nodes[1])

    def stop(self) -> None:
        """Kill both."""
        for node in reversed(self._nodes):
            kill_group(node)

    def _wait_for(self, count: int) -> None:
        asked = (
            "import ray, sys; ray.init(log_to_driver=False, logging_level=50); "
            f"sys.exit(sum(node['Alive'] for node in ray.nodes()) != {count})"
        )
        deadline = time.monotonic() + 300
        while not self._tells(asked):
            if time.monotonic() > deadline:
                raise RuntimeError(self._log.read_text()[-3000:])
            for number, node in enumerate(self._nodes):
                # Ray gives its parts 30 s to start, which is short on a busy machine
                if node.poll() is not None:
                    kill_group(node)
                    self._nodes[number] = self._start(*self._commands[number])
            time.sleep(1)

    def _tells(self, program: str) -> bool:
        try:
            return not subprocess.run(
                [sys.executable, "-c", program],
                env=self.environment,
                capture_output=True,
                timeout=60,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            return False


@dataclass
class System:
    """The parts, each of which can be killed and started again.

    The store is the bucket, or lies on `disk` where there is one.
    """

    folder: Path
    bucket: S3Server
    database: Postgresql
    ray: Ray
    name: str
    disk: Path | None = None
    ports: list[int] = field(default_factory=list)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store_url = (
            (self.disk / "store").as_uri() if self.disk else f"s3://{BUCKET}/{self.name}"
        )
        self.ledger_url = self.database.new_url()

    @property
    def environment(self) -> dict[str, str]:
        """What the replicas are told."""
        return {
            **self.ray.environment,
            "CRYOLATTICE_HOME": str(self.folder / "home"),
            "CRYOLATTICE_STORE_URL": self.store_url,
            "CRYOLATTICE_LEDGER_URL": self.ledger_url,
            "CRYOLATTICE_METRICS_PORT": "0",
            "CRYOLATTICE_LOG_FORMAT": "json",
        }

    def _start(self, *command: object) -> subprocess.Popen[bytes]:
        with (self.folder / "parts.log").open("ab") as log:
            return subprocess.Popen(
                [str(part) for part in command],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_servers(self) -> None:
        """Start the replicas."""
        self.ports = [free_port() for _ in range(REPLICAS)]
        for number in range(REPLICAS):
            self.servers.append(self.start_server(number))
        deadline = time.monotonic() + 60
        for number in range(REPLICAS):
            while not self._answers(number):
                if time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "parts.log").read_text()[-3000:])
                time.sleep(0.2)

    def _answers(self, number: int) -> bool:
        try:
            with self.connect(number) as connection:
                connection.list_jobs()
        except ServerUnavailableError:
            return False
        return True

    def start_server(self, number: int) -> subprocess.Popen[bytes]:
        """Start one replica at its port."""
        return self._start(BIN / "cryolattice", "serve", "all", "--port", self.ports[number])

    def address(self, number: int) -> str:
        """Return where a replica listens."""
        return f"127.0.0.1:{self.ports[number]}"

    def connect(self, number: int) -> Connection:
        """Connect to a replica."""
        return Connection(self.address(number), Settings(home=self.folder / "client"))

    def driver(self) -> psutil.Process | None:
        """Return the process that drives a sweep."""
        for server in self.servers:
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(server.pid).children():
                    if "cryolattice_simulator" in child.cmdline():
                        return child
        return None

    def tile_workers(self) -> list[psutil.Process]:
        """Return the Ray workers that compute a tile."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if "ray::_compute_tile" in "".join(process.info["cmdline"] or ())
        ]

    def stop_servers(self) -> None:
        """Kill the replicas and what they started."""
        for server in self.servers:
            kill_group(server)
        self.servers = []


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with all that it started."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
