from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from cryolattice.errors import (
    ConflictError,
    InvalidInputError,
    JobNotActiveError,
    JobNotFoundError,
    PreconditionError,
    RequestIdReusedError,
)
from cryolattice.ledger.database import open_database
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import TERMINAL, JobRecord
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2

LEASE = 30.0
ANY_TIME = [
    job_pb2.JOB_STATE_RUNNING,
    job_pb2.JOB_STATE_WAITING_FOR_RESOURCES,
    job_pb2.JOB_STATE_FINALIZING,
]


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url)
    yield ledger
    ledger.close()


def _create(ledger: Ledger, project: str = "p", request_id: str = "", body: str = "") -> str:
    job = job_pb2.Job(
        name=f"projects/{project}/jobs/{uuid4().hex[:12]}",
        kind="models",
        state=job_pb2.JOB_STATE_QUEUED,
    )
    record = JobRecord(job, "modeler", "models", uuid4().hex, 0.0)
    return ledger.create(record, request_id=request_id, request_sha256=body).job.name


def _to(state: job_pb2.JobState.ValueType, ledger: Ledger, name: str, attempt: int = 1) -> None:
    def change(job: job_pb2.Job) -> None:
        job.state = state

    ledger.update(name, change, attempt=attempt)


def test_a_request_makes_one_job(ledger: Ledger) -> None:
    request = str(uuid4())
    name = _create(ledger, request_id=request, body="a")
    assert _create(ledger, request_id=request, body="a") == name
    assert _create(ledger, project="q", request_id=request, body="a") != name
    assert len(ledger.list_jobs("p", 0, "")[0]) == 1
    assert len(ledger.events(name, 0)) == 1
    with pytest.raises(RequestIdReusedError) as caught:
        _create(ledger, request_id=request, body="b")
    assert caught.value.field == "request_id"
    assert _create(ledger) != _create(ledger), "without a request id every job is new"


def test_pages_are_newest_first_and_of_one_project(ledger: Ledger) -> None:
    names = [_create(ledger) for _ in range(7)]
    _create(ledger, project="q")
    found, token = [], ""
    while True:
        records, token = ledger.list_jobs("p", 3, token)
        found += [record.job.name for record in records]
        assert len(records) == (3 if token else 1)
        if not token:
            break
    assert found == names[::-1]


@pytest.mark.parametrize("token", ["x", "-1", "1.5", "9" * 40])
def test_a_token_of_somebody_else_is_refused(ledger: Ledger, token: str) -> None:
    with pytest.raises(InvalidInputError, match="page_token"):
        ledger.list_jobs("p", 3, token)
    with pytest.raises(InvalidInputError, match="page_size"):
        ledger.list_jobs("p", -1, "")


def test_events_are_complete_and_in_order(ledger: Ledger) -> None:
    name = _create(ledger)
    other = _create(ledger)
    ledger.begin_attempt(name, "me", LEASE)
    for done in range(5):

        def change(job: job_pb2.Job, done: int = done) -> None:
            job.progress.succeeded = done

        ledger.update(name, change, attempt=1)
        ledger.begin_attempt(other, "me", LEASE) if done == 0 else None
    _to(job_pb2.JOB_STATE_SUCCEEDED, ledger, name)
    events = ledger.events(name, 0)
    ids = [event_id for event_id, _ in events]
    assert ids == sorted(set(ids))
    assert [job.etag for _, job in events] == [str(n) for n in range(1, 9)]
    assert [job.progress.succeeded for _, job in events[2:7]] == [0, 1, 2, 3, 4]
    assert ledger.events(name, ids[4]) == events[5:]
    assert ledger.events(name, ids[-1]) == []


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_follows_the_terminal_event(
    ledger: Ledger, state: job_pb2.JobState.ValueType
) -> None:
    name = _create(ledger)
    ledger.begin_attempt(name, "me", LEASE)
    _to(state, ledger, name)
    events = ledger.events(name, 0)
    assert events[-1][1].HasField("end_time")
    for change in (
        lambda: _to(job_pb2.JOB_STATE_RUNNING, ledger, name),
        lambda: ledger.begin_attempt(name, "me", LEASE),
        lambda: ledger.cancel(name),
    ):
        with pytest.raises(JobNotActiveError):
            change()
    assert not ledger.renew_lease(name, "me", LEASE)
    assert ledger.events(name, 0) == events


def test_cancelling(ledger: Ledger) -> None:
    queued = _create(ledger)
    assert ledger.cancel(queued).state == job_pb2.JOB_STATE_CANCELLED
    assert len(ledger.events(queued, 0)) == 2


