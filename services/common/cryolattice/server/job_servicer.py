"""``JobService``: translates between messages and the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from cryolattice.jobs.kinds import find_kind
from cryolattice.ledger.rows import JobRecord
from cryolattice.names import parse_project
from cryolattice.server.backend import Backend
from cryolattice.server.watchers import Watchers
from cryolattice.telemetry.tracing import current_traceparent
from cryolattice_api.common.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc


def _shown(record: JobRecord) -> job_pb2.Job:
    if record.abandoned:
        record.job.state_message = (
            "its worker is gone: a server takes it on again; or resume or cancel it"
        )
    return record.job


class JobServicer(job_service_pb2_grpc.JobServiceServicer):
    """Serves the jobs of the ledger."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._ledger = backend.ledger
        self._watchers = Watchers(backend.ledger)

    async def GetJob(
        self, request: job_service_pb2.GetJobRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> job_service_pb2.GetJobResponse:
        record = await asyncio.to_thread(self._ledger.get, request.name)
        return job_service_pb2.GetJobResponse(job=_shown(record))

    async def ListJobs(
        self, request: job_service_pb2.ListJobsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> job_service_pb2.ListJobsResponse:
        project = parse_project(request.parent)
        records, token = await asyncio.to_thread(
            self._ledger.list_jobs,
            project,
            request.page_size,
            request.page_token,
            request.filter,
            request.order_by,
        )
        return job_service_pb2.ListJobsResponse(
            jobs=[_shown(record) for record in records], next_page_token=token
        )

    async def CancelJob(
        self, request: job_service_pb2.CancelJobRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> job_service_pb2.CancelJobResponse:
        job = await asyncio.to_thread(self._ledger.cancel, request.name, request.etag)
        return job_service_pb2.CancelJobResponse(job=job)

    async def ResumeJob(
        self, request: job_service_pb2.ResumeJobRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> job_service_pb2.ResumeJobResponse:
        record = await asyncio.to_thread(self._ledger.get, request.name)
        find_kind(record.job.kind, self._backend.services)
        record = await asyncio.to_thread(
            self._ledger.requeue, request.name, current_traceparent(), request.etag
        )
        self._backend.supervisor.dispatch(request.name, record.job.kind)
        return job_service_pb2.ResumeJobResponse(job=record.job)

    async def DeleteJob(
        self, request: job_service_pb2.DeleteJobRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> job_service_pb2.DeleteJobResponse:
        await asyncio.to_thread(self._ledger.delete, request.name, request.etag)
        return job_service_pb2.DeleteJobResponse()

    async def WatchJob(
        self, request: job_service_pb2.WatchJobRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[job_service_pb2.WatchJobResponse]:
        async for event_id, job in self._watchers.follow(request.name, request.after_event_id):
            yield job_service_pb2.WatchJobResponse(event_id=event_id, job=job)
