"""Drivers that run on the head of a Ray cluster, next to the tiles that they see to.

A driver needs no server once it runs: it holds the job's lease, and goes on when the server that
submitted it ends. Whoever finds its lease run out takes the job on.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from uuid import uuid4

import structlog

from cryolattice.errors import JobNotFoundError, LedgerUnavailableError, RayUnavailableError
from cryolattice.jobs.driver_places import driver_options, refusal
from cryolattice.jobs.processes import WorkEndedError
from cryolattice.jobs.ray_jobs import TOKEN_FIELD, RayJobs, Submission
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import TERMINAL, JobRecord
from cryolattice.names import parse_resource
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2

log = structlog.get_logger()

_POLL_SECONDS = 1.0
# a cluster that is made anew is waited for
_CLUSTER_SECONDS = 600.0
# a driver stops by itself when its job is cancelled; one that has not by now is ended
_CANCEL_SECONDS = 3.5
# how long a cluster may be silent before a driver that holds no lease yet is given up
_SILENT_SECONDS = 60.0


class RayDrivers:
    """Runs the drivers of tiled jobs by the Ray Jobs API.

    The cluster's head has the code of the services, and the same store and ledger in its
    environment.

    Parameters
    ----------
    jobs : RayJobs
        The cluster.
    ledger : Ledger
        Tells who holds a job, and that it is cancelled.
    settings : Settings
        Where this server has store and ledger.
    """

    def __init__(self, jobs: RayJobs, ledger: Ledger, settings: Settings) -> None:
        self._jobs = jobs
        self._ledger = ledger
        self._options = driver_options(settings)

    async def drive(self, service: str, name: str) -> None:
        """Run a tiled job on the cluster until its driver has ended.

        Raises
        ------
        WorkEndedError
            The driver is gone: it died, or the cluster with it.
        RayUnavailableError
            There has been no cluster for ten minutes, or it refuses the token.
        PreconditionError
            The head has another store or ledger.
        """
        _, identifier = parse_resource(name, "jobs")
        submission = f"{identifier}-{uuid4().hex[:8]}"
        command = f"cryolattice-{service} run {name} --owner {submission} {self._options}"
        if await self._submit(submission, command, name):
            log.info("driver submitted", job=name, submission=submission)
            await asyncio.to_thread(self._ledger.say_why_queued, name, "starting on Ray")
            await _Watch(self._jobs, self._ledger, name, submission).until_ended()

    async def _submit(self, submission: str, command: str, name: str) -> bool:
        """Submit a driver once there is a cluster; return False where the job ended meanwhile."""
        deadline = time.monotonic() + _CLUSTER_SECONDS
        while True:
            try:
                await asyncio.to_thread(self._jobs.submit, submission, command)
            except RayUnavailableError as error:
                # waiting does not mend a token
                if error.field == TOKEN_FIELD or time.monotonic() > deadline:
                    raise
                log.info("driver not submitted", job=name, error=error.message)
                message = f"waiting for the Ray cluster at {self._jobs.url}"
                await asyncio.to_thread(self._ledger.say_why_queued, name, message)
            else:
                return True
            await asyncio.sleep(_POLL_SECONDS)
            record = await asyncio.to_thread(self._ledger.get, name)
            if record.job.state in TERMINAL or record.held:
                return False
            if await self._is_known(submission):
                # the answer to its submission got lost
                return True

    async def _is_known(self, submission: str) -> bool:
        try:
            return await asyncio.to_thread(self._jobs.find, submission) is not None
        except RayUnavailableError:
            return False


class _Watch:
    """Follows one submitted driver by what cluster and ledger say of it."""

    def __init__(self, jobs: RayJobs, ledger: Ledger, name: str, submission: str) -> None:
        self._jobs = jobs
        self._ledger = ledger
        self._name = name
        self._submission = submission
        self._heard = time.monotonic()
        self._begun = False
        self._to_stop_since: float | None = None

    async def until_ended(self) -> None:
        """Return when the driver has ended well; errors as `RayDrivers.drive`."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                record = await asyncio.to_thread(self._ledger.get, self._name)
            except JobNotFoundError:
                # deleted: the driver finds out itself
                return
            except LedgerUnavailableError as error:
                log.warning("driver not followed", job=self._name, error=error.message)
                continue
            held = record.held and record.owner.startswith(self._submission)
            self._begun = self._begun or held
            try:
                found = await asyncio.to_thread(self._jobs.find, self._submission)
                self._heard = time.monotonic()
                await self._stop_where_due(record)
            except RayUnavailableError as error:
                silent_too_long = time.monotonic() - self._heard > _SILENT_SECONDS
                if not held and (self._begun or silent_too_long):
                    raise self._gone(error.message) from error
                continue
            if found is None:
                raise self._gone("the Ray cluster that it ran on is gone")
            if found.ended:
                await self._ended(found)
                return

    async def _stop_where_due(self, record: JobRecord) -> None:
        state = record.job.state
        if state not in {*TERMINAL, job_pb2.JOB_STATE_CANCELLING}:
            return
        self._to_stop_since = self._to_stop_since or time.monotonic()
        if time.monotonic() - self._to_stop_since >= _CANCEL_SECONDS:
            log.warning("driver is ended", job=self._name, submission=self._submission)
            await asyncio.to_thread(self._jobs.stop, self._submission)

    async def _ended(self, found: Submission) -> None:
        if found.status == "SUCCEEDED":
            return
        printed = ""
        with suppress(RayUnavailableError):
            printed = await asyncio.to_thread(self._jobs.log_end, self._submission)
        log.warning("driver ended", job=self._name, message=found.message, printed=printed)
        refused = refusal(printed)
        if refused is not None:
            raise refused
        # one that said so in the ledger, as failed or given back, is no more its owner
        raise self._gone(f"its driver on Ray ended, {found.status}")

    def _gone(self, why: str) -> WorkEndedError:
        return WorkEndedError(f"{why} (submission {self._submission})", self._submission)
