"""Drivers submitted to a Ray cluster that asks for a token: run, cancelled, and lost with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

import cryolattice
from cryolattice.client.connection import Connection
from cryolattice.errors import RayUnavailableError
from cryolattice.jobs.ray_jobs import TOKEN_FIELD, RayJobs
from cryolattice.ledger.ledger import Ledger
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import dataset_pb2, job_pb2
from cryolattice_api.simulator.v1 import simulator_pb2
from tests.served import served
from tests.servers import free_port
from tests.system.conftest import DATA

BIN = Path(sys.executable).parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("ray"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_spec("aiohttp_cors") is None, reason="needs ray[default]"),
]


class Head:
    """A Ray cluster of one node with the Jobs API, as the image of the head has it."""

    def __init__(self, home: Path) -> None:
        self._log = home / "ray.log"
        self._folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # a socket's path is short
        self.token = uuid4().hex * 2
        self._ports = {
            name: free_port()
            for name in (
                "port",
                "dashboard-port",
                "dashboard-agent-listen-port",
                "ray-client-server-port",
                "metrics-export-port",
            )
        }
        self.url = f"http://127.0.0.1:{self._ports['dashboard-port']}"
        self._environment = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "CRYOLATTICE_HOME": str(home),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_raylet_start_wait_time_s": "180",
        }
        self.start()

    def start(self) -> None:
        """Start it, for the first time or again."""
        command = [
            *(str(BIN / "ray"), "start", "--head", "--block", "--num-cpus=2"),
            *(f"--{name}={port}" for name, port in self._ports.items()),
            *("--include-dashboard=true", "--disable-usage-stats", f"--temp-dir={self._folder}"),
        ]
        with self._log.open("w") as output:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=output, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 300
        while "Ray runtime started" not in self._log.read_text():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.2)
        while True:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            try:
                RayJobs(self.url).find("any")
            except RayUnavailableError as error:
                # this process has no token: that it is asked for one shows that the API is there
                if error.field == TOKEN_FIELD:
                    return
            time.sleep(0.5)

    def kill(self) -> None:
        """Kill every process of it at once, drivers too."""
        if self._process.poll() is None:
            ray = psutil.Process(self._process.pid)
            for part in [ray, *ray.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    part.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill it and remove its files."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _sweep(lab: Connection, models: dataset_pb2.DatasetRef, energy_kev: float) -> job_pb2.Job:
    spec = simulator_pb2.SweepSpec(
        models=models,
        energy_kev=energy_kev,
        thicknesses_angstrom=[4.7 * (index + 1) for index in range(64)],
        b_levels_angstrom2=[0.0, 1.0],
    )
    request = simulator_pb2.CreateSweepJobRequest(spec=spec)
    return lab.submit_job(lab.simulator.CreateSweepJob, request)


def _until_some_tiles(lab: Connection, name: str) -> job_pb2.Job:
    for job in lab.watch_job(name):
        if job.progress.succeeded > job.progress.reused:
            return job
    raise AssertionError(f"{name} has ended")


def test_drivers_on_a_ray_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    head = Head(home)
    environment = {
        "CRYOLATTICE_RAY_JOBS_URL": head.url,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": head.token,
    }
    ledger = Ledger(Settings(home=home).ledger_url)
    try:
        with served(home, environment=environment) as address, cryolattice.connect(address) as lab:
            calls = lab.connection
            models = lab.models(DATA / "na2nh2bh4_cubic.cif", (2, 2, 1))
            ref = dataset_pb2.DatasetRef(name=models.name, kind="models")

            # stopped within five seconds by whoever asks
            job = _until_some_tiles(calls, _sweep(calls, ref, 200.0).name)
            assert ledger.get(job.name).owner.startswith(job.name.rsplit("/", 1)[-1])
            began = time.monotonic()
            calls.cancel_job(job.name)
            *_, ended = calls.watch_job(job.name)
            assert ended.state == job_pb2.JOB_STATE_CANCELLED
            taken = time.monotonic() - began
            print(f"cancelled in {taken:.1f} s")
            assert taken < 5.0

            # lost with the cluster, and gone on with when there is one again
            job = _until_some_tiles(calls, _sweep(calls, ref, 300.0).name)
            assert job.attempt == 1
            head.kill()
            waiting = next(
                seen
                for seen in calls.watch_job(job.name)
                if "waiting for the Ray cluster" in seen.state_message
            )
            assert waiting.state == job_pb2.JOB_STATE_QUEUED
            head.start()
            *_, ended = calls.watch_job(job.name)
            assert ended.state == job_pb2.JOB_STATE_SUCCEEDED, ended.state_message
            assert ended.attempt == 2
            assert ended.progress.reused > 0
            assert not calls.verify_dataset(ended.output.name).problems

        # whoever has not the token is told so
        monkeypatch.setenv("RAY_AUTH_TOKEN", uuid4().hex * 2)
        with pytest.raises(RayUnavailableError, match="refuses the token"):
            RayJobs(head.url).submit("any", "true")
    finally:
        ledger.close()
        head.close()


def test_a_head_with_another_store_fails_the_job(tmp_path: Path) -> None:
    homes = [tmp_path / "server", tmp_path / "head"]
    for home in homes:
        home.mkdir()
    head = Head(homes[1])
    environment = {
        "CRYOLATTICE_RAY_JOBS_URL": head.url,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": head.token,
    }
    try:
        with (
            served(homes[0], environment=environment) as address,
            cryolattice.connect(address) as lab,
        ):
            models = lab.models(DATA / "na2nh2bh4_cubic.cif", (2, 1, 1))
            ref = dataset_pb2.DatasetRef(name=models.name, kind="models")
            job = _sweep(lab.connection, ref, 200.0)
            *_, ended = lab.connection.watch_job(job.name)
    finally:
        head.close()
    assert ended.state == job_pb2.JOB_STATE_FAILED, ended
    assert ended.attempt == 0
    for home in homes:
        assert Settings(home=home).store_url in ended.state_message
    assert "CRYOLATTICE_STORE_URL" in ended.state_message
