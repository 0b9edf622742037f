"""Latencies of a served ledger: a question that was answered before, and events to many watchers.

    python benchmarks/served_jobs.py [--watchers 200] [--rounds 40] [--queued 1000]

Starts ``cryolattice serve all`` on this machine with SQLite, or PostgreSQL with --postgresql.
Prints median and range of: creating a sweep job whose dataset is committed; creating one of many
queued jobs; and from a change of a job until the last of its watchers has it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

from cryolattice.client.connection import Connection
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_api.simulator.v1 import simulator_pb2

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.served import served  # noqa: E402 - beside this folder
from tests.servers import postgresql  # noqa: E402

PARENT = ROOT / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"


def show(what: str, seconds: list[float]) -> None:
    """Print one row."""
    milliseconds = [1000 * value for value in seconds]
    print(
        f"{what:48} {statistics.median(milliseconds):7.1f} ms "
        f"({min(milliseconds):.1f} to {max(milliseconds):.1f})",
        flush=True,
    )


def models_request(connection: Connection, seed: int) -> modeler_pb2.CreateModelsJobRequest:
    """Return a question that is cheap to answer."""
    crystal = modeler_pb2.Crystal(cif=PARENT.read_text(), file_name=PARENT.name)
    spec = modeler_pb2.ModelsSpec(
        parent_crystal=crystal, supercell=Supercell(a=2, b=2, c=1), seed=seed
    )
    return modeler_pb2.CreateModelsJobRequest(parent=connection.parent, spec=spec)


def repeated_sweep(connection: Connection, rounds: int) -> None:
    """Time the creation of a sweep that was computed before."""
    models = connection.run_job(connection.modeler.CreateModelsJob, models_request(connection, 0))
    spec = simulator_pb2.SweepSpec(models=models, thicknesses_angstrom=[4.7, 9.4], energy_kev=300)
    request = simulator_pb2.CreateSweepJobRequest(parent=connection.parent, spec=spec)
    connection.run_job(connection.simulator.CreateSweepJob, request)
    spent = []
    for _ in range(rounds):
        request.request_id = str(uuid4())
        begun = time.perf_counter()
        job = connection.call(connection.simulator.CreateSweepJob, request).job
        spent.append(time.perf_counter() - begun)
        assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    show("a sweep that was computed before", spent)


def queue(ledger: Ledger, count: int) -> None:
    """Fill the ledger with jobs that wait for a service that is not there."""
    for _ in range(count):
        name = f"projects/default/jobs/{uuid4().hex[:12]}"
        job = job_pb2.Job(name=name, kind="elsewhere", state=job_pb2.JOB_STATE_QUEUED)
        record = JobRecord(job, "elsewhere", "beams", uuid4().hex, 0.0)
        ledger.create(record, request_id="", request_sha256="")


def new_jobs(connection: Connection, rounds: int, what: str) -> None:
    """Time the creation of jobs that are to be run."""
    spent = []
    for seed in range(1, rounds + 1):
        request = models_request(connection, 10_000 + seed)
        begun = time.perf_counter()
        job = connection.call(connection.modeler.CreateModelsJob, request).job
        spent.append(time.perf_counter() - begun)
        connection.cancel_job(job.name)
    show(what, spent)


def watchers(address: str, ledger: Ledger, count: int, rounds: int) -> None:
    """Time from a change of one job until all its watchers have it."""
    name = f"projects/default/jobs/{uuid4().hex[:12]}"
    job = job_pb2.Job(name=name, kind="elsewhere", state=job_pb2.JOB_STATE_QUEUED)
    ledger.create(
        JobRecord(job, "elsewhere", "beams", uuid4().hex, 0.0), request_id="", request_sha256=""
    )
    ledger.begin_attempt(name, "benchmark", 3600.0)
    seen: list[float] = [0.0] * count
    reached = threading.Barrier(count + 1)

    def watch(number: int) -> None:
        # as many clients as watchers would be as many processes; channels are what a server sees
        with Connection(address) as connection:
            events = connection.watch_job(name)
            next(events)
            reached.wait()
            for _ in events:
                seen[number] = time.perf_counter()
                reached.wait()

    threads = [threading.Thread(target=watch, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    reached.wait()
    spent = []
    for step in range(rounds):

        def change(job: job_pb2.Job, step: int = step) -> None:
            last = step == rounds - 1
            job.state = job_pb2.JOB_STATE_SUCCEEDED if last else job_pb2.JOB_STATE_RUNNING
            job.progress.succeeded = step

        begun = time.perf_counter()
        ledger.update(name, change, attempt=1)
        reached.wait()
        spent.append(max(seen) - begun)
    for thread in threads:
        thread.join()
    show(f"an event to the last of {count} watchers", spent)


def main() -> None:
    """Start the server and measure."""
    parser = argparse.ArgumentParser(description="Latencies of a served ledger.")
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--queued", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--postgresql", action="store_true")
    given = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cryolattice-jobs-")))
        settings = Settings(home=home)
        url = settings.ledger_url
        if given.postgresql:
            url = stack.enter_context(postgresql()).new_url()
        address = stack.enter_context(served(home, 0, {"CRYOLATTICE_LEDGER_URL": url}))
        ledger = Ledger(url)
        stack.callback(ledger.close)
        with Connection(address) as connection:
            repeated_sweep(connection, given.rounds)
            new_jobs(connection, given.rounds, "a new job")
            queue(ledger, given.queued)
            new_jobs(connection, given.rounds, f"a new job beside {given.queued} queued ones")
        watchers(address, ledger, given.watchers, given.rounds)


if __name__ == "__main__":
    main()
