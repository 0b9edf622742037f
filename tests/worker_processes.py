"""The worker processes that a server of this process has started."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.waiting import until


def workers_of(home: Path) -> list[psutil.Process]:
    """Return the live workers that keep their data in this folder."""
    found = []
    for child in psutil.Process().children(recursive=True):
        if "cryolattice.jobs.worker" in child.cmdline():
            assert child.environ()["CRYOLATTICE_HOME"]
            if child.environ()["CRYOLATTICE_HOME"] == str(home):
                found.append(child)
    return found


def kill_workers(home: Path) -> None:
    """Kill them all, and wait until they are gone."""
    workers = workers_of(home)
    assert workers
    for worker in workers:
        worker.kill()
    # the server, which started them, is to see their end: nobody here may wait for them
    until(lambda: not any(psutil.pid_exists(worker.pid) for worker in workers))
