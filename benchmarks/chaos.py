"""Faults in the middle of a sweep, with real parts.

    python benchmarks/chaos.py [--moments 22] [--seed 1] [--only "disk full"]    (or: make chaos)

Two replicas of the server share a PostgreSQL ledger and an S3 store and drive a Ray cluster of two
nodes on this machine. One sweep is left in peace; then one of the faults of `tests/faults.py` hits,
at random moments of the same sweep on an empty store. Each row tells the fault and when it hit, how
long the sweep took, the attempts, how many tiles the ledger counted beyond the sweep's number
(those that were lost with their worker or driver are not counted), and whether every object of the
committed dataset is bit for bit that of the sweep that was left in peace. The full disk is a small
tmpfs, which only root may mount. The last row is a queue of many small jobs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
from tests.faults import FAULTS, Fault, Hit  # noqa: E402 - beside this folder
from tests.killable_system import Ray, System  # noqa: E402 - beside this folder
from tests.servers import S3Server, postgresql  # noqa: E402 - beside this folder

PARENT = ROOT / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"
AWAY_SECONDS = 20.0
PATIENCE_SECONDS = 300.0
DISK_MEGABYTES = 64


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


def models_request(seed: int = 0) -> modeler_pb2.CreateModelsJobRequest:
    """Return the question for the structures."""
    crystal = modeler_pb2.Crystal(cif=PARENT.read_text(), file_name=PARENT.name)
    supercell = Supercell(a=2, b=2, c=1)
    spec = modeler_pb2.ModelsSpec(parent_crystal=crystal, supercell=supercell, seed=seed)
    return modeler_pb2.CreateModelsJobRequest(parent="projects/default", spec=spec)


def sweep_request(connection: Connection) -> simulator_pb2.CreateSweepJobRequest:
    """Build the structures and return the question for the sweep."""
    spec = simulator_pb2.SweepSpec(
        models=connection.run_job(connection.modeler.CreateModelsJob, models_request()),
        thicknesses_angstrom=[4.7 * n for n in range(1, 65)],
        energy_kev=300.0,
        engine=simulator_pb2.ENGINE_ABTEM,
    )
    return simulator_pb2.CreateSweepJobRequest(parent=connection.parent, spec=spec)


def wait_for_end(ledger: Ledger, name: str) -> job_pb2.Job:
    """Return the job when it has ended, or when patience has."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (job := ledger.get(name).job).state not in TERMINAL and time.monotonic() < deadline:
        time.sleep(0.1)
    return job


def hit_by(fault: Fault, hit: Hit, moment: float) -> None:
    """Have the fault hit at this share of the tiles; mend it 20 s later, or at the end."""
    while (job := hit.ledger.get(hit.job).job).state not in TERMINAL:
        share = job.progress.succeeded / max(1, job.progress.tile_count)
        if job.state == job_pb2.JOB_STATE_RUNNING and share >= moment:
            break
        time.sleep(0.05)
    mend, over = fault(hit), threading.Event()

    def mend_later() -> None:
        over.wait(AWAY_SECONDS)
        mend()

    with ThreadPoolExecutor(1) as pool:
        mending = pool.submit(mend_later)
        wait_for_end(hit.ledger, hit.job)
        over.set()
    mending.result()


def run(system: System, fault: Fault | None = None, moment: float = 0.0) -> Outcome:
    """Run the sweep on an empty store and ledger."""
    system.ray.ready()
    system.start_servers()
    ledger = Ledger(system.ledger_url, patience_seconds=PATIENCE_SECONDS)
    try:
        begun = time.monotonic()
        with system.connect(0) as connection:
            request = sweep_request(connection)
            name = connection.call(connection.simulator.CreateSweepJob, request).job.name
        try:
            if fault is not None:
                hit_by(fault, Hit(system, ledger, name, request, Random(name)), moment)
            trouble = ""
        except Exception as error:
            trouble = f"{type(error).__name__}: {error}"
        job = wait_for_end(ledger, name)
        seconds = time.monotonic() - begun
        computed = ledger.overview().totals["sweep"].get(("tiles", "computed"), 0)
    finally:
        ledger.close()
        system.stop_servers()
    return Outcome(
        job_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_"),
        trouble or job.state_message,
        seconds,
        job.attempt,
        int(job.progress.tile_count),
        int(computed),
        committed_objects(system, job.output) if job.HasField("output") and not trouble else {},
    )


