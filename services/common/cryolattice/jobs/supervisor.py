"""Where a server's jobs run: warm workers, or a child process for those with tiles."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import structlog
from google.rpc import status_pb2

from cryolattice.error_status import from_status, to_status
from cryolattice.errors import (
    ConflictError,
    CryolatticeError,
    InternalError,
    JobCancelledError,
    JobNotActiveError,
    JobNotFoundError,
    UnreadableFileError,
)
from cryolattice.jobs.kinds import find_kind, installed_services
from cryolattice.jobs.slots import Slots
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import TERMINAL
from cryolattice.names import parse_resource
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.dataset_service_pb2 import UploadHeader

log = structlog.get_logger()

_WORKERS = 2
_DRIVERS = 1
_DRAIN_SECONDS = 8.0
_TELL_SECONDS = 2.0
_LINE_LIMIT = 1 << 20
# what reading a file may take: a start, and a slow disk and store
_READ_SECONDS = 60.0
_READ_BYTES_PER_SECOND = 2e6
_CRASHES = {str(-number) for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT)}


class Supervisor:
    """Starts processes for jobs and sees that none is left hanging.

    Parameters
    ----------
    settings : Settings
        Given on to the processes.
    ledger : Ledger
        Where a job is marked as failed when its process died.
    log_folder : Path, optional
        Where the processes log; on this process's standard error unless given.
    """

    def __init__(self, settings: Settings, ledger: Ledger, log_folder: Path | None = None) -> None:
        self._settings = settings
        self._ledger = ledger
        self._log_folder = log_folder
        self._idle: list[Process] = []
        self._workers = Slots(_WORKERS)
        self._drivers = Slots(_DRIVERS)
        self._processes: set[Process] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def pools(self) -> Mapping[str, Slots]:
        """Room for jobs: `worker` for those without tiles and for uploads, `driver` for tiled."""
        return {"worker": self._workers, "driver": self._drivers}

    @property
    def process_count(self) -> int:
        """Number of child processes that are alive."""
        return sum(process.returncode is None for process in list(self._processes))

    def dispatch(self, name: str, kind_name: str) -> None:
        """Run a queued job as soon as there is room."""
        task = asyncio.create_task(self._run(name, kind_name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
        async with self._workers:
            try:
                async with asyncio.timeout(seconds):
                    answer = await self._ask_worker(request)
            except TimeoutError:
                why = f"reading it was stopped after {seconds:.0f} s"
            except InternalError as error:
                if error.metadata.get("exit_code") not in _CRASHES:
                    raise
                why = "its reader crashed"
            else:
                return answer["kind"], answer["id"]
        raise UnreadableFileError(
            f"{header.file_name}: {why}; it seems to be damaged, check that it was copied "
            "completely",
            field="file",
        )

    async def close(self) -> None:
        """End every process: a driver gets time to say so in the ledger."""
        self._closing = True
        for process in list(self._processes):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        if self._processes:
            waits = [asyncio.create_task(process.wait()) for process in list(self._processes)]
            _, late = await asyncio.wait(waits, timeout=_DRAIN_SECONDS)
            for process in list(self._processes):
                if late and process.returncode is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
        # those whose process just ended say so in the ledger; the rest wait for nothing
        running = list(self._tasks)
        if running:
            await asyncio.wait(running, timeout=_TELL_SECONDS)
        for task in running:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, name: str, kind_name: str) -> None:
        attempt = 1
        try:
            service, kind = find_kind(kind_name, installed_services().values())
            async with self._drivers if kind.tiled else self._workers:
                record = await asyncio.to_thread(self._ledger.get, name)
                attempt = record.job.attempt + 1
                if record.job.state != job_pb2.JOB_STATE_QUEUED or self._closing:
                    return
                if kind.tiled:
                    await self._drive(service.name, name)
                else:
                    await self._ask_worker({"job": name})
        except (ConflictError, JobNotActiveError) as error:
            # it ended, or another server runs it
            log.info("job left alone", job=name, why=str(error))
        except CryolatticeError as error:
            await asyncio.to_thread(self._fail, name, attempt, error)
        except Exception as error:
            log.exception("job could not be started", job=name)
            failure = InternalError(
                f"the job could not be started: {type(error).__name__}: {error}"
            )
            await asyncio.to_thread(self._fail, name, attempt, failure)

    async def _drive(self, service: str, name: str) -> None:
        _, identifier = parse_resource(name, "jobs")
        with self._log_to(identifier) as log_file:
            process = await self._start(
                ["-m", f"cryolattice_{service}", "run", name],
                stdin=DEVNULL,
                stdout=log_file,
                stderr=log_file,
            )
            code = await process.wait()
            self._processes.discard(process)
        record = await asyncio.to_thread(self._ledger.get, name)
        if record.job.state not in TERMINAL and not self._closing:
            raise InternalError(
                f"the driver of the job ended with code {code} before the job did: "
                f"resume the job, or see {self._log_place(identifier)}"
            )

    async def _ask_worker(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._take_idle() or await self._start_worker()
        assert process.stdin is not None  # noqa: S101 - both were asked for as pipes
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        except (BrokenPipeError, ConnectionResetError):
            line = b""
        except BaseException:
            # nobody waits for the answer any more
            self._processes.discard(process)
            with suppress(ProcessLookupError):
                process.kill()
            # its pipes are to be closed while the loop still runs
            await process.wait()
            raise
        if not line:
            code = await process.wait()
            self._processes.discard(process)
            if "job" in request:
                record = await asyncio.to_thread(self._ledger.get, request["job"])
                if record.job.state in TERMINAL:
                    return {}
            if self._closing:
                raise JobCancelledError("interrupted: its service ended; resume it to go on")
            raise InternalError(
                f"the worker process ended with code {code} before the work was done: try again, "
                f"or see {self._log_place('workers')}",
                metadata={"exit_code": str(code)},
            )
        self._idle.append(process)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise from_status(status_pb2.Status.FromString(base64.b64decode(answer["error"])))
        return answer

    def _take_idle(self) -> Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
            self._processes.discard(process)
        return None

    async def _start_worker(self) -> Process:
        with self._log_to("workers") as log_file:
            return await self._start(
                ["-m", "cryolattice.jobs.worker"], stdin=PIPE, stdout=PIPE, stderr=log_file
            )

    async def _start(self, arguments: list[str], **streams: Any) -> Process:
        if self._closing:
            raise JobCancelledError("interrupted: its service is ending; resume it to go on")
        environment = {
            **os.environ,
            **self._settings.environment(),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "GRPC_ENABLE_FORK_SUPPORT": "0",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env=environment,
            start_new_session=True,
            limit=_LINE_LIMIT,
            **streams,
        )
        self._processes.add(process)
        return process

    @contextmanager
    def _log_to(self, name: str) -> Iterator[IO[bytes] | int]:
        if self._log_folder is None:
            yield sys.stderr.fileno()
            return
        self._log_folder.mkdir(parents=True, exist_ok=True)
        with (self._log_folder / f"{name}.log").open("ab") as log_file:
            yield log_file

    def _log_place(self, name: str) -> str:
        if self._log_folder is None:
            return "the server's log"
        return str(self._log_folder / f"{name}.log")

    def _fail(self, name: str, attempt: int, error: CryolatticeError) -> None:
        """End a job whose `attempt` died or could not begin; one that goes on elsewhere is left."""

        def change(job: job_pb2.Job) -> None:
            queued = job.state == job_pb2.JOB_STATE_QUEUED
            if job.attempt > attempt or (queued and job.attempt == attempt):
                raise ConflictError(f"{name} is at a later attempt")
            stopped = isinstance(error, JobCancelledError)
            if job.state == job_pb2.JOB_STATE_CANCELLING or stopped:
                job.state = job_pb2.JOB_STATE_CANCELLED
                job.state_message = error.message if stopped else "cancelled"
            else:
                job.state = job_pb2.JOB_STATE_FAILED
                job.state_message = error.message
                job.error.CopyFrom(to_status(error))

        try:
            self._ledger.update(name, change)
        except (ConflictError, JobNotActiveError, JobNotFoundError) as left:
            log.info("job left alone", job=name, why=str(left))
