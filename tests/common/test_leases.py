"""Who may work on a job, on SQLite and on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from cryolattice.errors import ConflictError, JobNotActiveError, QuestionBusyError
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2
from tests.servers import Postgresql

LEASE = 30.0
GONE = -1.0
KINDS = ("models", "sweep")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, settings: Settings) -> str:
    if request.param == "sqlite":
        return settings.ledger_url
    new_url: str = request.getfixturevalue("postgresql_server").new_url()
    return new_url


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    ledger = Ledger(url)
    yield ledger
    ledger.close()


def _queue(ledger: Ledger, dataset: str = "", kind: str = "models", **labels: str) -> str:
    job = job_pb2.Job(
        name=f"projects/p/jobs/{uuid4().hex[:12]}",
        kind=kind,
        state=job_pb2.JOB_STATE_QUEUED,
        labels=labels,
    )
    record = JobRecord(job, "modeler", kind, dataset or uuid4().hex, 0.0)
    return ledger.create(record, request_id="", request_sha256="").job.name


def _names(ledger: Ledger, waited: float = 0.0, limit: int = 10) -> list[str]:
    return [job.name for job in ledger.adoptable(KINDS, waited, limit)]


def test_a_lost_answer_to_a_beginning_can_be_asked_for_again(ledger: Ledger) -> None:
    name = _queue(ledger)
    assert ledger.begin_attempt(name, "me", LEASE) == ledger.begin_attempt(name, "me", LEASE)
    with pytest.raises(JobNotActiveError):
        ledger.begin_attempt(name, "you", LEASE)


def test_one_question_is_worked_on_once_at_a_time(ledger: Ledger) -> None:
    first, second, other = _queue(ledger, "q"), _queue(ledger, "q"), _queue(ledger, "r")
    assert ledger.busy_with(second) == ""
    ledger.begin_attempt(first, "me", LEASE)
    ledger.begin_attempt(other, "you", LEASE)
    assert ledger.busy_with(second) == first
    with pytest.raises(QuestionBusyError, match=first):
        ledger.begin_attempt(second, "you", LEASE)
    assert ledger.get(second).job.state == job_pb2.JOB_STATE_QUEUED
    ledger.release(first, 1, "interrupted")
    assert ledger.begin_attempt(second, "you", LEASE).attempt == 1
    with pytest.raises(QuestionBusyError, match=second):
        ledger.begin_attempt(first, "me", LEASE)


def test_of_two_that_begin_the_same_at_once_one_waits(url: str) -> None:
    ledgers = [Ledger(url) for _ in range(4)]
    for _ in range(5):
        question = uuid4().hex
        names = [_queue(ledgers[0], question) for _ in ledgers]

        def begin(pair: tuple[Ledger, str]) -> bool:
            try:
                pair[0].begin_attempt(pair[1], pair[1], LEASE)
            except QuestionBusyError:
                return False
            return True

        with ThreadPoolExecutor(len(ledgers)) as pool:
            begun = list(pool.map(begin, zip(ledgers, names, strict=True)))
        assert begun.count(True) == 1
    for ledger in ledgers:
        ledger.close()


def test_a_released_job_waits_for_the_next(ledger: Ledger) -> None:
    name = _queue(ledger)
    ledger.begin_attempt(name, "me", LEASE)
    job = ledger.release(name, 1, "its server ended")
    assert (job.state, job.state_message) == (job_pb2.JOB_STATE_QUEUED, "its server ended")
    assert not ledger.renew_lease(name, "me", LEASE)
    with pytest.raises(ConflictError):
        ledger.release(name, 1, "again")
    assert ledger.begin_attempt(name, "you", LEASE).attempt == 2
    with pytest.raises(ConflictError):
        ledger.release(name, 1, "late")


def test_a_release_does_not_undo_a_cancel(ledger: Ledger) -> None:
    name = _queue(ledger)
    ledger.begin_attempt(name, "me", LEASE)
    ledger.cancel(name)
    assert ledger.release(name, 1, "its server ended").state == job_pb2.JOB_STATE_CANCELLED
    with pytest.raises(JobNotActiveError):
        ledger.release(name, 1, "late")


def test_what_can_be_adopted(ledger: Ledger) -> None:
    queued, held, gone, cancelling, ended = (_queue(ledger) for _ in range(5))
    strange = _queue(ledger, kind="dose")
    for name, lease in ((held, LEASE), (gone, GONE), (cancelling, LEASE), (ended, LEASE)):
        ledger.begin_attempt(name, name, lease)
    ledger.cancel(cancelling)
    ledger.renew_lease(cancelling, cancelling, GONE)
    ledger.release(ended, 1, "")
    ledger.cancel(ended)
    assert _names(ledger) == [queued, gone, cancelling]
    assert _names(ledger, limit=2) == [queued, gone]
    assert _names(ledger, waited=60.0) == [gone, cancelling], "its creator may yet begin it"
    assert strange not in _names(ledger)
    assert ledger.begin_attempt(gone, "next", LEASE).attempt == 2
    with pytest.raises(JobNotActiveError, match="CANCELLING"):
        ledger.begin_attempt(cancelling, "next", LEASE)
    assert ledger.cancel(cancelling).state == job_pb2.JOB_STATE_CANCELLED


def test_a_queued_job_that_nobody_runs_is_resumed(ledger: Ledger) -> None:
    name = _queue(ledger)
    assert ledger.requeue(name).job.state == job_pb2.JOB_STATE_QUEUED
    ledger.begin_attempt(name, "me", LEASE)
    with pytest.raises(JobNotActiveError, match="nobody works on"):
        ledger.requeue(name)


def test_versions_count_changes(ledger: Ledger) -> None:
    one, two = _queue(ledger), _queue(ledger)
    ledger.begin_attempt(two, "me", LEASE)
    gone = "projects/p/jobs/gone"
    assert ledger.versions([one, two, gone]) == {one: 1, two: 2}
    assert ledger.versions([]) == {}


def test_questions_of_jobs_that_may_go_on(ledger: Ledger) -> None:
    done, failed = _queue(ledger, "a"), _queue(ledger, "b")
    for name, state in (
        (done, job_pb2.JOB_STATE_SUCCEEDED),
        (failed, job_pb2.JOB_STATE_FAILED),
    ):
        ledger.begin_attempt(name, name, LEASE)

        def change(job: job_pb2.Job, state: job_pb2.JobState.ValueType = state) -> None:
            job.state = state

        ledger.update(name, change, attempt=1)
    _queue(ledger, "c")
    assert ledger.questions() == {("models", "b"), ("models", "c")}


def test_an_etag_guards_against_changes_of_others(ledger: Ledger) -> None:
    name = _queue(ledger)
    seen = ledger.get(name).job.etag
    ledger.begin_attempt(name, "me", GONE)
    for act in (ledger.cancel, ledger.delete):
        with pytest.raises(ConflictError, match="read it again") as caught:
            act(name, etag=seen)
        assert caught.value.field == "etag"
    with pytest.raises(ConflictError):
        ledger.requeue(name, etag=seen)
    assert ledger.cancel(name, etag=ledger.get(name).job.etag).state == job_pb2.JOB_STATE_CANCELLED


def test_leases_go_by_the_clock_of_the_database(
    postgresql_server: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(postgresql_server.new_url())
    name = _queue(ledger)
    ledger.begin_attempt(name, "here", LEASE)
    # a host whose clock is an hour ahead neither sees the lease run out, nor makes it longer
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 3600)
    assert ledger.get(name).held
    assert _names(ledger) == []
    with pytest.raises(JobNotActiveError):
        ledger.begin_attempt(name, "ahead", LEASE)
    assert ledger.renew_lease(name, "here", LEASE)
    monkeypatch.undo()
    assert ledger.get(name).lease_until < time.time() + 2 * LEASE
    ledger.close()
