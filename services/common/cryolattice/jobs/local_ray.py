"""A Ray on this machine that a server starts for its first tiled job and lends to those after it.

It runs in a process of its own, the keeper, which ends with the server, with any part of Ray, and
when nothing has needed it for a while.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

log = structlog.get_logger()

_LENT_VARIABLE = "CRYOLATTICE_RAY_IS_LENT"
# of a process that is told on its standard input where Ray is, and of the keeper: Ray asks for a
# token on this machine too, but of who connects to it only where that is said
LENT = {_LENT_VARIABLE: "1", "RAY_AUTH_MODE": "token"}
_IDLE_SECONDS = 60.0
_LOOK_SECONDS = 0.5
# each worker computes on one core: libraries that start threads of their own only get in the way
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def init_ray(ray_module: Any, address: str | None) -> None:
    """Connect to Ray at this address, or start one that ends with this process."""
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray_module.init(
        # a Ray that somebody else started on this machine is not ours to use
        address=address or "local",
        include_dashboard=None if address else False,
        num_cpus=None if address else len(os.sched_getaffinity(0)),
        logging_level=logging.WARNING,
        log_to_driver=False,
    )


def lent_address() -> str:
    """Return where the Ray is that the server lends this process; empty where it lends none."""
    return sys.stdin.readline().strip() if os.environ.pop(_LENT_VARIABLE, "") else ""


class LocalRay:
    """The server's side: starts the keeper, and again when it has ended.

    Parameters
    ----------
    start : callable
        Starts the keeper with pipes and in a session of its own, given the arguments of Python.
    """

    def __init__(self, start: Callable[[list[str]], Awaitable[Process]]) -> None:
        self._start = start
        self._keeper: Process | None = None
        self._address: asyncio.Task[str] | None = None
        self._borrowers = 0
        self._idle: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def lent_to(self, borrower: Process) -> AsyncIterator[None]:
        """Tell a process where Ray is, as soon as it runs; kill the process where that Ray ends.

        A process that is told nothing starts a Ray of its own.
        """
        if self._idle is not None:
            self._idle.cancel()
        self._borrowers += 1
        lending = asyncio.create_task(self._lend(borrower))
        try:
            yield
        finally:
            lending.cancel()
            await asyncio.wait([lending])
            self._borrowers -= 1
            if not self._borrowers:
                self._release_later()

    async def warm(self) -> None:
        """Start Ray for a job that is about to come."""
        await self._running()
        self._release_later()

    async def close(self) -> None:
        """End Ray at once: who waits for this process waits for it too."""
        if self._idle is not None:
            self._idle.cancel()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            _kill_parts(keeper)
            await keeper.wait()

    async def _running(self) -> tuple[Process, asyncio.Task[str]]:
        if self._keeper is None or self._keeper.returncode is not None:
            self._keeper = await self._start(["-m", "cryolattice.jobs.local_ray"])
            self._address = asyncio.create_task(_first_line(self._keeper))
        assert self._address is not None  # noqa: S101 - there is one for each keeper
        return self._keeper, self._address

    async def _lend(self, borrower: Process) -> None:
        assert borrower.stdin is not None  # noqa: S101 - asked for as a pipe
        address = ""
        try:
            keeper, told = await self._running()
            # whoever borrows next waits for it too
            address = await asyncio.shield(told)
            borrower.stdin.write(address.encode() + b"\n")
        finally:
            borrower.stdin.close()
        if address:
            code = await keeper.wait()
            log.warning("the local Ray ended under a job", code=code)
            _kill_parts(keeper)
            # it would wait for Ray for a minute before it gave up
            with suppress(ProcessLookupError):
                borrower.kill()

    def _release_later(self) -> None:
        self._idle = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._release)

    def _release(self) -> None:
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
        self._keeper = None


def _kill_parts(keeper: Process) -> None:
    """Kill the keeper and Ray's processes, which are its group; Ray's workers end without them."""
    with suppress(ProcessLookupError):
        os.killpg(keeper.pid, signal.SIGKILL)


async def _first_line(process: Process) -> str:
    assert process.stdout is not None  # noqa: S101 - asked for as a pipe
    return (await process.stdout.readline()).decode().strip()


def _a_part_ended() -> bool:
    """Return whether a child of this process has ended, and leave it as it is."""
    ended = os.WEXITED | os.WNOWAIT | os.WNOHANG
    return os.waitid(os.P_ALL, 0, ended) is not None


def main() -> None:
    """Run Ray, say where it is on standard output, and keep it until standard input closes."""
    import ray  # noqa: PLC0415 - heavy

    # what libraries print must not get before the address
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    init_ray(ray, None)
    print(ray.get_runtime_context().gcs_address, file=answers, flush=True)
    while not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
        if _a_part_ended():
            sys.exit("a part of Ray ended")


if __name__ == "__main__":
    main()
