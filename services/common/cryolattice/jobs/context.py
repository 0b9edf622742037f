"""What a running job sees of the system: its inputs, its output, its progress, its end."""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import structlog

from cryolattice.errors import CryolatticeError, JobCancelledError
from cryolattice.jobs.kinds import Inputs
from cryolattice.jobs.owners import PARENT_VARIABLE
from cryolattice.ledger.increments import Key
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import TERMINAL
from cryolattice.store.writer import DatasetWriter
from cryolattice.telemetry.tracing import end_work_span, flush_traces
from cryolattice_api.common.v1 import job_pb2

LEASE_SECONDS = 30.0
_BEAT_SECONDS = 1.0
_STOP_WITHIN_SECONDS = 4.0

log = structlog.get_logger()


class JobContext:
    """Handed to a job while it runs.

    Parameters
    ----------
    ledger : Ledger
        Where progress goes.
    job : Job
        The job at its present attempt.
    owner : str
        Who holds its lease.
    inputs : Inputs
        Opens what the spec refers to.
    output : DatasetWriter
        The dataset to be committed.
    """

    def __init__(
        self,
        ledger: Ledger,
        job: job_pb2.Job,
        owner: str,
        inputs: Inputs,
        output: DatasetWriter,
    ) -> None:
        self.name = job.name
        self.kind = job.kind
        self.attempt = job.attempt
        self.inputs = inputs
        self.output = output
        self.ledger = ledger
        self._owner = owner
        self._stop = threading.Event()
        self._done = threading.Event()
        self._parent = os.environ.get(PARENT_VARIABLE, "")
        self._why = "cancelled"
        self.interrupted = False

    def __enter__(self) -> Self:
        # with the fields that the logs of this job carry
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._beat,), name="lease", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()

    def check_cancelled(self) -> None:
        """Raise `JobCancelledError` once somebody asked the job to stop."""
        if self._stop.is_set():
            raise JobCancelledError(self._why)

    def stop(self, why: str) -> None:
        """Make the job stop at its next step."""
        self._why = why
        self._stop.set()

    def interrupt(self, why: str) -> None:
        """Make the job stop at its next step and go back to the queue."""
        self.interrupted = True
        self.stop(why)

    def release(self) -> job_pb2.Job:
        """Give the job back to the queue."""
        return self.ledger.release(self.name, self.attempt, self._why)

    def progress(
        self,
        done: int,
        total: int,
        message: str = "",
        *,
        reused: int = 0,
        state: job_pb2.JobState.ValueType = job_pb2.JOB_STATE_RUNNING,
        increments: Mapping[Key, float] | None = None,
    ) -> None:
        """Record progress, and add to the sums of this kind of job.

        Raises
        ------
        JobCancelledError
            The job is to stop; nothing is recorded.
        """
        self.check_cancelled()

        def change(job: job_pb2.Job) -> None:
            if job.state == job_pb2.JOB_STATE_CANCELLING:
                raise JobCancelledError("cancelled")
            job.state = state
            job.state_message = message
            job.progress.tile_count = total
            job.progress.succeeded = done
            job.progress.reused = reused

        self.ledger.update(self.name, change, attempt=self.attempt, increments=increments)

    def count(self, increments: Mapping[Key, float]) -> None:
        """Add to the sums of this kind of job."""
        self.ledger.count(self.kind, increments)

    def finalize(self) -> None:
        """Say that the dataset is about to be committed; raise where the job is to stop."""
        self.check_cancelled()

        def change(job: job_pb2.Job) -> None:
            if job.state == job_pb2.JOB_STATE_CANCELLING:
                raise JobCancelledError("cancelled")
            job.state = job_pb2.JOB_STATE_FINALIZING
            job.state_message = "checking and committing"

        self.ledger.update(self.name, change, attempt=self.attempt)

    def _beat(self) -> None:
        stopping_since: float | None = None
        while not self._done.wait(_BEAT_SECONDS):
            try:
                mine = self.ledger.renew_lease(self.name, self._owner, LEASE_SECONDS)
                state = self.ledger.get(self.name).job.state
            except Exception as error:
                log.warning("lease not renewed", error=str(error))
                continue
            orphaned = bool(self._parent) and str(os.getppid()) != self._parent
            if mine and state != job_pb2.JOB_STATE_CANCELLING and not orphaned:
                continue
            if not self._stop.is_set():
                if orphaned and mine:
                    self.interrupt("interrupted: its service ended; resume it to go on")
                else:
                    self.stop("cancelled")
            stopping_since = stopping_since or time.monotonic()
            if time.monotonic() - stopping_since > _STOP_WITHIN_SECONDS:
                self._stop_hard()

    def _stop_hard(self) -> None:
        """End a process that is deep in a library call and cannot see that it shall stop."""

        def change(job: job_pb2.Job) -> None:
            job.state = job_pb2.JOB_STATE_CANCELLED
            job.state_message = self._why

        try:
            if self.interrupted:
                self.release()
            elif self.ledger.get(self.name).job.state not in TERMINAL:
                self.ledger.update(self.name, change, attempt=self.attempt)
        except CryolatticeError as error:
            log.warning("job is no longer this process's", error=str(error))
        finally:
            log.warning("the work was ended in the middle of a step", why=self._why)
            end_work_span()
            flush_traces()
            os._exit(3)
