"""One Ray for several jobs, in real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

import psutil

from cryolattice.jobs.local_ray import LENT, LocalRay


async def _start(arguments: list[str]) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        env={**LENT, **os.environ},
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )


async def _borrower() -> Process:
    # says what it was told, and works until it is ended
    return await asyncio.create_subprocess_exec(
        "sh", "-c", "read line; echo $line; exec sleep 300", stdin=PIPE, stdout=PIPE
    )


async def _told(borrower: Process) -> str:
    assert borrower.stdout is not None
    return (await borrower.stdout.readline()).decode().strip()


async def _ended_jobs() -> None:
    ray = LocalRay(_start)
    mine = psutil.Process()
    of_others = set(mine.children(recursive=True))

    def parts() -> set[psutil.Process]:
        return set(mine.children(recursive=True)) - of_others

    try:
        await ray.warm()
        (keeper,) = parts()
        first = await _borrower()
        async with ray.lent_to(first):
            address = await _told(first)
            assert ":" in address
            assert keeper.is_running(), "it is the one that was started ahead"
            first.kill()
            await first.wait()
        second = await _borrower()
        async with ray.lent_to(second):
            assert await _told(second) == address, "the same Ray serves the next job"
            seen = parts()
            (raylet,) = [part for part in seen if part.name() == "raylet"]
            raylet.send_signal(signal.SIGKILL)
            # so that its server tries the job again
            assert await asyncio.wait_for(second.wait(), 20) == -signal.SIGKILL
        third = await _borrower()
        async with ray.lent_to(third):
            assert await _told(third) not in {"", address}, "one that ended is not used"
            third.kill()
            await third.wait()
        seen |= parts()
    finally:
        await ray.close()
    _, alive = psutil.wait_procs(seen, timeout=10)
    assert not alive


def test_jobs_share_a_ray_that_lives() -> None:
    asyncio.run(_ended_jobs())
