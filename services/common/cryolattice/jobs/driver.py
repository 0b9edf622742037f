"""The command of a service package: ``cryolattice-simulator run JOB``."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

from cryolattice.errors import CryolatticeError, JobNotFoundError
from cryolattice.jobs.context import JobContext
from cryolattice.jobs.driver_places import another_ledger, require_same_store
from cryolattice.jobs.runner import run_job
from cryolattice.settings import Settings
from cryolattice.telemetry.logs import configure_logs
from cryolattice.telemetry.tracing import configure_tracing
from cryolattice_api.common.v1 import job_pb2


def main(service: str, arguments: list[str] | None = None) -> int:
    """Run one queued job of `service` in this process.

    SIGTERM and SIGINT stop the job at its next step; it goes back to the queue.

    Returns
    -------
    int
        0 when the job succeeded, 1 when it failed, 130 when it was stopped, 2 for a wrong name.
    """
    parser = argparse.ArgumentParser(prog=f"cryolattice-{service}")
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="run a queued job in this process until it ends")
    run.add_argument("job", help="projects/PROJECT/jobs/ID")
    run.add_argument("--owner", default="", help="how the owner of the job's lease is to begin")
    run.add_argument("--store", default="", help="the store of who submits it: no other will do")
    run.add_argument("--ledger", default="", help="the same of the ledger, without its password")
    given = parser.parse_args(arguments)
    try:
        settings = Settings()
        configure_logs(settings)
        configure_tracing("cryolattice-driver")
        require_same_store(settings, given.store)
        try:
            job = run_job(given.job, settings, on_start=_stop_on_signals, owner=given.owner)
        except JobNotFoundError as error:
            raise another_ledger(settings, given.ledger) if given.ledger else error from error
    except CryolatticeError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 2
    if job.state == job_pb2.JOB_STATE_SUCCEEDED:
        return 0
    return 1 if job.state == job_pb2.JOB_STATE_FAILED else 130


def _stop_on_signals(context: JobContext) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        context.interrupt("interrupted: its process was told to end; resume it to go on")

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