@pytest.mark.parametrize("state", ANY_TIME)
def test_cancelling_a_job_that_somebody_works_on_asks_it(
    ledger: Ledger, state: job_pb2.JobState.ValueType
) -> None:
    name = _create(ledger)
    ledger.begin_attempt(name, "me", LEASE)
    _to(state, ledger, name)
    assert ledger.cancel(name).state == job_pb2.JOB_STATE_CANCELLING
    count = len(ledger.events(name, 0))
    assert ledger.cancel(name).state == job_pb2.JOB_STATE_CANCELLING
    assert len(ledger.events(name, 0)) == count, "asking twice is no change"
    with pytest.raises(JobNotActiveError):
        ledger.requeue(name)


@pytest.mark.parametrize("state", ANY_TIME)
def test_an_abandoned_job_is_cancelled_or_resumed_at_once(
    ledger: Ledger, state: job_pb2.JobState.ValueType
) -> None:
    cancelled, resumed, taken = (_create(ledger) for _ in range(3))
    for name in (cancelled, resumed, taken):
        ledger.begin_attempt(name, "dead", 0.0)
        _to(state, ledger, name)
        assert ledger.get(name).abandoned
    assert ledger.cancel(cancelled).state == job_pb2.JOB_STATE_CANCELLED
    assert ledger.requeue(resumed).job.state == job_pb2.JOB_STATE_QUEUED
    assert ledger.begin_attempt(taken, "me", LEASE).attempt == 2
    assert not ledger.get(taken).abandoned


@pytest.mark.parametrize("state", ANY_TIME)
def test_a_job_is_begun_once(ledger: Ledger, state: job_pb2.JobState.ValueType) -> None:
    name = _create(ledger)
    assert ledger.begin_attempt(name, "me", LEASE).attempt == 1
    _to(state, ledger, name)
    with pytest.raises(JobNotActiveError):
        ledger.begin_attempt(name, "you", LEASE)
    assert ledger.renew_lease(name, "me", LEASE)
    assert not ledger.renew_lease(name, "you", LEASE)


def test_a_resumed_job_forgets_how_it_ended(ledger: Ledger) -> None:
    name = _create(ledger)
    ledger.begin_attempt(name, "me", LEASE)

    def fail(job: job_pb2.Job) -> None:
        job.state = job_pb2.JOB_STATE_FAILED
        job.error.message = "no"
        job.progress.succeeded = 3

    ledger.update(name, fail, attempt=1)
    job = ledger.requeue(name).job
    assert not any(job.HasField(field) for field in ("error", "end_time", "progress"))
    assert ledger.begin_attempt(name, "me", LEASE).attempt == 2
    _to(job_pb2.JOB_STATE_SUCCEEDED, ledger, name, attempt=2)
    with pytest.raises(JobNotActiveError, match="SUCCEEDED"):
        ledger.requeue(name)


def test_an_earlier_attempt_cannot_change_the_job(ledger: Ledger) -> None:
    name = _create(ledger)
    ledger.begin_attempt(name, "slow", 0.0)
    ledger.requeue(name)
    with pytest.raises(ConflictError):
        _to(job_pb2.JOB_STATE_RUNNING, ledger, name, attempt=1)
    ledger.begin_attempt(name, "quick", LEASE)
    with pytest.raises(ConflictError):
        _to(job_pb2.JOB_STATE_SUCCEEDED, ledger, name, attempt=1)
    assert not ledger.renew_lease(name, "slow", LEASE)
    job = ledger.get(name).job
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_RUNNING, 2)


def test_only_an_ended_job_is_forgotten(ledger: Ledger) -> None:
    name = _create(ledger)
    with pytest.raises(JobNotActiveError, match="cancel"):
        ledger.delete(name)
    ledger.cancel(name)
    ledger.delete(name)
    for ask in (ledger.get, ledger.cancel, ledger.requeue, ledger.delete):
        with pytest.raises(JobNotFoundError, match=name):
            ask(name)


def test_datasets_belong_to_projects(ledger: Ledger) -> None:
    for identifier, kind in (("1", "models"), ("2", "beams"), ("3", "models"), ("1", "models")):
        ledger.register_dataset("p", kind, identifier)
    assert ledger.list_datasets("p", "", 0, "")[0] == [
        ("models", "3"),
        ("beams", "2"),
        ("models", "1"),
    ]
    first, token = ledger.list_datasets("p", "models", 1, "")
    assert (first, ledger.list_datasets("p", "models", 1, token)) == (
        [("models", "3")],
        ([("models", "1")], ""),
    )
    assert ledger.dataset_kind("p", "2") == "beams"
    assert ledger.dataset_kind("q", "2") is None


