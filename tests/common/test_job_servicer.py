"""Jobs over a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import grpc
import pytest

from cryolattice.client.connection import Connection
from cryolattice.errors import (
    CompositionError,
    InvalidInputError,
    JobNotActiveError,
    JobNotFoundError,
    RequestIdReusedError,
    UnreadableFileError,
)
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice_api.common.v1 import (
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
)
from cryolattice_api.modeler.v1 import modeler_pb2

if TYPE_CHECKING:
    from tests.common.conftest import ModelsSpecs


@pytest.fixture(scope="module")
def jobs(channel: grpc.Channel) -> job_service_pb2_grpc.JobServiceStub:
    return job_service_pb2_grpc.JobServiceStub(channel)


@pytest.fixture(scope="module")
def shared(lab: Connection) -> Iterator[Ledger]:
    """The server's own ledger, as another process sees it."""
    ledger = Ledger(lab.settings.ledger_url)
    yield ledger
    ledger.close()


def _stored(lab: Connection) -> set[Path]:
    return {path for path in (lab.settings.home / "store").rglob("*") if path.is_file()}


def _begun(ledger: Ledger) -> str:
    """Make a job that this test works on."""
    name = f"projects/default/jobs/{uuid4().hex[:12]}"
    job = job_pb2.Job(name=name, kind="models", state=job_pb2.JOB_STATE_QUEUED)
    job.spec.Pack(modeler_pb2.ModelsSpec(seed=5))
    record = JobRecord(job, "modeler", "models", uuid4().hex, 0.0)
    ledger.create(record, request_id="", request_sha256="")
    ledger.begin_attempt(name, "test", 60.0)
    return name


def _end(ledger: Ledger, name: str) -> None:
    def change(job: job_pb2.Job) -> None:
        job.state = job_pb2.JOB_STATE_SUCCEEDED

    ledger.update(name, change, attempt=1)


def test_validation_creates_nothing(lab: Connection, models_spec: ModelsSpecs) -> None:
    before = _stored(lab), len(lab.list_jobs(1000))
    request = modeler_pb2.CreateModelsJobRequest(
        parent=lab.parent, spec=models_spec((2, 2, 1), seed=100), validate_only=True
    )
    response = lab.call(lab.modeler.CreateModelsJob, request)
    assert not response.HasField("job")
    assert response.estimate.store_bytes > 0
    assert response.estimate.core_seconds > 0
    assert not response.estimate.HasField("committed")
    assert (_stored(lab), len(lab.list_jobs(1000))) == before
    request.spec.supercell.a = 1  # 6 sites of which a third cannot be vacant
    request.spec.supercell.b = 1
    request.spec.supercell.c = 1
    request.spec.parent_crystal.cif = request.spec.parent_crystal.cif.replace(
        "0.6666", "0.61"
    ).replace("0.6667", "0.61")
    with pytest.raises(CompositionError):
        lab.call(lab.modeler.CreateModelsJob, request)
    request.spec.parent_crystal.cif = "data_x loop_"
    with pytest.raises(UnreadableFileError) as caught:
        lab.call(lab.modeler.CreateModelsJob, request)
    assert caught.value.field == "parent_crystal.cif", "parent is the project"


def test_the_second_identical_question_is_answered_at_once(
    lab: Connection, models_spec: ModelsSpecs
) -> None:
    spec = models_spec(seed=101)
    first = lab.run_job(lab.modeler.CreateModelsJob, modeler_pb2.CreateModelsJobRequest(spec=spec))
    request = modeler_pb2.CreateModelsJobRequest(parent=lab.parent, spec=spec)
    request.spec.parent_crystal.file_name = "renamed.cif"
    response = lab.call(lab.modeler.CreateModelsJob, request)
    job = response.job
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert job.progress.reused == job.progress.tile_count == job.progress.succeeded > 0
    assert job.HasField("end_time")
    assert job.output == first == response.estimate.committed
    other = modeler_pb2.CreateModelsJobRequest(parent="projects/elsewhere", spec=spec)
    output = lab.call(lab.modeler.CreateModelsJob, other).job.output
    assert output.name.startswith("projects/elsewhere/datasets/")
    assert output.manifest_sha256 == first.manifest_sha256


