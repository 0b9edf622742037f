"""Job handles on a real server: found again, watched, cancelled, interrupted."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cryolattice.client.connection import Connection
from cryolattice.client.jobs import Job
from cryolattice.client.lab import Lab, connect
from cryolattice.errors import (
    InvalidInputError,
    JobCancelledError,
    JobNotActiveError,
    JobNotFoundError,
)
from cryolattice.ledger.ledger import Ledger
from cryolattice.messages import message_dict
from cryolattice.settings import Settings
from cryolattice_api.modeler.v1 import modeler_pb2
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.common.conftest import ModelsSpecs

LARGE = (2, 2, 2)  # takes long enough to be caught at work


@pytest.fixture
def quiet(lab: Connection) -> Lab:
    return Lab(lab, show_progress=False)


@pytest.fixture
def submit(quiet: Lab, models_spec: ModelsSpecs) -> Callable[..., Job]:
    def submit(**options: Any) -> Job:
        request = modeler_pb2.CreateModelsJobRequest(spec=models_spec(**options))
        return quiet.submit(quiet.connection.modeler.CreateModelsJob, request)

    return submit


def _until_running(job: Job) -> None:
    for now in job.watch():
        if now.state == "RUNNING" and now.progress.total:
            return
    raise AssertionError(f"{job} ended before it was seen at work")


def test_a_job_is_found_again_by_name_and_by_id(
    quiet: Lab, submit: Callable[..., Job], tmp_path: Path
) -> None:
    name = submit(seed=301).name
    server = quiet.connection.address
    with connect(server, settings=Settings(home=tmp_path), show_progress=False) as elsewhere:
        job = elsewhere.job(name)
        dataset = job.wait(timeout_seconds=60)
        assert (job.state, job.ended, job.error) == ("SUCCEEDED", True, None)
        assert job.progress.fraction == 1
        assert job.progress.done == job.progress.total > 0
        assert job.dataset == dataset
        assert dataset.job == name
        assert job.create_time <= (job.end_time or job.create_time)
        by_id = elsewhere.job(name.rsplit("/", 1)[-1])
        assert by_id.to_dict() == message_dict(quiet.connection.get_job(name))
        assert repr(by_id).startswith(f"<Job {name.rsplit('/', 1)[-1]}: models, SUCCEEDED")
    with pytest.raises(JobNotFoundError):
        quiet.job("models-000000000000")


def test_a_list_of_jobs_is_a_table(quiet: Lab, submit: Callable[..., Job]) -> None:
    job = submit(seed=302)
    job.wait()
    newest = quiet.jobs.newest(1)[0]
    assert newest.name == job.name
    assert job.name in [other.name for other in quiet.jobs]
    identifier = job.name.rsplit("/", 1)[-1]
    header, first = repr(quiet.jobs).splitlines()[:2]
    assert header.split()[:3] == ["id", "kind", "state"]
    assert first.split()[:3] == [identifier, "models", "SUCCEEDED"]
    assert f">{identifier}</td>" in quiet.jobs._repr_html_()


def test_a_job_that_is_not_waited_for_shows_its_progress(submit: Callable[..., Job]) -> None:
    job = submit(cells=LARGE, seed=303)
    assert job.dataset is None
    with pytest.raises(TimeoutError, match=r"has not ended in 0\.5 s"):
        job.wait(timeout_seconds=0.5)
    assert not job.ended, "who stops waiting does not stop the job"
    assert job.end_time is None
    job.cancel()
    with pytest.raises(JobCancelledError):
        job.wait()
    assert job.state == "CANCELLED"
    assert isinstance(job.error, JobCancelledError)
    with pytest.raises(JobNotActiveError):
        job.cancel()
    assert job.resume().state in {"QUEUED", "RUNNING"}
    job.cancel()
    *_, job = job.watch()
    job.delete()


def test_a_failed_job_says_why(submit: Callable[..., Job], quiet: Lab) -> None:
    request = modeler_pb2.CreateModelsJobRequest()
    with pytest.raises(InvalidInputError, match="CIF"):
        quiet.submit(quiet.connection.modeler.CreateModelsJob, request)


def test_waiting_ends_only_its_own_jobs(
    quiet: Lab, submit: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = submit(cells=LARGE, seed=304)
    waited = submit(cells=LARGE, seed=305)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    # as if Ctrl-C came while the first state is shown
    monkeypatch.setattr("cryolattice.client.progress.Silent.update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        waited.wait()
    monkeypatch.undo()
    *_, waited = waited.watch()
    assert waited.state == "CANCELLED"
    assert other.state not in {"CANCELLING", "CANCELLED"}
    other.cancel()
    *_, other = other.watch()


WAITING = """
import sys, cryolattice
lab = cryolattice.connect(sys.argv[1])
lab.job(sys.argv[2]).wait()
"""


def test_an_interrupt_cancels_what_was_waited_for(quiet: Lab, submit: Callable[..., Job]) -> None:
    job = submit(cells=LARGE, seed=306)
    _until_running(job)
    waiting = subprocess.Popen(
        [sys.executable, "-c", WAITING, quiet.connection.address, job.name],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    assert waiting.stderr.readline().startswith("models: "), "it shows what it waits for"
    waiting.send_signal(signal.SIGINT)
    _, errors = waiting.communicate(timeout=30)
    assert waiting.returncode != 0
    assert "KeyboardInterrupt" in errors
    *_, job = job.watch()
    assert job.state == "CANCELLED"


DROPPED = """
import gc, threading, cryolattice
lab = cryolattice.connect()
assert list(lab.jobs) == []
del lab
gc.collect()
assert "cryolattice-server" not in {thread.name for thread in threading.enumerate()}
"""

LEFT_AT_WORK = """
import sys, cryolattice
from cryolattice_api.modeler.v1 import modeler_pb2
lab = cryolattice.connect()
spec = modeler_pb2.ModelsSpec.FromString(bytes.fromhex(sys.argv[1]))
request = modeler_pb2.CreateModelsJobRequest(spec=spec)
job = lab.submit(lab.connection.modeler.CreateModelsJob, request)
next(now for now in job.watch() if now.state == "RUNNING")
"""


@pytest.mark.parametrize("script", [DROPPED, LEFT_AT_WORK], ids=["dropped", "left at work"])
def test_a_lab_that_nobody_closes_ends_with_the_program(
    script: str, models_spec: ModelsSpecs, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, models_spec(LARGE).SerializeToString().hex()],
        env={**os.environ, **settings.environment(), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(folder.iterdir()) == [], "the server's socket is gone"
    if script == LEFT_AT_WORK:
        with connect(settings=settings, show_progress=False) as lab:
            (job,) = lab.jobs
            assert (job.state, job.state_message.split(":")[0]) == ("QUEUED", "interrupted")


@contextlib.contextmanager
def _served(settings: Settings, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [Path(sys.executable).parent / "cryolattice", "serve", "modeler"]
    server = subprocess.Popen(
        [*command, "--port", str(port), "--metrics-port", "0"],
        env={**os.environ, **settings.environment()},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield server
    finally:
        server.terminate()
        server.wait(30)


def test_waiting_outlives_a_server_that_is_killed(
    settings: Settings, models_spec: ModelsSpecs
) -> None:
    port = free_port()
    with connect(f"127.0.0.1:{port}", show_progress=False) as lab:
        with _served(settings, port) as server:
            request = modeler_pb2.CreateModelsJobRequest(spec=models_spec())
            job = lab.submit(lab.connection.modeler.CreateModelsJob, request)
            changes = job.watch()
            assert not next(changes).ended
            server.kill()
        # as if the job had waited long enough for the dead server and its worker
        ledger = Ledger(settings.ledger_url)
        with ledger._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE jobs SET queued_at = 0, lease_until = 0")
        ledger.close()
        with _served(settings, port):
            *_, job = changes
            assert job.state == "SUCCEEDED"
            assert job.dataset is not None
