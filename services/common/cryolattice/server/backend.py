"""What every servicer works with."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID, uuid4

import structlog
from google.protobuf.message import Message

from cryolattice.canonical import canonical_json, dataset_id, spec_sha256
from cryolattice.errors import DatasetNotCommittedError, InvalidInputError
from cryolattice.jobs.kinds import Inputs, JobKind, Service
from cryolattice.jobs.runner import dataset_ref, input_digests
from cryolattice.jobs.supervisor import Supervisor
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.names import parse_project, resource_name
from cryolattice.settings import Settings
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.reader import DatasetReader
from cryolattice.telemetry.tracing import current_traceparent
from cryolattice_api.common.v1 import job_pb2

log = structlog.get_logger()


class CreateRequest(Protocol):
    """The fields that every ``Create...JobRequest`` has."""

    parent: str
    request_id: str
    validate_only: bool

    @property
    def spec(self) -> Message:
        """What to do."""

    @property
    def labels(self) -> Mapping[str, str]:
        """The caller's marks."""


@dataclass
class Backend:
    """Settings, store, ledger and the processes of one server."""

    settings: Settings
    root: ArrayStore
    ledger: Ledger
    supervisor: Supervisor
    services: tuple[Service, ...]

    @property
    def inputs(self) -> Inputs:
        """Opens referenced datasets."""
        return Inputs(self.root)

    async def create_job(
        self, service: str, kind: JobKind, request: CreateRequest
    ) -> tuple[job_pb2.Job | None, job_pb2.JobEstimate]:
        """Check a request, store its job and have it run.

        Returns
        -------
        job, estimate
            The job is None when the request asks only for validation.

        Raises
        ------
        CryolatticeError
            What is wrong with the request.
        """
        identifier = f"{kind.name}-{uuid4().hex[:12]}"
        job, estimate = await asyncio.to_thread(self._store_job, service, kind, request, identifier)
        # an earlier job of the same request has a server that runs it
        new = job is not None and job.name.endswith(identifier)
        if job is not None:
            log.info("job created", job=job.name, kind=kind.name, answered=job.HasField("output"))
        if job is not None and new and job.state == job_pb2.JOB_STATE_QUEUED:
            self.supervisor.dispatch(job.name, kind.name)
        return job, estimate

    def _store_job(
        self, service: str, kind: JobKind, request: CreateRequest, job_id: str
    ) -> tuple[job_pb2.Job | None, job_pb2.JobEstimate]:
        project = parse_project(request.parent)
        _check_uuid(request.request_id)
        spec = kind.spec()
        spec.CopyFrom(request.spec)
        estimate = kind.prepare(spec, self.inputs)
        inputs = input_digests(spec)
        identifier = dataset_id(kind.output_kind, canonical_json(spec), list(inputs))
        committed = self._committed(kind.output_kind, identifier)
        if committed is not None:
            estimate.committed.CopyFrom(dataset_ref(self.root, project, committed))
        if request.validate_only:
            return None, estimate
        job = job_pb2.Job(
            name=resource_name(project, "jobs", job_id),
            kind=kind.name,
            spec_sha256=spec_sha256(spec),
            state=job_pb2.JOB_STATE_QUEUED,
            state_message="queued",
            labels=dict(request.labels),
        )
        job.spec.Pack(spec)
        if committed is not None:
            created_at = committed.manifest.created_at
            self.ledger.register_dataset(project, kind.output_kind, identifier, created_at)
            job.state = job_pb2.JOB_STATE_SUCCEEDED
            job.state_message = "the same question was answered before"
            job.progress.tile_count = job.progress.reused = max(1, estimate.tile_count)
            job.progress.succeeded = job.progress.tile_count
            job.output.CopyFrom(estimate.committed)
        traceparent = current_traceparent()
        traceparents = (traceparent,) if traceparent else ()
        record = self.ledger.create(
            JobRecord(job, service, kind.output_kind, identifier, 0.0, traceparents),
            request_id=request.request_id,
            request_sha256=_body_sha256(request, kind),
        )
        return record.job, estimate

    def _committed(self, kind: str, identifier: str) -> DatasetReader | None:
        try:
            return DatasetReader.open(self.root, kind, identifier)
        except DatasetNotCommittedError:
            return None


def _check_uuid(request_id: str) -> None:
    if not request_id:
        return
    try:
        UUID(request_id)
    except ValueError as error:
        raise InvalidInputError(
            f"request_id is {request_id!r}: give a UUID, or leave it out", field="request_id"
        ) from error


def _body_sha256(request: CreateRequest, kind: JobKind) -> str:
    body = hashlib.sha256(kind.name.encode())
    body.update(request.spec.SerializeToString(deterministic=True))
    body.update(repr(sorted(request.labels.items())).encode())
    return body.hexdigest()
