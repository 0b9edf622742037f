"""Sums in the ledger, and the metrics that are made of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest

from cryolattice.jobs.kinds import find_kind, installed_services
from cryolattice.ledger.increments import Distribution, Increments
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.telemetry.ledger_metrics import LedgerCollector
from cryolattice_api.common.v1 import job_pb2

SECONDS = Distribution("seconds", (1.0, 10.0))


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url)
    yield ledger
    ledger.close()


def _queue(ledger: Ledger, kind: str = "sweep") -> str:
    name = f"projects/p/jobs/{uuid4().hex[:12]}"
    state = job_pb2.JOB_STATE_QUEUED
    job = job_pb2.Job(name=name, kind=kind, state=state, labels={"of": "old"})
    record = JobRecord(job, "simulator", "beams", uuid4().hex, 0.0)
    return ledger.create(record, request_id="", request_sha256="").job.name


def _end(ledger: Ledger, name: str, state: job_pb2.JobState.ValueType) -> None:
    def change(job: job_pb2.Job) -> None:
        job.state = state

    ledger.update(name, change)


def _shown(ledger: Ledger) -> dict[str, float]:
    _, kind = find_kind("sweep", installed_services().values())
    registry = CollectorRegistry()
    registry.register(LedgerCollector(ledger, [kind]))
    lines = generate_latest(registry).decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def test_a_value_falls_into_its_bucket() -> None:
    increments = Increments()
    for value in (0.5, 1.0, 1.5, 10.0, 11.0):
        SECONDS.observe(increments, value)
    SECONDS.observe(increments, 2.0, weight=3)
    assert increments == {
        ("seconds", "1"): 2,
        ("seconds", "10"): 5,
        ("seconds", "+Inf"): 1,
        ("seconds", "sum"): 30.0,
    }


def test_sums_of_many_writers_are_exact(ledger_url: str, ledger: Ledger) -> None:
    def add() -> None:
        own = Ledger(ledger_url)
        for _ in range(20):
            own.count("sweep", {("tiles", "computed"): 1, ("tiles", "reused"): 2})
        own.close()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.overview().totals == {
        "sweep": {("tiles", "computed"): 80, ("tiles", "reused"): 160}
    }


def test_what_is_shown_of_jobs(ledger: Ledger) -> None:
    waiting, running, lost, failed, cancelled = (_queue(ledger) for _ in range(5))
    with ledger._engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE jobs SET queued_at = queued_at - 100 WHERE id = :id"),
            {"id": waiting.rsplit("/", 1)[-1]},
        )
    ledger.begin_attempt(running, "me", 30.0)
    ledger.begin_attempt(lost, "dead", 0.0)
    ledger.begin_attempt(failed, "me", 30.0)
    _end(ledger, failed, job_pb2.JOB_STATE_FAILED)
    ledger.cancel(cancelled)
    now = _shown(ledger)
    assert now['cryolattice_jobs{kind="sweep",state="queued"}'] == 1
    assert now['cryolattice_jobs{kind="sweep",state="running"}'] == 1
    assert now['cryolattice_jobs_abandoned{kind="sweep"}'] == 1
    assert 100 <= now['cryolattice_job_oldest_queued_age_seconds{kind="sweep"}'] < 160
    assert now['cryolattice_jobs_ended_total{kind="sweep",outcome="failed"}'] == 1
    assert now['cryolattice_jobs_ended_total{kind="sweep",outcome="cancelled"}'] == 1
    assert now['cryolattice_job_queue_seconds_count{kind="sweep"}'] == 3
    # one that was cancelled before it began took no time
    assert now['cryolattice_job_duration_seconds_count{kind="sweep"}'] == 1


def test_counts_outlive_the_jobs(ledger: Ledger) -> None:
    name = _queue(ledger)
    ledger.begin_attempt(name, "me", 30.0)
    _end(ledger, name, job_pb2.JOB_STATE_SUCCEEDED)
    ledger.delete(name)
    assert _shown(ledger)['cryolattice_jobs_ended_total{kind="sweep",outcome="succeeded"}'] == 1


def test_waiting_again_begins_anew(ledger: Ledger) -> None:
    name = _queue(ledger)
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET queued_at = queued_at - 1000")
    ledger.begin_attempt(name, "me", 30.0)
    _end(ledger, name, job_pb2.JOB_STATE_FAILED)
    ledger.requeue(name)
    assert _shown(ledger)['cryolattice_job_oldest_queued_age_seconds{kind="sweep"}'] < 60
    ledger.begin_attempt(name, "me", 30.0)
    now = _shown(ledger)
    assert now['cryolattice_job_queue_seconds_bucket{kind="sweep",le="60.0"}'] == 1
    assert now['cryolattice_job_queue_seconds_count{kind="sweep"}'] == 2


def test_only_the_servers_own_kinds_are_shown(ledger: Ledger) -> None:
    _queue(ledger, "models")
    assert not [name for name in _shown(ledger) if 'kind="models"' in name]


def test_many_scrapes_read_the_ledger_once(ledger: Ledger) -> None:
    _, kind = find_kind("sweep", installed_services().values())
    collector = LedgerCollector(ledger, [kind])
    list(collector.collect())
    _queue(ledger)
    again = [sample for metric in collector.collect() for sample in metric.samples]
    assert sum(s.value for s in again if s.name == "cryolattice_jobs") == 0


def test_a_lost_ledger_is_shown_and_hides_nothing_else(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE totals")
    now = _shown(ledger)
    ledger.close()
    assert now["cryolattice_ledger_up"] == 0
    assert now['cryolattice_jobs{kind="sweep",state="queued"}'] == 0


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_ledger_of_an_earlier_version_goes_on(tmp_path: Path, state: str) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger(url)
    name = _queue(ledger)
    if state == "running":
        ledger.begin_attempt(name, "dead", 0.0)
    ledger.register_dataset("p", "file", "00", 5.0)
    stored = ledger.get(name).job
    stored.spec.type_url = "type.googleapis.com/" + 1000 * "x"
    events = len(ledger.events(name, 0))
    with ledger._engine.begin() as connection:
        # each event was the whole job
        whole = stored.SerializeToString()
        for table in ("jobs", "job_events"):
            connection.exec_driver_sql(f"UPDATE {table} SET job = ?", (whole,))
        for statement in (
            "DROP INDEX jobs_by_dataset",
            "ALTER TABLE datasets DROP COLUMN created_at",
            "ALTER TABLE jobs DROP COLUMN updated_at",
            "ALTER TABLE jobs DROP COLUMN labels",
            "ALTER TABLE jobs DROP COLUMN created_at",
            "ALTER TABLE jobs DROP COLUMN queued_at",
            "ALTER TABLE jobs DROP COLUMN traceparents",
            "DROP TABLE totals",
            "UPDATE alembic_version SET version_num = '0001'",
        ):
            connection.exec_driver_sql(statement)
    ledger.close()
    ledger = Ledger(url)
    (record,), _ = ledger.list_jobs("p", 0, "", 'create_time > "2020-01-01" AND labels.of = "old"')
    assert record.job == stored
    assert [job.ByteSize() < 1000 for _, job in ledger.events(name, 0)] == events * [True]
    (latest,), _ = ledger.list_jobs("p", 0, "", order_by="update_time desc")
    assert latest.job == stored
    assert ledger.list_datasets("p", "", 0, "", "create_time")[0] == [("file", "00")]
    now = _shown(ledger)
    assert now["cryolattice_ledger_up"] == 1
    assert now['cryolattice_job_oldest_queued_age_seconds{kind="sweep"}'] < 60
    assert ledger.begin_attempt(name, "me", 30.0).attempt == (2 if state == "running" else 1)
    ledger.close()