HAMMER = """
import sys
from uuid import uuid4
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice_api.common.v1 import job_pb2
sys.stdin.readline()
ledger = Ledger(sys.argv[1])
for _ in range(6):
    name = f"projects/p/jobs/{uuid4().hex[:12]}"
    job = job_pb2.Job(name=name, kind="models", state=job_pb2.JOB_STATE_QUEUED)
    record = JobRecord(job, "modeler", "models", name[-12:], 0.0)
    ledger.create(record, request_id="", request_sha256="")
    ledger.begin_attempt(name, "me", 30.0)
    for _ in range(3):
        ledger.update(name, lambda job: setattr(job.progress, "succeeded", 1), attempt=1)
        ledger.get(name), ledger.events(name, 0), ledger.list_jobs("p", 5, "")
"""


def test_many_processes_share_a_new_ledger(ledger_url: str) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", HAMMER, ledger_url],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
    ledger = Ledger(ledger_url)
    records, token = ledger.list_jobs("p", 1000, "")
    ledger.close()
    assert len(records) == 24
    assert not token
    assert {record.job.etag for record in records} == {"5"}


def test_one_of_many_servers_takes_a_job(ledger_url: str) -> None:
    ledgers = [Ledger(ledger_url) for _ in range(4)]
    name = _create(ledgers[0])

    def begin(ledger: Ledger) -> int:
        try:
            return ledger.begin_attempt(name, str(id(ledger)), LEASE).attempt
        except JobNotActiveError:
            return 0

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(begin, ledgers)) == [0, 0, 0, 1]
    for ledger in ledgers:
        ledger.close()


def test_no_change_of_another_server_is_lost(ledger_url: str) -> None:
    one, other = Ledger(ledger_url), Ledger(ledger_url)
    name = _create(one)
    with ThreadPoolExecutor(1) as pool:

        def add(job: job_pb2.Job) -> None:
            job.progress.succeeded += 1

        def add_slowly(job: job_pb2.Job) -> None:
            began.append(pool.submit(other.update, name, add))
            wait(began, timeout=0.3)
            add(job)

        began: list[Future[job_pb2.Job]] = []
        one.update(name, add_slowly)
        began[0].result()
    assert one.get(name).job.progress.succeeded == 2
    one.close()
    other.close()


def test_racing_servers_store_a_request_once(ledger_url: str) -> None:
    ledgers = [Ledger(ledger_url) for _ in range(4)]
    request = str(uuid4())
    with ThreadPoolExecutor(4) as pool:
        names = set(pool.map(lambda ledger: _create(ledger, request_id=request), ledgers * 4))
        list(pool.map(lambda ledger: ledger.register_dataset("p", "models", "00"), ledgers * 4))
    assert len(names) == 1
    assert ledgers[0].list_datasets("p", "", 0, "")[0] == [("models", "00")]
    for ledger in ledgers:
        ledger.close()


def test_readers_do_not_wait_for_a_writer(settings: Settings) -> None:
    ledger = Ledger(settings.ledger_url)
    name = _create(ledger)
    with sqlite3.connect(settings.home / "ledger.db", isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert ledger.get(name).job.name == name
        assert time.monotonic() - began < 5
        writer.execute("ROLLBACK")
    writer.close()
    ledger.close()


def test_a_ledger_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for url in ("not a url", "nosuch://host/name"):
        with pytest.raises(InvalidInputError, match="sqlite:///FILE"):
            Ledger(url)
    with pytest.raises(PreconditionError, match=r"\*\*\*@127.0.0.1") as caught:
        Ledger("postgresql+psycopg://me:secret@127.0.0.1:9/name")
    assert "secret" not in str(caught.value)
    (tmp_path / "file").write_text("no database " * 100)
    with pytest.raises(PreconditionError, match="not a database"):
        Ledger(f"sqlite:///{tmp_path}/file")
    with pytest.raises(PreconditionError, match="CRYOLATTICE_HOME"):
        Ledger(f"sqlite:///{tmp_path}/file/ledger.db")


def test_a_ledger_of_a_later_version_is_refused(ledger_url: str) -> None:
    engine = open_database(ledger_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(PreconditionError, match="later version"):
        Ledger(ledger_url)