def run_queue(system: System, count: int) -> str:
    """Queue many small jobs at both replicas; return what became of them."""
    system.start_servers()
    ledger = Ledger(system.ledger_url)
    try:
        begun = time.monotonic()
        with system.connect(0) as first, system.connect(1) as second:

            def create(seed: int) -> str:
                connection = (first, second)[seed % 2]
                request = models_request(seed)
                name: str = connection.call(connection.modeler.CreateModelsJob, request).job.name
                return name

            with ThreadPoolExecutor(8) as pool:
                names = list(pool.map(create, range(1, count + 1)))
        jobs = [wait_for_end(ledger, name) for name in names]
        seconds = time.monotonic() - begun
    finally:
        ledger.close()
        system.stop_servers()
    ended = sum(job.state == job_pb2.JOB_STATE_SUCCEEDED for job in jobs)
    again = sum(job.attempt != 1 for job in jobs)
    outputs = len({job.output.name for job in jobs})
    return (
        f"{count} queued jobs: {ended} succeeded with {outputs} datasets in {seconds:.0f} s, "
        f"{again} begun more than once"
    )


def committed_objects(system: System, output: DatasetRef) -> dict[str, str]:
    """Return key and hash of every object of a dataset, read again and checked."""
    root = open_store(system.store_url)
    reader = DatasetReader.open(root, output.kind, dataset_id_of(output))
    if problems := reader.problems():
        raise RuntimeError(f"{output.name}: {problems}")
    return {stored.key: stored.sha256 for stored in reader.manifest.objects}


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount a small tmpfs; None where that is not permitted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def main() -> int:
    """Run the faults and print the table; fail where an answer differs or none came."""
    parser = argparse.ArgumentParser(description="Faults in the middle of a sweep.")
    parser.add_argument("--moments", type=int, default=2 * len(FAULTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queued", type=int, default=1000)
    parser.add_argument("--only", default="", help=f"of {', '.join(FAULTS)}")
    given = parser.parse_args()
    rng = Random(given.seed)
    names = [name for name in given.only.split(",") if name] or list(FAULTS)
    folder = Path(tempfile.mkdtemp(prefix="cryolattice-chaos-"))
    bucket = S3Server(folder / "s3" / "data")
    bucket.start()
    os.environ.update(bucket.environment)
    bad = 0
    with postgresql() as database, small_disk(folder / "disk") as disk:
        if disk is None and "disk full" in names:
            print("disk full: left out, a tmpfs cannot be mounted here (not root?)", flush=True)
            names.remove("disk full")
        ray = Ray(folder, bucket)
        try:
            peace = run(System(folder, bucket, database, ray, "peace"))
            print(f"{len(peace.objects)} objects, {peace.tiles} tiles", flush=True)
            print(HEADINGS, flush=True)
            print(row("none", 0.0, peace, peace), flush=True)
            for turn in range(given.moments if names else 0):
                name, moment = names[turn % len(names)], rng.uniform(0.0, 0.9)
                where = disk if name == "disk full" else None
                system = System(folder, bucket, database, ray, f"turn-{turn}", where)
                outcome = run(system, FAULTS[name], moment)
                print(row(name, moment, outcome, peace), flush=True)
                bad += outcome.state != "SUCCEEDED" or outcome.objects != peace.objects
                if where is not None:
                    shutil.rmtree(where / "store")
            if given.queued:
                system = System(folder, bucket, database, ray, "queue")
                print(run_queue(system, given.queued), flush=True)
        finally:
            ray.stop()
            bucket.kill()
    if bad:
        print(f"{bad} of {given.moments} faults were not survived: see {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


HEADINGS = f"{'fault':18} {'at':>5} {'state':10} {'s':>5} {'attempts':>8} {'extra tiles':>11} same"


def row(name: str, moment: float, outcome: Outcome, peace: Outcome) -> str:
    """Write one line of the table."""
    same = "yes" if outcome.objects == peace.objects else f"NO: {outcome.message}"
    return (
        f"{name:18} {100 * moment:4.0f}% {outcome.state:10} {outcome.seconds:5.0f} "
        f"{outcome.attempts:8} {outcome.computed - outcome.tiles:11} {same}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
