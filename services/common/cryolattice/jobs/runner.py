"""Running one job to its end, wherever this process is."""

from __future__ import annotations

import os
from collections.abc import Callable
from uuid import uuid4

import structlog
from google.protobuf.message import Message

from cryolattice.canonical import canonical_json, dataset_id_of, references
from cryolattice.error_status import from_status, to_status
from cryolattice.errors import (
    ConflictError,
    CryolatticeError,
    InternalError,
    InvalidInputError,
    JobCancelledError,
    JobNotActiveError,
)
from cryolattice.jobs.context import LEASE_SECONDS, JobContext
from cryolattice.jobs.kinds import Inputs, JobKind, find_kind, installed_services, load_function
from cryolattice.jobs.owners import owner_prefix
from cryolattice.jobs.tiles_in_order import run_in_order
from cryolattice.ledger.ledger import Ledger
from cryolattice.names import parse_resource, resource_name
from cryolattice.settings import Settings
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.store.reader import DatasetReader, dataset_prefix
from cryolattice.store.traffic import TRAFFIC, TrafficCount
from cryolattice.store.writer import DatasetWriter
from cryolattice.telemetry.tracing import flush_traces, job_attributes, mark_failed, work_span
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef

log = structlog.get_logger()

# the database may be away for so long before hours of work are given up
_PATIENCE_SECONDS = 120.0


def dataset_ref(root: ArrayStore, project: str, reader: DatasetReader) -> DatasetRef:
    """Return the reference to a committed dataset in a project."""
    manifest = reader.manifest
    return DatasetRef(
        name=resource_name(project, "datasets", manifest.id),
        kind=manifest.kind,
        uri=f"{root.url}/{dataset_prefix(manifest.kind, manifest.id)}",
        manifest_sha256=reader.manifest_sha256,
    )


def input_digests(spec: Message) -> dict[str, str]:
    """Return the manifest digest by id of every dataset that the spec refers to."""
    return {dataset_id_of(ref): ref.manifest_sha256 for ref in references(spec)}


def run_job(
    name: str,
    settings: Settings,
    *,
    on_start: Callable[[JobContext], None] | None = None,
    owner: str = "",
) -> job_pb2.Job:
    """Run a queued job in this process until it ends, and return it.

    Parameters
    ----------
    name : str
        The job.
    settings : Settings
        Where store and ledger are.
    on_start : callable, optional
        Is given the context, for a process that wants to stop the job on a signal.
    owner : str, optional
        How the owner of its lease begins; host and process unless given.

    Raises
    ------
    JobNotActiveError
        The job has ended or is to be cancelled, or somebody works on it.
    QuestionBusyError
        Somebody works on another job that asks the same.
    """
    ledger = Ledger(settings.ledger_url, patience_seconds=_PATIENCE_SECONDS)
    root = open_store(settings.store_url)
    _, kind = find_kind(ledger.get(name).job.kind, installed_services().values())
    owner = f"{owner or owner_prefix(os.getpid())}{uuid4().hex[:8]}"
    job = ledger.begin_attempt(name, owner, LEASE_SECONDS)
    # as it was when it was begun: a resume may have come in between
    record = ledger.get(name)
    output = DatasetWriter(root, record.dataset_kind, record.dataset_id, job.attempt)
    context = JobContext(ledger, job, owner, Inputs(root), output)
    facts: dict[str, str | int] = {"job": name, "kind": job.kind, "attempt": job.attempt}
    before = TRAFFIC.count()
    try:
        with (
            structlog.contextvars.bound_contextvars(**facts),
            work_span(
                f"job {job.kind}",
                record.traceparents,
                job_attributes(name, job.kind, job.attempt),
            ),
        ):
            log.info("job begun")
            ended = _attempt(context, kind, job, settings, on_start)
            _log_end(ended)
            return ended
    finally:
        _count_traffic(context, TRAFFIC.count() - before)
        ledger.close()
        flush_traces()


