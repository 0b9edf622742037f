"""Faults in the middle of a sweep, with real parts.

    python benchmarks/chaos.py [--moments 20] [--seed 1] [--only service,driver]    (or: make chaos)

Two replicas of the server share a PostgreSQL ledger and an S3 store and drive a Ray cluster of two
nodes on this machine. One sweep is left in peace; then, at random moments of the same sweep on an
empty store, a part is killed with SIGKILL. Each row tells the fault and when it hit, how long the
sweep took, the attempts, how many tiles the ledger counted beyond the sweep's number (those that
were lost with their worker or driver are not counted), and whether every object of the committed
dataset is bit for bit that of the sweep that was left in peace.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from cryolattice.canonical import dataset_id_of
from cryolattice.client.connection import Connection
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import TERMINAL
from cryolattice.store.array_store import open_store
from cryolattice.store.reader import DatasetReader
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_api.simulator.v1 import simulator_pb2

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.killable_system import Ray, System  # noqa: E402 - beside this folder
from tests.servers import S3Server, postgresql  # noqa: E402 - beside this folder

PARENT = ROOT / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"
AWAY_SECONDS = 20.0
PATIENCE_SECONDS = 300.0
B_LEVELS = (0.2, 0.5, 1.0)


# a fault kills a part and returns what mends it
Fault = Callable[[System], Callable[[], None]]


def kill_service(system: System) -> Callable[[], None]:
    """Kill the replica that drives the sweep; its driver ends by itself."""
    driver = system.driver()
    number = next(
        (n for n, server in enumerate(system.servers) if driver and server.pid == driver.ppid()), 0
    )
    system.servers[number].kill()
    system.servers[number].wait()

    def mend() -> None:
        system.servers[number] = system.start_server(number)

    return mend


def kill_driver(system: System) -> Callable[[], None]:
    """Kill the process that drives the sweep."""
    driver = system.driver()
    if driver is not None:
        driver.kill()
    return lambda: None


def kill_worker(system: System) -> Callable[[], None]:
    """Kill a Ray worker in the middle of a tile."""
    for worker in system.tile_workers()[:1]:
        worker.kill()
    return lambda: None


def kill_node(system: System) -> Callable[[], None]:
    """Kill the second node of the Ray cluster; it comes back."""
    system.ray.kill_node()
    return system.ray.add_node


def kill_store(system: System) -> Callable[[], None]:
    """Kill the S3 server for a while."""
    system.bucket.kill()
    return system.bucket.start


def kill_database(system: System) -> Callable[[], None]:
    """Kill PostgreSQL for a while."""
    system.database.kill()
    return system.database.start


FAULTS: dict[str, Fault] = {
    "service": kill_service,
    "driver": kill_driver,
    "ray worker": kill_worker,
    "ray node": kill_node,
    "store": kill_store,
    "database": kill_database,
}


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended."""

    state: str
    message: str
    seconds: float
    attempts: int
    tiles: int
    computed: int
    objects: dict[str, str]


def models(connection: Connection) -> DatasetRef:
    """Build the structures."""
    crystal = modeler_pb2.Crystal(cif=PARENT.read_text(), file_name=PARENT.name)
    spec = modeler_pb2.ModelsSpec(parent_crystal=crystal, supercell=Supercell(a=2, b=2, c=1))
    request = modeler_pb2.CreateModelsJobRequest(spec=spec)
    return connection.run_job(connection.modeler.CreateModelsJob, request)


def create_sweep(system: System) -> str:
    """Ask the first replica for the sweep; return the job's name."""
    with system.connect(0) as connection:
        spec = simulator_pb2.SweepSpec(
            models=models(connection),
            thicknesses_angstrom=[4.7 * n for n in range(1, 65)],
            energy_kev=300.0,
            b_levels_angstrom2=B_LEVELS,
        )
        request = simulator_pb2.CreateSweepJobRequest(parent=connection.parent, spec=spec)
        name: str = connection.call(connection.simulator.CreateSweepJob, request).job.name
        return name


