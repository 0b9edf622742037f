"""Drivers for a Ray cluster that is not there; tests/system has one that is."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

import pytest

from cryolattice.errors import InvalidInputError, RayUnavailableError
from cryolattice.jobs.driver import main
from cryolattice.jobs.driver_places import driver_options, refusal
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
        drivers = RayDrivers(RayJobs(url), ledger, Settings(home=tmp_path))
        driving = asyncio.create_task(drivers.drive("simulator", NAME))
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


@pytest.mark.parametrize("what", ["store", "ledger"])
def test_a_head_with_other_places_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
) -> None:
    places = {
        "store": (tmp_path / "store").as_uri(),
        "ledger": f"sqlite:///{tmp_path}/my ledger.db",
    }
    server = Settings(store_url=places["store"], ledger_url=places["ledger"])
    monkeypatch.setenv("CRYOLATTICE_HOME", str(tmp_path / "head"))
    for name in places.keys() - {what}:
        monkeypatch.setenv(f"CRYOLATTICE_{name.upper()}_URL", places[name])
    head = Settings()
    others = {"store": head.store_url, "ledger": head.ledger_url}
    ledger = Ledger(server.ledger_url)
    job = job_pb2.Job(name=NAME, kind="sweep", state=job_pb2.JOB_STATE_QUEUED)
    record = JobRecord(job, "simulator", "beams", "00", 0.0)
    ledger.create(record, request_id="", request_sha256="")
    assert main("simulator", ["run", NAME, *shlex.split(driver_options(server))]) == 2
    assert ledger.get(NAME).job.state == job_pb2.JOB_STATE_QUEUED
    ledger.close()
    refused = refusal("a line of the log\n" + capsys.readouterr().err)
    assert refused is not None
    assert refused.field == f"CRYOLATTICE_{what.upper()}_URL"
    for said in (places[what], others[what], "Ray head"):
        assert said in refused.message


def test_passwords_stay_where_they_are() -> None:
    options = driver_options(Settings(ledger_url="postgresql+psycopg://me:secret@host/jobs"))
    assert "secret" not in options
    assert shlex.split(options)[-1] == "postgresql+psycopg://me:***@host/jobs"
    assert refusal("error: no job projects/p/jobs/sweep-1") is None
