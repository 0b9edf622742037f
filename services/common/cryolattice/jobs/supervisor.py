"""Which jobs a server runs, when there is room, and again when their process died."""

from __future__ import annotations

import asyncio
import base64
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import structlog

from cryolattice.error_status import to_status
from cryolattice.errors import (
    ConflictError,
    CryolatticeError,
    InternalError,
    JobNotActiveError,
    JobNotFoundError,
    LedgerUnavailableError,
    QuestionBusyError,
    UnreadableFileError,
)
from cryolattice.jobs.kinds import JobKind, find_kind, installed_services
from cryolattice.jobs.processes import ProcessEndedError, Processes, WorkEndedError
from cryolattice.jobs.ray_drivers import RayDrivers
from cryolattice.jobs.ray_jobs import RayJobs
from cryolattice.jobs.slots import Slots
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import TERMINAL
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.dataset_service_pb2 import UploadHeader

log = structlog.get_logger()

# jobs at a time: short ones and uploads, those that go on for hours without Ray, those on Ray
_SLOTS = {"worker": 2, "enumerator": 1, "driver": 1}
_TELL_SECONDS = 2.0
_AGAIN_SECONDS = 0.5
_ADOPT_SECONDS = 1.0
# so long a queued job waits for the server that was asked for it
_CREATOR_SECONDS = 10.0
# a job whose processes die so often is not tried again by itself
_MOST_ATTEMPTS = 5
# what reading a file may take: a start, and a slow disk and store
_READ_SECONDS = 60.0
_READ_BYTES_PER_SECOND = 2e6
_CRASHES = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT}
_INTERRUPTED = "interrupted: its service ended; resume it to go on"


