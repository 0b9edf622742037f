"""Running one job to its end, wherever this process is."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from importlib import import_module
from typing import Any
from uuid import uuid4

import structlog
from google.protobuf.message import Message

from cryolattice.canonical import canonical_json, dataset_id_of, references
from cryolattice.error_status import to_status
from cryolattice.errors import (
    ConflictError,
    CryolatticeError,
    InternalError,
    InvalidInputError,
    JobCancelledError,
    JobNotActiveError,
)
from cryolattice.jobs.context import LEASE_SECONDS, JobContext
from cryolattice.jobs.kinds import Inputs, JobKind, find_kind, installed_services
from cryolattice.ledger.ledger import Ledger
from cryolattice.names import parse_resource, resource_name
from cryolattice.settings import Settings
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.store.reader import DatasetReader, dataset_prefix
from cryolattice.store.traffic import TRAFFIC, TrafficCount
from cryolattice.store.writer import DatasetWriter
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef

log = structlog.get_logger()


def load_function(path: str) -> Callable[..., Any]:
    """Return the function at ``module:function``."""
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


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
    name: str, settings: Settings, *, on_start: Callable[[JobContext], None] | None = None
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

    Raises
    ------
    JobNotActiveError
        The job has ended or somebody works on it.
    """
    ledger = Ledger(settings.ledger_url)
    root = open_store(settings.store_url)
    record = ledger.get(name)
    _, kind = find_kind(record.job.kind, installed_services().values())
    owner = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
    job = ledger.begin_attempt(name, owner, LEASE_SECONDS)
    spec = kind.spec()
    job.spec.Unpack(spec)
    output = DatasetWriter(root, record.dataset_kind, record.dataset_id, job.attempt)
    context = JobContext(ledger, job, owner, Inputs(root), output)
    before = TRAFFIC.count()
    try:
        with context:
            if on_start is not None:
                on_start(context)
            reader = output.committed() or _compute(context, kind, spec, settings)
        return _succeed(ledger, root, context, reader)
    except (ConflictError, JobNotActiveError):
        return _lost(ledger, name)
    except JobCancelledError as error:
        return _end(ledger, context, job_pb2.JOB_STATE_CANCELLED, error)
    except CryolatticeError as error:
        if isinstance(error, InvalidInputError):
            # the same question always fails: what was written of an answer is of no use
            output.discard()
        return _end(ledger, context, job_pb2.JOB_STATE_FAILED, error)
    except Exception as error:
        log.exception("job failed", job=name)
        failure = InternalError(
            f"{record.job.kind} job failed: {type(error).__name__}: {error}. "
            "This is a defect: please report it with the log"
        )
        return _end(ledger, context, job_pb2.JOB_STATE_FAILED, failure)
    finally:
        _count_traffic(context, TRAFFIC.count() - before)
        ledger.close()


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
        log.warning("what the job moved is not counted", job=context.name, error=str(error))


def _compute(
    context: JobContext, kind: JobKind, spec: Message, settings: Settings
) -> DatasetReader:
    tile_count = 0
    context.output.take_over()
    if kind.tiled:
        from cryolattice.jobs.ray_tiles import run_tiles  # noqa: PLC0415 - Ray only where needed

        tile_count = run_tiles(context, kind, spec, settings)
    else:
        load_function(kind.run)(context, spec)
    context.finalize()
    return context.output.commit(
        spec_json=canonical_json(spec),
        inputs=input_digests(spec),
        job=context.name,
        tile_count=tile_count,
    )


def _succeed(
    ledger: Ledger, root: ArrayStore, context: JobContext, reader: DatasetReader
) -> job_pb2.Job:
    project, _ = parse_resource(context.name, "jobs")
    ledger.register_dataset(project, reader.manifest.kind, reader.manifest.id)

    def change(job: job_pb2.Job) -> None:
        job.state = job_pb2.JOB_STATE_SUCCEEDED
        job.state_message = "done"
        job.output.CopyFrom(dataset_ref(root, project, reader))

    return ledger.update(context.name, change, attempt=context.attempt)


def _lost(ledger: Ledger, name: str) -> job_pb2.Job:
    log.warning("the job has ended or another attempt has taken it over", job=name)
    return ledger.get(name).job


def _end(
    ledger: Ledger, context: JobContext, state: job_pb2.JobState.ValueType, error: CryolatticeError
) -> job_pb2.Job:
    def change(job: job_pb2.Job) -> None:
        job.state = state
        job.state_message = error.message
        if state == job_pb2.JOB_STATE_FAILED:
            job.error.CopyFrom(to_status(error))

    try:
        return ledger.update(context.name, change, attempt=context.attempt)
    except (ConflictError, JobNotActiveError):
        return _lost(ledger, context.name)
