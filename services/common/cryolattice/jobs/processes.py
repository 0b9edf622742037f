"""The child processes of a server: warm workers, and a driver for each tiled job."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any

from google.rpc import status_pb2

from cryolattice.error_status import from_status
from cryolattice.jobs.local_ray import LENT, LocalRay
from cryolattice.jobs.owners import PARENT_VARIABLE, owner_prefix
from cryolattice.names import parse_resource
from cryolattice.settings import Settings

_DRAIN_SECONDS = 8.0
_LINE_LIMIT = 1 << 20


class WorkEndedError(Exception):
    """Who worked on a job is gone, whether or not the job knows.

    Parameters
    ----------
    message : str
        What happened.
    owner_prefix : str
        How the owner of the lease begins that it held.
    """

    def __init__(self, message: str, owner_prefix: str) -> None:
        super().__init__(message)
        self.owner_prefix = owner_prefix


class ProcessEndedError(WorkEndedError):
    """A process ended before its work did.

    Parameters
    ----------
    process : Process
        It has ended.
    log_place : str
        Where its log is.
    """

    def __init__(self, process: Process, log_place: str) -> None:
        code = process.returncode or 0
        super().__init__(
            f"its process ended with code {code} before the work was done, see {log_place}",
            owner_prefix(process.pid),
        )
        self.exit_code = code


class Processes:
    """Starts processes and sees that none is left hanging.

    Parameters
    ----------
    settings : Settings
        Given on to the processes.
    log_folder : Path, optional
        Where the processes log; on this process's standard error unless given.
    """

    def __init__(self, settings: Settings, log_folder: Path | None = None) -> None:
        self._settings = settings
        self._log_folder = log_folder
        self._idle: list[Process] = []
        self._alive: set[Process] = set()
        self._ray = LocalRay(self._start_ray)
        self._closing = False

    @property
    def count(self) -> int:
        """Number of processes that are alive."""
        return sum(process.returncode is None for process in list(self._alive))

    async def warm(self, *, tiles: bool) -> None:
        """Have a worker ready, and a Ray where a tiled job is to come."""
        self._idle.append(await self._start_worker())
        if tiles and not os.environ.get("RAY_ADDRESS") and not self._settings.ray_jobs_url:
            await self._ray.warm()

    async def drive(self, service: str, name: str) -> None:
        """Run a tiled job in a process of its own.

        Raises
        ------
        ProcessEndedError
            It ended other than by itself.
        """
        _, identifier = parse_resource(name, "jobs")
        with self._log_to(identifier) as log_file:
            shared = not os.environ.get("RAY_ADDRESS")
            process = await self._start(
                ["-m", f"cryolattice_{service}", "run", name],
                LENT if shared else {},
                stdin=PIPE if shared else DEVNULL,
                stdout=log_file,
                stderr=log_file,
            )
            async with self._ray.lent_to(process) if shared else nullcontext():
                await process.wait()
            self._alive.discard(process)
        if process.returncode not in {0, 1, 130}:
            raise ProcessEndedError(process, self._log_place(identifier))

    async def ask_worker(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have a worker do something and return its answer.

        Raises
        ------
        ProcessEndedError
            The worker ended before it answered.
        CryolatticeError
            What it answered.
        """
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
            self._alive.discard(process)
            with suppress(ProcessLookupError):
                process.kill()
            # its pipes are to be closed while the loop still runs
            await process.wait()
            raise
        if not line:
            await process.wait()
            self._alive.discard(process)
            raise ProcessEndedError(process, self._log_place("workers"))
        self._idle.append(process)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise from_status(status_pb2.Status.FromString(base64.b64decode(answer["error"])))
        return answer

    async def close(self) -> None:
        """End every process: those that work get time to give their job back."""
        self._closing = True
        for process in list(self._alive):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        if self._alive:
            waits = [asyncio.create_task(process.wait()) for process in list(self._alive)]
            await asyncio.wait(waits, timeout=_DRAIN_SECONDS)
            for process in list(self._alive):
                if process.returncode is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
        # those that gave their job back needed it
        await self._ray.close()

    def _take_idle(self) -> Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
            self._alive.discard(process)
        return None

    async def _start_worker(self) -> Process:
        with self._log_to("workers") as log_file:
            return await self._start(
                ["-m", "cryolattice.jobs.worker"], stdin=PIPE, stdout=PIPE, stderr=log_file
            )

    async def _start_ray(self, arguments: list[str]) -> Process:
        with self._log_to("ray") as log_file:
            process = await self._start(arguments, LENT, stdin=PIPE, stdout=PIPE, stderr=log_file)
        # it ends when its standard input closes, after all others
        self._alive.discard(process)
        return process

    async def _start(
        self, arguments: list[str], defaults: Mapping[str, str] | None = None, **streams: Any
    ) -> Process:
        if self._closing:
            raise asyncio.CancelledError
        environment = {
            **(defaults or {}),
            **os.environ,
            **self._settings.environment(),
            PARENT_VARIABLE: str(os.getpid()),
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
        self._alive.add(process)
        if self._closing:
            # begun while it started: `close` did not see it
            process.terminate()
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
