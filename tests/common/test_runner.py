from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cryolattice.error_status import from_status
from cryolattice.errors import InvalidInputError, JobNotActiveError, PreconditionError
from cryolattice.jobs.context import JobContext
from cryolattice.jobs.kinds import Inputs, find_kind, installed_services, load_function
from cryolattice.jobs.runner import run_job
from cryolattice.ledger.ledger import Ledger
from cryolattice.settings import Settings
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.reader import DatasetReader
from cryolattice.store.writer import DatasetWriter
from cryolattice_api.common.v1 import job_pb2

if TYPE_CHECKING:
    from tests.common.conftest import ModelsSpecs, QueueModels


def test_a_job_runs_to_a_committed_dataset(
    settings: Settings,
    ledger: Ledger,
    root: ArrayStore,
    queue_models: QueueModels,
    models_spec: ModelsSpecs,
) -> None:
    name = queue_models(models_spec())
    job = run_job(name, settings)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert job.attempt == 1
    assert job.output.kind == "models"
    reader = Inputs(root).open(job.output, "models", field="models")
    assert reader.manifest.job == name
    assert len(reader.json("models.json")) == len(reader.array("cell"))
    states = [event.state for _, event in ledger.events(name, 0)]
    assert states[0] == job_pb2.JOB_STATE_QUEUED
    assert states[-2:] == [job_pb2.JOB_STATE_FINALIZING, job_pb2.JOB_STATE_SUCCEEDED]
    identifier = job.output.name.rsplit("/", 1)[-1]
    assert ledger.dataset_kind("default", identifier) == "models"
    with pytest.raises(JobNotActiveError):
        run_job(name, settings)


def test_the_same_question_is_not_computed_again(
    settings: Settings, ledger: Ledger, queue_models: QueueModels, models_spec: ModelsSpecs
) -> None:
    first, second = queue_models(models_spec()), queue_models(models_spec())
    output = run_job(first, settings).output
    assert run_job(second, settings).output == output
    messages = [event.state_message for _, event in ledger.events(second, 0)]
    assert not any("building" in message for message in messages)


def test_a_users_mistake_keeps_class_and_field(
    settings: Settings, root: ArrayStore, queue_models: QueueModels, models_spec: ModelsSpecs
) -> None:
    spec = models_spec()
    spec.ordering_ids.append("no-such-ordering")
    job = run_job(queue_models(spec), settings)
    assert job.state == job_pb2.JOB_STATE_FAILED
    error = from_status(job.error)
    assert type(error) is InvalidInputError
    assert error.field == "ordering_ids"
    assert error.message == job.state_message
    assert "no-such-ordering" in error.message
    assert list(root.list("datasets")) == []


def test_nothing_is_kept_of_an_answer_that_cannot_be(
    settings: Settings,
    ledger: Ledger,
    root: ArrayStore,
    queue_models: QueueModels,
    models_spec: ModelsSpecs,
) -> None:
    spec = models_spec()
    spec.ordering_ids.append("no-such-ordering")

    def write_something(context: JobContext) -> None:
        context.output.add_json("first.json", {})

    job = run_job(queue_models(spec), settings, on_start=write_something)
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert list(root.list("datasets")) == []


def test_a_stopped_job_commits_nothing_and_can_be_resumed(
    settings: Settings,
    ledger: Ledger,
    root: ArrayStore,
    queue_models: QueueModels,
    models_spec: ModelsSpecs,
) -> None:
    name = queue_models(models_spec())
    job = run_job(name, settings, on_start=lambda context: context.stop("told to end"))
    assert (job.state, job.state_message) == (job_pb2.JOB_STATE_CANCELLED, "told to end")
    assert not job.HasField("error")
    assert not any(key.endswith("manifest.json") for key, _ in root.list("datasets"))
    ledger.requeue(name)
    job = run_job(name, settings)
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_SUCCEEDED, 2)
    identifier = job.output.name.rsplit("/", 1)[-1]
    assert DatasetReader.open(root, "models", identifier).manifest.attempt == 2


def test_an_interrupted_job_goes_back_to_the_queue(
    settings: Settings,
    ledger: Ledger,
    root: ArrayStore,
    queue_models: QueueModels,
    models_spec: ModelsSpecs,
) -> None:
    name = queue_models(models_spec())
    job = run_job(name, settings, on_start=lambda context: context.interrupt("told to end"))
    assert (job.state, job.state_message) == (job_pb2.JOB_STATE_QUEUED, "told to end")
    assert not any(key.endswith("manifest.json") for key, _ in root.list("datasets"))
    job = run_job(name, settings)
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_SUCCEEDED, 2)


def test_an_attempt_that_was_taken_over_leaves_the_job_alone(
    settings: Settings, ledger: Ledger, queue_models: QueueModels, models_spec: ModelsSpecs
) -> None:
    name = queue_models(models_spec())

    def take_over(context: JobContext) -> None:
        with ledger._engine.begin() as connection:  # as if its lease had run out
            connection.exec_driver_sql("UPDATE jobs SET lease_until = 0")
        ledger.begin_attempt(name, "somebody else", 30.0)
        context.stop("its lease has gone")

    job = run_job(name, settings, on_start=take_over)
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_RUNNING, 2)
    assert ledger.get(name).job == job


def test_a_job_whose_dataset_another_job_writes_goes_back_to_the_queue(
    settings: Settings,
    root: ArrayStore,
    queue_models: QueueModels,
    models_spec: ModelsSpecs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = queue_models(models_spec())

    def overtake(context: JobContext) -> None:
        finalize = context.finalize

        def late() -> None:
            finalize()
            DatasetWriter(root, context.output.kind, context.output.id).take_over()

        monkeypatch.setattr(context, "finalize", late)

    job = run_job(name, settings, on_start=overtake)
    assert job.state == job_pb2.JOB_STATE_QUEUED
    assert "another has taken over" in job.state_message
    assert run_job(name, settings).state == job_pb2.JOB_STATE_SUCCEEDED


def test_a_job_cancelled_behind_its_back_stays_cancelled(
    settings: Settings, ledger: Ledger, queue_models: QueueModels, models_spec: ModelsSpecs
) -> None:
    name = queue_models(models_spec())

    def abandon(context: JobContext) -> None:
        with ledger._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE jobs SET lease_until = 0")
        ledger.cancel(name)

    job = run_job(name, settings, on_start=abandon)
    assert job.state == job_pb2.JOB_STATE_CANCELLED
    assert ledger.events(name, 0)[-1][1].state == job_pb2.JOB_STATE_CANCELLED


def test_kinds_are_found_by_name() -> None:
    service, kind = find_kind("sweep", installed_services().values())
    assert (service.name, kind.tiled, kind.output_kind) == ("simulator", True, "beams")
    with pytest.raises(PreconditionError, match="no-such-kind"):
        find_kind("no-such-kind", installed_services().values())


def test_every_kind_names_a_function_that_is_there() -> None:
    names = [kind.name for service in installed_services().values() for kind in service.kinds]
    assert len(set(names)) == len(names)
    for kind in installed_services()["modeler"].kinds:
        assert callable(load_function(kind.run))
