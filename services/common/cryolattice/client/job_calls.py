"""Calls of the `JobService`, and waiting for jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from google.protobuf import any_pb2

from cryolattice.client.calling import Calling
from cryolattice.client.calls import stream
from cryolattice.client.routing import RoutedChannel, service_of
from cryolattice.error_status import from_status
from cryolattice.errors import JobCancelledError, JobNotActiveError, ServerUnavailableError
from cryolattice_api.common.v1 import (
    dataset_pb2,
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
)

_TERMINAL = {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED}
# how long a server that was there may be away, and how often it is looked for
_AWAY_SECONDS = 60.0
_RETRY_SECONDS = 1.0

OnJob = Callable[[job_pb2.Job], None]


class JobCalls(Calling):
    """Jobs of the project: messages in, messages out."""

    def get_job(self, name: str) -> job_pb2.Job:
        """Return a job."""
        request = job_service_pb2.GetJobRequest(name=name)
        job: job_pb2.Job = self.call(self._jobs.GetJob, request).job
        return job

    def list_jobs(
        self, limit: int = 100, filter_text: str = "", order_by: str = ""
    ) -> list[job_pb2.Job]:
        """Return the first jobs of the project, or of those that a filter chooses; newest first."""
        request = job_service_pb2.ListJobsRequest(
            parent=self.parent, page_size=limit, filter=filter_text, order_by=order_by
        )
        return list(self.call(self._jobs.ListJobs, request).jobs)

    def cancel_job(self, name: str) -> job_pb2.Job:
        """Ask a job to stop."""
        request = job_service_pb2.CancelJobRequest(name=name)
        job: job_pb2.Job = self.call(self._jobs.CancelJob, request).job
        return job

    def resume_job(self, name: str) -> job_pb2.Job:
        """Run a failed, cancelled or abandoned job again."""
        request = job_service_pb2.ResumeJobRequest(name=name)
        jobs = self._jobs
        if isinstance(self._channel, RoutedChannel):
            # every service can tell of a job, only its own can run it
            service = service_of(self.get_job(name).spec.type_url)
            jobs = job_service_pb2_grpc.JobServiceStub(self._channel.channels[service])
        job: job_pb2.Job = self.call(jobs.ResumeJob, request).job
        return job

    def delete_job(self, name: str) -> None:
        """Forget an ended job; its dataset stays."""
        self.call(self._jobs.DeleteJob, job_service_pb2.DeleteJobRequest(name=name))

    def watch_job(self, name: str, timeout_seconds: float | None = None) -> Iterator[job_pb2.Job]:
        """Yield the job now and after every change, until it has ended.

        A server that goes away meanwhile is waited for, and no change is missed.

        Raises
        ------
        TimeoutError
            The job has not ended in time. It goes on.
        ServerUnavailableError
            There is no server, or it has been away for too long.
        """
        self._require_server()
        begun = time.monotonic()
        request = job_service_pb2.WatchJobRequest(name=name)
        spec: any_pb2.Any | None = None
        away_since: float | None = None
        while True:
            left = None
            if timeout_seconds is not None:
                left = max(timeout_seconds - (time.monotonic() - begun), 0.0)
            try:
                for response in stream(self.address, self._jobs.WatchJob, request, left):
                    request.after_event_id, away_since = response.event_id, None
                    job = response.job
                    if job.HasField("spec"):
                        spec = job.spec
                    elif spec is not None:
                        # only the first of a stream has it
                        job.spec.CopyFrom(spec)
                    yield job
                return
            except ServerUnavailableError as error:
                if error.metadata.get("code") == "DEADLINE_EXCEEDED":
                    raise TimeoutError(f"{name} has not ended in {timeout_seconds:g} s") from None
                away_since = away_since or time.monotonic()
                if not request.after_event_id or time.monotonic() - away_since > _AWAY_SECONDS:
                    raise
                time.sleep(_RETRY_SECONDS)

    def run_job(
        self, create: Callable[..., Any], request: Any, on_job: OnJob | None = None
    ) -> dataset_pb2.DatasetRef:
        """Create a job, wait for it and return its dataset.

        Parameters
        ----------
        create : callable
            A ``Create...Job`` method of one of the stubs.
        request : Message
            Its request; project and request id are filled in.
        on_job : callable, optional
            Is called with the job after every change.

        Raises
        ------
        CryolatticeError
            Why the job was refused or failed.
        JobCancelledError
            Somebody cancelled it.
        """
        return self.wait_for(self.submit_job(create, request), on_job)

    def submit_job(self, create: Callable[..., Any], request: Any) -> job_pb2.Job:
        """Create a job and return it at once; arguments as for `run_job`."""
        request.parent = self.parent
        request.request_id = str(uuid4())
        job: job_pb2.Job = self.call(create, request).job
        return job

    def wait_for(
        self,
        job: job_pb2.Job,
        on_job: OnJob | None = None,
        timeout_seconds: float | None = None,
    ) -> dataset_pb2.DatasetRef:
        """Wait for a job and return its dataset; errors as in `run_job` and `watch_job`."""
        with self._lock:
            self._active.add(job.name)
        try:
            for changed in self.watch_job(job.name, timeout_seconds):
                job = changed
                if on_job is not None:
                    on_job(job)
        finally:
            if job.state in _TERMINAL:
                with self._lock:
                    self._active.discard(job.name)
        if job.state == job_pb2.JOB_STATE_FAILED:
            raise from_status(job.error)
        if job.state != job_pb2.JOB_STATE_SUCCEEDED:
            raise JobCancelledError(f"{job.name}: {job.state_message}", metadata={"job": job.name})
        return job.output

    def cancel_active(self) -> list[str]:
        """Cancel the jobs that this client is waiting for; return their names."""
        with self._lock:
            names = sorted(self._active)
        cancelled = []
        for name in names:
            try:
                self.cancel_job(name)
                cancelled.append(name)
            except JobNotActiveError:
                continue
        return cancelled