class Supervisor:
    """Runs jobs of the ledger in processes of its own.

    Parameters
    ----------
    settings : Settings
        Given on to the processes.
    ledger : Ledger
        Where the jobs are.
    processes : Processes
        Ended with it.
    """

    def __init__(self, settings: Settings, ledger: Ledger, processes: Processes) -> None:
        self._ledger = ledger
        self._processes = processes
        self._drive: Callable[[str, str], Awaitable[None]] = self._processes.drive
        if settings.ray_jobs_url:
            self._drive = RayDrivers(RayJobs(settings.ray_jobs_url), ledger, settings).drive
        self._pools = {pool: Slots(total) for pool, total in _SLOTS.items()}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: dict[str, str] = {}
        self._closing = False

    @property
    def pools(self) -> Mapping[str, Slots]:
        """Room for jobs: `driver` on Ray, `enumerator` for hours, `worker` for the rest."""
        return self._pools

    @property
    def process_count(self) -> int:
        """Number of child processes that are alive."""
        return self._processes.count

    def dispatch(self, name: str, kind_name: str) -> None:
        """Run a queued or abandoned job as soon as there is room."""
        if name in self._tasks:
            # its last run is just ending, and may have seen the job as it was before
            self._again[name] = kind_name
            return
        task = asyncio.create_task(self._run(name, kind_name))
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._run_ended(name))

    def _run_ended(self, name: str) -> None:
        del self._tasks[name]
        kind_name = self._again.pop(name, "")
        if kind_name and not self._closing:
            self.dispatch(name, kind_name)

    async def adopt(self, kinds: Iterable[str]) -> None:
        """Take on jobs of these kinds that nobody works on, until cancelled."""
        services = installed_services().values()
        names: dict[str, list[str]] = {}
        for name in kinds:
            names.setdefault(_pool_of(find_kind(name, services)[1]), []).append(name)
        while True:
            await asyncio.sleep(_ADOPT_SECONDS)
            for pool, of_pool in names.items():
                slots = self._pools[pool]
                room = slots.total - slots.busy - slots.waiting
                if room > 0:
                    try:
                        await self._adopt(of_pool, room)
                    except Exception as error:
                        # whatever it is, the next round may find it mended
                        log.warning("no job could be adopted", error=str(error))

    async def _adopt(self, kinds: list[str], room: int) -> None:
        # those that wait here for another job with their question need no room
        limit = room + len(self._tasks)
        jobs = await asyncio.to_thread(self._ledger.adoptable, kinds, _CREATOR_SECONDS, limit)
        for job in [job for job in jobs if job.name not in self._tasks][:room]:
            log.info("job adopted", job=job.name, attempt=job.attempt)
            self.dispatch(job.name, job.kind)

    async def ingest(
        self, header: UploadHeader, path: Path, companions: Mapping[str, Path]
    ) -> tuple[str, str]:
        """Read an uploaded file in a worker; return kind and id of the committed dataset.

        Raises
        ------
        UnreadableFileError
            Its reader crashed, or did not come to an end: damaged HDF5 files can do that.
        CryolatticeError
            What the reader found wrong.
        """
        request = {
            "header": base64.b64encode(header.SerializeToString()).decode(),
            "path": str(path),
            "companions": {name: str(beside) for name, beside in companions.items()},
        }
        seconds = _READ_SECONDS + path.stat().st_size / _READ_BYTES_PER_SECOND
        async with self._pools["worker"]:
            try:
                async with asyncio.timeout(seconds):
                    answer = await self._processes.ask_worker(request)
            except TimeoutError:
                why = f"reading it was stopped after {seconds:.0f} s"
            except ProcessEndedError as error:
                if error.exit_code not in _CRASHES:
                    raise InternalError(f"{header.file_name} was not read: {error}") from error
                why = "its reader crashed"
            else:
                return answer["kind"], answer["id"]
        raise UnreadableFileError(
            f"{header.file_name}: {why}; it seems to be damaged, check that it was copied "
            "completely",
            field="file",
        )

    async def close(self) -> None:
        """End every process; jobs that were at work go back to the queue."""
        self._closing = True
        await self._processes.close()
        # those whose process just ended say so in the ledger; the rest wait for nothing
        running = list(self._tasks.values())
        if running:
            await asyncio.wait(running, timeout=_TELL_SECONDS)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, name: str, kind_name: str) -> None:
        try:
            service, kind = find_kind(kind_name, installed_services().values())
            tries = 0
            while tries < _MOST_ATTEMPTS and not self._closing:
                try:
                    if await self._wait_for_same(name):
                        async with self._pools[_pool_of(kind)]:
                            if await self._work(service.name, kind, name):
                                return
                        tries += 1
                except (LedgerUnavailableError, QuestionBusyError) as error:
                    log.info("job waits", job=name, why=error.message)
                await asyncio.sleep(_AGAIN_SECONDS)
            if not self._closing:
                raise InternalError(f"the job could not be begun {tries} times: see the log")
        except (ConflictError, JobNotActiveError, JobNotFoundError) as error:
            # it ended, or another server runs it
            log.info("job left alone", job=name, why=error.message)
        except CryolatticeError as error:
            await asyncio.to_thread(self._fail, name, error)
        except Exception as error:
            log.exception("job could not be started", job=name)
            failure = InternalError(
                f"the job could not be started: {type(error).__name__}: {error}"
            )
            await asyncio.to_thread(self._fail, name, failure)

    async def _wait_for_same(self, name: str) -> bool:
        """Return whether nobody works on the same question; say so in the job where they do."""
        other = await asyncio.to_thread(self._ledger.busy_with, name)
        if not other:
            return True
        message = f"waiting for {other}, which asks the same"
        await asyncio.to_thread(self._ledger.say_why_queued, name, message)
        return False

    async def _work(self, service: str, kind: JobKind, name: str) -> bool:
        """Run one attempt; return whether the job needs nobody here any more."""
        record = await asyncio.to_thread(self._ledger.get, name)
        if record.job.state in TERMINAL or record.held or self._closing:
            return True
        if record.job.state == job_pb2.JOB_STATE_CANCELLING:
            # whoever was to stop it is gone
            await asyncio.to_thread(self._ledger.cancel, name)
            return True
        died: WorkEndedError | None = None
        try:
            if kind.tiled:
                await self._drive(service, name)
            else:
                await self._processes.ask_worker({"job": name})
        except WorkEndedError as error:
            died = error
        if died is not None:
            record = await asyncio.to_thread(self._ledger.get, name)
            left = record.held or record.abandoned
            if left and record.owner.startswith(died.owner_prefix):
                await self._give_back(name, record.job.attempt, str(died))
        record = await asyncio.to_thread(self._ledger.get, name)
        return record.job.state in TERMINAL or record.held

    async def _give_back(self, name: str, attempt: int, why: str) -> None:
        """Queue a job again whose process here died at work."""
        if self._closing:
            why = _INTERRUPTED
        elif attempt >= _MOST_ATTEMPTS:
            failure = InternalError(f"after {attempt} attempts: {why}")
            await asyncio.to_thread(self._fail, name, failure, at_work=True)
            return
        else:
            why = f"{why}; tried again"
            log.warning("job goes back to the queue", job=name, attempt=attempt, why=why)
        await asyncio.to_thread(self._ledger.release, name, attempt, why)

    def _fail(self, name: str, error: CryolatticeError, *, at_work: bool = False) -> None:
        """End a job that cannot be run here; one that somebody else works on is left to them."""

        def change(job: job_pb2.Job) -> None:
            if job.state == job_pb2.JOB_STATE_CANCELLING:
                job.state, job.state_message = job_pb2.JOB_STATE_CANCELLED, "cancelled"
            else:
                job.state = job_pb2.JOB_STATE_FAILED
                job.state_message = error.message
                job.error.CopyFrom(to_status(error))

        try:
            if at_work or not self._ledger.get(name).held:
                self._ledger.update(name, change)
        except CryolatticeError as left:
            log.info("job left alone", job=name, why=left.message)


def _pool_of(kind: JobKind) -> str:
    if kind.tiled:
        return "driver"
    return "enumerator" if kind.tiled_in_order else "worker"