def test_a_request_id_makes_one_job(lab: Connection, models_spec: ModelsSpecs) -> None:
    request = modeler_pb2.CreateModelsJobRequest(
        parent=lab.parent, spec=models_spec(seed=102), request_id=str(uuid4())
    )
    name = lab.call(lab.modeler.CreateModelsJob, request).job.name
    assert lab.call(lab.modeler.CreateModelsJob, request).job.name == name
    *_, job = lab.watch_job(name)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert job.attempt == 1
    assert lab.call(lab.modeler.CreateModelsJob, request).job == job
    request.labels["batch"] = "7"
    with pytest.raises(RequestIdReusedError):
        lab.call(lab.modeler.CreateModelsJob, request)
    request.request_id = "not a uuid"
    with pytest.raises(InvalidInputError, match="UUID"):
        lab.call(lab.modeler.CreateModelsJob, request)


def test_a_failed_job_raises_what_was_wrong(lab: Connection, models_spec: ModelsSpecs) -> None:
    spec = models_spec(seed=103)
    spec.ordering_ids.append("no-such-ordering")
    request = modeler_pb2.CreateModelsJobRequest(spec=spec)
    with pytest.raises(InvalidInputError, match="no-such-ordering") as caught:
        lab.run_job(lab.modeler.CreateModelsJob, request)
    assert caught.value.field == "ordering_ids"
    job = lab.list_jobs(1)[0]
    assert job.state == job_pb2.JOB_STATE_FAILED
    with pytest.raises(JobNotActiveError):
        lab.cancel_job(job.name)
    assert lab.resume_job(job.name).state == job_pb2.JOB_STATE_QUEUED
    *_, job = lab.watch_job(job.name)
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_FAILED, 2)
    lab.delete_job(job.name)
    with pytest.raises(JobNotFoundError):
        lab.get_job(job.name)


def test_watching_begins_with_a_snapshot_and_resumes(
    shared: Ledger, jobs: job_service_pb2_grpc.JobServiceStub
) -> None:
    name = _begun(shared)
    for done in (1, 2, 3):

        def change(job: job_pb2.Job, done: int = done) -> None:
            job.progress.succeeded = done

        shared.update(name, change, attempt=1)
    watched = jobs.WatchJob(job_service_pb2.WatchJobRequest(name=name))
    first = next(iter(watched))
    assert first.job == shared.get(name).job, "a watcher begins with the present state"
    _end(shared, name)
    rest = list(watched)
    assert not any(response.job.HasField("spec") for response in rest), "said once"
    assert [response.job.state for response in rest] == [job_pb2.JOB_STATE_SUCCEEDED]
    every = shared.events(name, 0)
    after = every[2][0]
    request = job_service_pb2.WatchJobRequest(name=name, after_event_id=after)
    resumed = [(response.event_id, response.job) for response in jobs.WatchJob(request)]
    assert resumed[0][1].spec == first.job.spec, "as every stream begins"
    resumed[0][1].ClearField("spec")
    assert resumed == every[3:]
    request.after_event_id = every[-1][0]
    assert list(jobs.WatchJob(request)) == []
    request.name = "projects/default/jobs/nope"
    with pytest.raises(grpc.RpcError) as caught:
        list(jobs.WatchJob(request))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_no_watcher_misses_the_end(lab: Connection, shared: Ledger) -> None:
    names = [_begun(shared) for _ in range(100)]
    begun = threading.Barrier(len(names) + 1)

    def last(name: str) -> job_pb2.JobState.ValueType:
        watched = lab.watch_job(name)
        job = next(watched)
        begun.wait()
        for seen in watched:
            job = seen
        return job.state

    with ThreadPoolExecutor(len(names)) as pool:
        states = [pool.submit(last, name) for name in names]
        begun.wait()
        for name in names:
            _end(shared, name)
            time.sleep(0.01)
        assert {state.result() for state in states} == {job_pb2.JOB_STATE_SUCCEEDED}


def test_an_etag_of_an_earlier_job_is_refused(
    shared: Ledger, jobs: job_service_pb2_grpc.JobServiceStub
) -> None:
    name = _begun(shared)
    calls = (
        (jobs.CancelJob, job_service_pb2.CancelJobRequest(name=name, etag="1")),
        (jobs.ResumeJob, job_service_pb2.ResumeJobRequest(name=name, etag="1")),
        (jobs.DeleteJob, job_service_pb2.DeleteJobRequest(name=name, etag="1")),
    )
    for method, request in calls:
        with pytest.raises(grpc.RpcError) as caught:
            method(request)
        assert caught.value.code() == grpc.StatusCode.ABORTED
    request = job_service_pb2.CancelJobRequest(name=name, etag=shared.get(name).job.etag)
    assert jobs.CancelJob(request).job.state == job_pb2.JOB_STATE_CANCELLING