def _attempt(
    context: JobContext,
    kind: JobKind,
    job: job_pb2.Job,
    settings: Settings,
    on_start: Callable[[JobContext], None] | None,
) -> job_pb2.Job:
    spec = kind.spec()
    job.spec.Unpack(spec)
    try:
        with context:
            if on_start is not None:
                on_start(context)
            committed = context.output.committed()
            reader = committed or _compute(context, kind, spec, settings)
        return _succeed(context, reader, reused=committed is not None)
    except JobNotActiveError:
        return _lost(context)
    except ConflictError as error:
        # another attempt has it, or another job writes the same dataset: its answer will do
        context.interrupt(error.message)
        return _give_back(context)
    except JobCancelledError as error:
        cancelled = job_pb2.JOB_STATE_CANCELLED
        return _give_back(context) if context.interrupted else _end(context, cancelled, error)
    except CryolatticeError as error:
        if isinstance(error, InvalidInputError):
            # the same question always fails: what was written of an answer is of no use
            context.output.discard()
        return _end(context, job_pb2.JOB_STATE_FAILED, error)
    except Exception as error:
        log.exception("job failed")
        failure = InternalError(
            f"{kind.name} job failed: {type(error).__name__}: {error}. "
            "This is a defect: please report it with the log"
        )
        return _end(context, job_pb2.JOB_STATE_FAILED, failure)


def _log_end(job: job_pb2.Job) -> None:
    failed = job.state == job_pb2.JOB_STATE_FAILED
    if failed:
        mark_failed(from_status(job.error).reason)
    write = log.warning if failed else log.info
    until = job.update_time.ToMilliseconds()
    write(
        "job ended" if job.HasField("end_time") else "job left",
        state=job_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_"),
        message=job.state_message,
        seconds=round((until - job.start_time.ToMilliseconds()) / 1000, 3),
    )


def _count_traffic(context: JobContext, moved: TrafficCount) -> None:
    try:
        context.count(
            {
                ("store_bytes", "read"): moved.read_bytes,
                ("store_bytes", "written"): moved.written_bytes,
            }
        )
    except Exception as error:
        # how the job ended matters more
        log.warning("what the job moved is not counted", error=str(error))


def _compute(
    context: JobContext, kind: JobKind, spec: Message, settings: Settings
) -> DatasetReader:
    tile_count = 0
    context.output.take_over()
    if kind.tiled:
        from cryolattice.jobs.ray_tiles import run_tiles  # noqa: PLC0415 - Ray only where needed

        tile_count = run_tiles(context, kind, spec, settings)
    elif kind.tiled_in_order:
        tile_count = run_in_order(context, load_function(kind.run)(spec, context.inputs))
    else:
        load_function(kind.run)(context, spec)
    context.finalize()
    return context.output.commit(
        spec_json=canonical_json(spec),
        inputs=input_digests(spec),
        job=context.name,
        tile_count=tile_count,
    )


def _succeed(context: JobContext, reader: DatasetReader, *, reused: bool) -> job_pb2.Job:
    project, _ = parse_resource(context.name, "jobs")
    made = reader.manifest
    context.ledger.register_dataset(project, made.kind, made.id, made.created_at)

    def change(job: job_pb2.Job) -> None:
        job.state = job_pb2.JOB_STATE_SUCCEEDED
        job.state_message = "done"
        if reused:
            job.state_message = "the same question was answered meanwhile"
            progress = job.progress
            progress.tile_count = progress.reused = max(1, progress.tile_count)
            progress.succeeded = progress.tile_count
        job.output.CopyFrom(dataset_ref(context.output.root, project, reader))

    return context.ledger.update(context.name, change, attempt=context.attempt)


def _give_back(context: JobContext) -> job_pb2.Job:
    try:
        return context.release()
    except (ConflictError, JobNotActiveError):
        return _lost(context)


def _lost(context: JobContext) -> job_pb2.Job:
    log.warning("the job has ended or another attempt has taken it over")
    return context.ledger.get(context.name).job


def _end(
    context: JobContext, state: job_pb2.JobState.ValueType, error: CryolatticeError
) -> job_pb2.Job:
    def change(job: job_pb2.Job) -> None:
        job.state = state
        job.state_message = error.message
        if state == job_pb2.JOB_STATE_FAILED:
            job.error.CopyFrom(to_status(error))

    try:
        return context.ledger.update(context.name, change, attempt=context.attempt)
    except (ConflictError, JobNotActiveError):
        return _lost(context)