def follow(system: System, ledger: Ledger, name: str, fault: Fault | None, moment: float) -> None:
    """Wait for the end; the fault hits when this share of the tiles is done."""
    mending: threading.Timer | None = None
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (job := ledger.get(name).job).state not in TERMINAL and time.monotonic() < deadline:
        share = job.progress.succeeded / max(1, job.progress.tile_count)
        if fault is not None and job.state == job_pb2.JOB_STATE_RUNNING and share >= moment:
            mending = threading.Timer(AWAY_SECONDS, fault(system))
            mending.start()
            fault = None
        time.sleep(0.1)
    if mending is not None:
        mending.join()


def run(system: System, fault: Fault | None, moment: float) -> Outcome:
    """Run the sweep on an empty store and ledger."""
    system.start_servers()
    try:
        begun = time.monotonic()
        name = create_sweep(system)
        ledger = Ledger(system.ledger_url, patience_seconds=PATIENCE_SECONDS)
        follow(system, ledger, name, fault, moment)
        seconds = time.monotonic() - begun
        job = ledger.get(name).job
        computed = ledger.overview().totals["sweep"].get(("tiles", "computed"), 0)
        ledger.close()
    finally:
        system.stop_servers()
    return Outcome(
        job_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_"),
        job.state_message,
        seconds,
        job.attempt,
        int(job.progress.tile_count),
        int(computed),
        committed_objects(system, job.output) if job.HasField("output") else {},
    )


def committed_objects(system: System, output: DatasetRef) -> dict[str, str]:
    """Return key and hash of every object of a dataset, read again and checked."""
    root = open_store(system.store_url)
    reader = DatasetReader.open(root, output.kind, dataset_id_of(output))
    if problems := reader.problems():
        raise RuntimeError(f"{output.name}: {problems}")
    return {stored.key: stored.sha256 for stored in reader.manifest.objects}


def main() -> int:
    """Run the faults and print the table; fail where an answer differs or none came."""
    parser = argparse.ArgumentParser(description="Faults in the middle of a sweep.")
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help=f"of {', '.join(FAULTS)}")
    given = parser.parse_args()
    rng = Random(given.seed)
    names = [name for name in given.only.split(",") if name] or list(FAULTS)
    folder = Path(tempfile.mkdtemp(prefix="cryolattice-chaos-"))
    bucket = S3Server(folder / "s3" / "data")
    bucket.start()
    os.environ.update(bucket.environment)
    bad = 0
    with postgresql() as database:
        ray = Ray(folder, bucket)
        try:
            peace = run(System(folder, bucket, database, ray, "peace"), None, 0.0)
            print(f"{len(peace.objects)} objects, {peace.tiles} tiles", flush=True)
            print(HEADINGS, flush=True)
            print(row("none", 0.0, peace, peace), flush=True)
            for turn in range(given.moments):
                name, moment = names[turn % len(names)], rng.uniform(0.0, 0.9)
                system = System(folder, bucket, database, ray, f"turn-{turn}")
                outcome = run(system, FAULTS[name], moment)
                print(row(name, moment, outcome, peace), flush=True)
                bad += outcome.state != "SUCCEEDED" or outcome.objects != peace.objects
        finally:
            ray.stop()
            bucket.kill()
    if bad:
        print(f"{bad} of {given.moments} faults were not survived: see {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


HEADINGS = f"{'killed':12} {'at':>5} {'state':10} {'s':>5} {'attempts':>8} {'extra tiles':>11} same"


def row(name: str, moment: float, outcome: Outcome, peace: Outcome) -> str:
    """Write one line of the table."""
    same = "yes" if outcome.objects == peace.objects else f"NO: {outcome.message}"
    return (
        f"{name:12} {100 * moment:4.0f}% {outcome.state:10} {outcome.seconds:5.0f} "
        f"{outcome.attempts:8} {outcome.computed - outcome.tiles:11} {same}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
