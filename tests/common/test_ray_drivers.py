"""Drivers for a Ray cluster that is not there; tests/system has one that is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cryolattice.errors import InvalidInputError, RayUnavailableError
from cryolattice.jobs.ray_drivers import RayDrivers
from cryolattice.jobs.ray_jobs import RayJobs
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2
from tests.servers import free_port

NAME = "projects/p/jobs/sweep-1"


def test_no_cluster_is_said_with_its_address() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(RayUnavailableError, match=url) as caught:
        RayJobs(url + "/").find("any")
    assert caught.value.field == "CRYOLATTICE_RAY_JOBS_URL"
    assert "no connection" in caught.value.message


def test_an_address_without_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYOLATTICE_RAY_JOBS_URL", "head:8265")
    with pytest.raises(InvalidInputError, match="http://HOST:8265"):
        Settings()


def test_a_job_says_that_it_waits_for_a_cluster_and_can_be_cancelled(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    job = job_pb2.Job(name=NAME, kind="sweep", state=job_pb2.JOB_STATE_QUEUED)
    record = JobRecord(job, "simulator", "beams", "00", 0.0)
    ledger.create(record, request_id="", request_sha256="")

    async def run() -> None:
        driving = asyncio.create_task(RayDrivers(RayJobs(url), ledger).drive("simulator", NAME))
        while url not in ledger.get(NAME).job.state_message:
            assert not driving.done()
            await asyncio.sleep(0.05)
        await asyncio.to_thread(ledger.cancel, NAME)
        await asyncio.wait_for(driving, 5)

    asyncio.run(run())
    assert ledger.get(NAME).job.state == job_pb2.JOB_STATE_CANCELLED
    # said once, however often it was tried
    assert len(ledger.events(NAME, 0)) == 3
    ledger.close()
