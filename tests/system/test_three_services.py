"""A deployment as on a cluster: three servers, one database, one bucket, and a Ray of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from cryolattice.client.connection import Connection
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.simulator.v1 import simulator_pb2
from tests.commands import Outcome
from tests.servers import Postgresql, S3Server, free_port
from tests.system.conftest import COMMAND, DATA, ROOT, TIMEOUT_SECONDS

SERVICES = ("modeler", "simulator", "analyzer")
PARENT = DATA / "na2nh2bh4_cubic.cif"
SIMULATE = ("simulate", PARENT, "--thickness-step", 18.8, "--thickness-max", 75.2)


@contextmanager
def _process(arguments: list[object], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(
            [*map(str, arguments)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()


@dataclass(frozen=True)
class Cluster:
    """Three servers; `run` is the command of a user who knows their addresses and nothing else."""

    server: str
    home: Path

    def run(self, *arguments: object) -> Outcome:
        done = subprocess.run(
            [COMMAND, *map(str, arguments)],
            env={
                "PATH": os.environ["PATH"],
                "CRYOLATTICE_HOME": str(self.home),
                "CRYOLATTICE_SERVER": self.server,
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            cwd=ROOT,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)


@contextmanager
def _bucket(folder: Path) -> Iterator[S3Server]:
    server = S3Server(folder / "s3" / "data")
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def _cluster(
    folder: Path, ledger_url: str, bucket: S3Server, ray: dict[str, str]
) -> Iterator[Cluster]:
    addresses = []
    with ExitStack() as stack:
        for service in SERVICES:
            port = free_port()
            addresses.append(f"{service}=127.0.0.1:{port}")
            (folder / service).mkdir()
            environment = {
                **os.environ,
                **bucket.environment,
                **ray,
                "CRYOLATTICE_HOME": str(folder / service),
                "CRYOLATTICE_STORE_URL": bucket.url,
                "CRYOLATTICE_LEDGER_URL": ledger_url,
            }
            serve = [COMMAND, "serve", service, "--port", port, "--metrics-port", 0]
            stack.enter_context(_process(serve, environment, folder / f"{service}.log"))
        deadline = time.monotonic() + 60
        for log in [folder / f"{service}.log" for service in SERVICES]:
            while "serving" not in log.read_text():
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield Cluster(",".join(addresses), folder / "client")


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, postgresql_server: Postgresql
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    ray = {"RAY_AUTH_MODE": "disabled"}
    with (
        _bucket(folder) as bucket,
        _cluster(folder, postgresql_server.new_url(), bucket, ray) as cluster,
    ):
        yield cluster


def test_a_user_needs_only_the_addresses(cluster: Cluster) -> None:
    listed = cluster.run("enumerate", PARENT, "--supercell", 2, 2, 1, "--json")
    assert listed.code == 0, listed.err
    assert listed.json["classes"] == 35
    # goes up to the analyzer, is read there, and is seen by every service
    series = (DATA / "saed_298K.mrc", "--pixel-size", 0.0085, "--dose-per-frame", 0.5)
    measured = cluster.run("dose", *series, "--json")
    assert measured.code == 0, measured.err
    assert measured.json["reflections"]
    jobs = cluster.run("jobs", "list", "--json").json["jobs"]
    assert [job["state"] for job in jobs] == ["JOB_STATE_SUCCEEDED"]
    # nothing is kept where the user is, or beside the servers
    assert not cluster.home.exists()
    assert not list(cluster.home.parent.glob("*/store"))


def test_the_service_that_is_away_is_named(cluster: Cluster) -> None:
    analyzer = cluster.server.rsplit(",", 1)[-1]
    away = cluster.run(
        *("enumerate", PARENT, "--supercell", 2, 2, 1, "--json"),
        *("--server", f"modeler=127.0.0.1:9,simulator=127.0.0.1:9,{analyzer}"),
    )
    assert away.code == 1
    assert away.json["error"]["reason"] == "SERVER_UNAVAILABLE"
    assert "127.0.0.1:9" in away.json["error"]["message"]


@contextmanager
def _ray_head(log: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run a Ray cluster of one node; yield the address for drivers that are elsewhere."""
    client_port = free_port()
    command = [
        *(Path(sys.executable).parent / "ray", "start", "--head", "--block", "--num-cpus=2"),
        *(f"--port={free_port()}", f"--ray-client-server-port={client_port}"),
        *("--include-dashboard=false", "--disable-usage-stats"),
    ]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 120
        while "Ray runtime started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"ray://127.0.0.1:{client_port}"
    finally:
        parts = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        for part in parts:
            with suppress(psutil.NoSuchProcess):
                part.kill()


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_tiles_run_on_a_ray_cluster_that_asks_for_a_token(
    tmp_path: Path, postgresql_server: Postgresql
) -> None:
    ray = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
    with (
        _bucket(tmp_path) as bucket,
        _ray_head(tmp_path / "ray.log", {**bucket.environment, **ray}) as address,
        _cluster(
            tmp_path, postgresql_server.new_url(), bucket, {**ray, "RAY_ADDRESS": address}
        ) as cluster,
    ):
        simulated = cluster.run(*SIMULATE, "--json")
        assert simulated.code == 0, simulated.err
        verified = cluster.run("datasets", "verify", simulated.json["name"].rsplit("/", 1)[-1])
        assert verified.code == 0, verified.out
        # another sweep is stopped at once, and resumed where such jobs run
        settings = Settings(home=tmp_path / "client")
        with Connection(cluster.server, settings) as connection:
            spec = _sweep_of(connection)
            spec.energy_kev = 200
            request = simulator_pb2.CreateSweepJobRequest(parent=connection.parent, spec=spec)
            job = connection.call(connection.simulator.CreateSweepJob, request).job
            connection.cancel_job(job.name)
            *_, ended = connection.watch_job(job.name)
            assert ended.state == job_pb2.JOB_STATE_CANCELLED
            connection.resume_job(job.name)
            *_, ended = connection.watch_job(job.name)
            assert ended.state == job_pb2.JOB_STATE_SUCCEEDED


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_ray_cluster_that_is_away_is_named(tmp_path: Path, postgresql_server: Postgresql) -> None:
    ray = {"RAY_AUTH_MODE": "disabled", "RAY_ADDRESS": "ray://127.0.0.1:9"}
    with (
        _bucket(tmp_path) as bucket,
        _cluster(tmp_path, postgresql_server.new_url(), bucket, ray) as cluster,
    ):
        outcome = cluster.run(*SIMULATE, "--json")
        assert outcome.code == 1
        assert outcome.json["error"]["reason"] == "RAY_UNAVAILABLE"
        assert "ray://127.0.0.1:9" in outcome.json["error"]["message"]


def _sweep_of(connection: Connection) -> simulator_pb2.SweepSpec:
    spec = simulator_pb2.SweepSpec()
    (job,) = [job for job in connection.list_jobs() if job.kind == "sweep"]
    job.spec.Unpack(spec)
    return spec
