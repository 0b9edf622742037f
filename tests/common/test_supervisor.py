"""What a supervisor does with jobs: once, again, or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from cryolattice.jobs.processes import ProcessEndedError, Processes
from cryolattice.jobs.supervisor import Supervisor
from cryolattice.ledger.ledger import Ledger
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2
from tests.worker_processes import kill_workers, workers_of

if TYPE_CHECKING:
    from tests.common.conftest import ModelsSpecs, QueueModels

# takes long enough to be caught at work, and a second
LARGE, MIDDLING = (2, 2, 2), (3, 2, 1)
PATIENCE_SECONDS = 60.0


def _supervised(
    settings: Settings, ledger: Ledger, steps: Callable[[Supervisor], Awaitable[None]]
) -> None:
    async def run() -> None:
        supervisor = Supervisor(settings, ledger, Processes(settings, settings.home / "logs"))
        try:
            await steps(supervisor)
        finally:
            await supervisor.close()

    asyncio.run(run())


async def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def test_a_job_that_kills_every_worker_fails(
    settings: Settings,
    ledger: Ledger,
    queue_models: QueueModels,
    models_spec: ModelsSpecs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cryolattice.jobs.supervisor._MOST_ATTEMPTS", 2)
    name = queue_models(models_spec(LARGE))

    async def steps(supervisor: Supervisor) -> None:
        supervisor.dispatch(name, "models")
        attempt = 0
        while not (job := ledger.get(name).job).HasField("end_time"):
            if job.attempt > attempt:
                attempt = job.attempt
                await asyncio.to_thread(kill_workers, settings.home)
            await asyncio.sleep(0.05)

    _supervised(settings, ledger, steps)
    job = ledger.get(name).job
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_FAILED, 2)
    assert "after 2 attempts: its process ended with code -9" in job.state_message
    assert not job.HasField("output")


def test_a_job_that_is_dispatched_twice_runs_once(
    settings: Settings, ledger: Ledger, queue_models: QueueModels, models_spec: ModelsSpecs
) -> None:
    name = queue_models(models_spec((2, 2, 1)))

    async def steps(supervisor: Supervisor) -> None:
        supervisor.dispatch(name, "models")
        supervisor.dispatch(name, "models")
        await _until(lambda: bool(ledger.get(name).job.HasField("end_time")))
        await asyncio.gather(*supervisor._tasks.values())

    _supervised(settings, ledger, steps)
    job = ledger.get(name).job
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_SUCCEEDED, 1)


def test_a_job_that_another_server_took_over_is_left_to_it(
    settings: Settings, ledger: Ledger, queue_models: QueueModels, models_spec: ModelsSpecs
) -> None:
    name = queue_models(models_spec(LARGE))
    second = queue_models(models_spec(LARGE, seed=1))

    async def steps(supervisor: Supervisor) -> None:
        supervisor.dispatch(name, "models")
        await _until(lambda: ledger.get(name).job.progress.tile_count > 0)
        with ledger._engine.begin() as connection:  # as if its lease had run out
            connection.exec_driver_sql("UPDATE jobs SET lease_until = 0")
        ledger.begin_attempt(name, "another server", PATIENCE_SECONDS)
        await asyncio.gather(*supervisor._tasks.values())
        supervisor.dispatch(second, "models")
        await _until(lambda: ledger.get(second).job.state == job_pb2.JOB_STATE_RUNNING)

    _supervised(settings, ledger, steps)
    job = ledger.get(name).job
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_RUNNING, 2)
    # the supervisor closed while the other ran
    job = ledger.get(second).job
    assert job.state == job_pb2.JOB_STATE_QUEUED
    assert "interrupted" in job.state_message
    assert workers_of(settings.home) == []


def test_a_kind_that_nobody_runs_fails(
    settings: Settings, ledger: Ledger, queue_models: QueueModels, models_spec: ModelsSpecs
) -> None:
    name = queue_models(models_spec())

    async def steps(supervisor: Supervisor) -> None:
        supervisor.dispatch(name, "no-such-kind")
        await asyncio.gather(*supervisor._tasks.values())

    _supervised(settings, ledger, steps)
    job = ledger.get(name).job
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert "no-such-kind" in job.state_message


def test_a_job_whose_process_cannot_be_started_fails(
    settings: Settings, ledger: Ledger, queue_models: QueueModels, models_spec: ModelsSpecs
) -> None:
    name = queue_models(models_spec())
    (settings.home / "logs").write_text("a file where the folder should be")

    async def steps(supervisor: Supervisor) -> None:
        supervisor.dispatch(name, "models")
        await asyncio.gather(*supervisor._tasks.values())

    _supervised(settings, ledger, steps)
    job = ledger.get(name).job
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert "could not be started" in job.state_message


def test_jobs_that_nobody_works_on_are_adopted(
    settings: Settings,
    ledger: Ledger,
    queue_models: QueueModels,
    models_spec: ModelsSpecs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cryolattice.jobs.supervisor._CREATOR_SECONDS", 1.0)
    queued, abandoned, cancelling = (queue_models(models_spec(seed=seed)) for seed in range(3))
    strange = queue_models(models_spec(seed=3))
    ledger.begin_attempt(abandoned, "dead", 0.0)
    ledger.begin_attempt(cancelling, "dead", 60.0)
    ledger.cancel(cancelling)
    ledger.renew_lease(cancelling, "dead", 0.0)
    ledger.begin_attempt(strange, "alive", 600.0)

    async def steps(supervisor: Supervisor) -> None:
        adopting = asyncio.create_task(supervisor.adopt(["models", "sweep"]))
        adopted = (queued, abandoned, cancelling)
        await _until(lambda: all(ledger.get(name).job.HasField("end_time") for name in adopted))
        adopting.cancel()

    _supervised(settings, ledger, steps)
    ended = [ledger.get(name).job for name in (queued, abandoned, cancelling, strange)]
    assert [(job.state, job.attempt) for job in ended] == [
        (job_pb2.JOB_STATE_SUCCEEDED, 1),
        (job_pb2.JOB_STATE_SUCCEEDED, 2),
        (job_pb2.JOB_STATE_CANCELLED, 1),
        (job_pb2.JOB_STATE_RUNNING, 1),
    ]


def test_a_round_that_fails_does_not_end_adopting(
    settings: Settings,
    ledger: Ledger,
    queue_models: QueueModels,
    models_spec: ModelsSpecs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = queue_models(models_spec())
    ledger.begin_attempt(name, "dead", 0.0)
    adoptable = ledger.adoptable
    rounds: list[int] = []

    def fail_once(kinds: Iterable[str], waited_seconds: float, limit: int) -> list[job_pb2.Job]:
        rounds.append(limit)
        if len(rounds) == 1:
            raise sa.exc.ProgrammingError("SELECT", {}, Exception("the tables are being altered"))
        return adoptable(kinds, waited_seconds, limit)

    monkeypatch.setattr(ledger, "adoptable", fail_once)

    async def steps(supervisor: Supervisor) -> None:
        adopting = asyncio.create_task(supervisor.adopt(["models"]))
        await _until(lambda: adopting.done() or ledger.get(name).job.HasField("end_time"))
        adopting.cancel()

    _supervised(settings, ledger, steps)
    assert ledger.get(name).job.state == job_pb2.JOB_STATE_SUCCEEDED


def test_a_process_that_starts_while_all_are_ended_ends_too(
    settings: Settings, queue_models: QueueModels, models_spec: ModelsSpecs
) -> None:
    name = queue_models(models_spec(LARGE))

    async def run() -> None:
        processes = Processes(settings, settings.home / "logs")
        asked = asyncio.create_task(processes.ask_worker({"job": name}))
        await asyncio.sleep(0)
        await processes.close()
        with pytest.raises(ProcessEndedError, match="code -15"):
            await asked
        assert processes.count == 0

    asyncio.run(run())


def test_a_question_of_two_servers_is_computed_once(
    settings: Settings, ledger: Ledger, queue_models: QueueModels, models_spec: ModelsSpecs
) -> None:
    names = [queue_models(models_spec(MIDDLING)) for _ in range(2)]
    other = Supervisor(settings, ledger, Processes(settings))

    async def steps(supervisor: Supervisor) -> None:
        try:
            supervisor.dispatch(names[0], "models")
            other.dispatch(names[1], "models")
            await _until(lambda: all(ledger.get(name).job.HasField("end_time") for name in names))
        finally:
            await other.close()

    _supervised(settings, ledger, steps)
    first, second = sorted(
        (ledger.get(name).job for name in names), key=lambda job: job.end_time.ToNanoseconds()
    )
    assert first.state == second.state == job_pb2.JOB_STATE_SUCCEEDED
    assert first.output == second.output
    assert (first.progress.reused, second.progress.reused) == (0, second.progress.tile_count)
    messages = [job.state_message for _, job in ledger.events(second.name, 0)]
    assert not any("building" in message for message in messages)


def test_a_job_that_two_servers_dispatch_runs_once(
    settings: Settings, ledger: Ledger, queue_models: QueueModels, models_spec: ModelsSpecs
) -> None:
    name = queue_models(models_spec(MIDDLING))
    other = Supervisor(settings, ledger, Processes(settings))

    async def steps(supervisor: Supervisor) -> None:
        try:
            for each in (supervisor, other):
                each.dispatch(name, "models")
            await asyncio.gather(*supervisor._tasks.values(), *other._tasks.values())
        finally:
            await other.close()

    _supervised(settings, ledger, steps)
    assert ledger.get(name).job.attempt == 1
    assert ledger.get(name).job.state == job_pb2.JOB_STATE_SUCCEEDED
