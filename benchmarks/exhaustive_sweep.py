"""Sweep all orderings of Na2NH2BH4 in 2x2x2 along its axes as a user would, by the command.

    python benchmarks/exhaustive_sweep.py [--zone-axes all] [--workers 2] [--rounds 1]

``cryolattice sweep`` runs with 16 exit planes on a home in which only the models are built, with so
many cores that it sees. Prints, from the start of the command, Ray's included: wall time, when the
first tile was stored, candidates a second; bytes stored; the peaks of driver and worker (resident
set without the libraries' shared pages); and the cores' time from the first tile to the end of the
job, checks by abTEM included, over that of the bare engine on as many models in this process. With
several numbers of workers, as ``--workers 1,2 --zone-axes c --rounds 3``, they run in turn, and the
ratios of the first one's time over the last one's are printed: of the command, and from its first
tile on, without the start of the server and of Ray.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from cryolattice.jobs.kinds import Inputs
from cryolattice.ledger.ledger import Ledger
from cryolattice.settings import Settings
from cryolattice.store.array_store import open_store
from cryolattice_api.common.v1.job_pb2 import Job
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.engines import engine_named
from cryolattice_simulator.jobs import load_sweep
from cryolattice_simulator.models_data import structures_of
from cryolattice_simulator.sweep_axes import read_axes

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"
PERIOD_ANGSTROM, PLANES = 9.4, 16
_LOOK_SECONDS = 1.0
# what the titles of processes say
SIGNS = {"driver": "cryolattice_simulator run", "worker": "ray::"}


class Run(NamedTuple):
    """What one run of the command took."""

    wall_s: float
    first_tile_s: float
    after_first_tile_s: float
    stored_bytes: int
    peak_bytes: dict[str, int]


def command(home: Path, cores: int, *arguments: str) -> psutil.Popen:
    """Start the command line on the first cores of this machine."""
    allowed = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
    program = Path(sys.executable).parent / "cryolattice"
    environment = os.environ | {"CRYOLATTICE_HOME": str(home), "RAY_AUTH_MODE": "disabled"}
    return psutil.Popen(
        ["taskset", "-c", allowed, program, "sweep", home / "sweep.yaml", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
    )


def sweep_job(home: Path) -> Job | None:
    """Return the sweep in the ledger, if it is there."""
    ledger = Ledger(Settings(home=home).ledger_url)
    try:
        jobs = [record.job for record in ledger.list_jobs("default", 10, "")[0]]
    finally:
        ledger.close()
    return next((job for job in jobs if job.kind == "sweep"), None)


def run(home: Path, cores: int) -> Run:
    """Sweep in a home with models."""
    before, first, peaks = stored_bytes(home), 0.0, dict.fromkeys(SIGNS, 0)
    begun, begun_utc = time.perf_counter(), time.time()
    process = command(home, cores)
    while process.poll() is None:
        # looking more often would take the cores from what is measured
        time.sleep(_LOOK_SECONDS if first else _LOOK_SECONDS / 5)
        if not first:
            job = sweep_job(home)
            first = time.perf_counter() - begun if job and job.progress.succeeded else 0.0
            continue
        with suppress(psutil.Error):
            for child in process.children(recursive=True):
                title = " ".join(child.cmdline())
                for part in (part for part, sign in SIGNS.items() if sign in title):
                    memory = child.memory_info()
                    peaks[part] = max(peaks[part], memory.rss - memory.shared)
    assert process.returncode == 0, f"the sweep ended with {process.returncode}"
    wall = time.perf_counter() - begun
    job = sweep_job(home)
    assert job is not None
    rest = job.end_time.ToMilliseconds() / 1e3 - begun_utc - first
    # as if the first tile came late too
    rest *= job.progress.tile_count / (job.progress.tile_count - 1)
    return Run(wall, first, rest, stored_bytes(home) - before, peaks)


def stored_bytes(home: Path) -> int:
    """Count what all files of the store take."""
    return sum(file.stat().st_size for file in home.rglob("*") if file.is_file())


def bare(home: Path) -> tuple[int, float]:
    """Compute the sweep's candidates again in this process; return their number and the seconds."""
    job, root = sweep_job(home), open_store(Settings(home=home).store_url)
    spec = simulator_pb2.SweepSpec()
    assert job is not None
    job.spec.Unpack(spec)
    structures = structures_of(Inputs(root).open(spec.models, "models", field="models"))
    sweep = load_sweep(spec, Inputs(root))
    settings = sweep.settings(0, next(iter(read_axes(spec)))[1])
    begun = time.perf_counter()
    for _ in engine_named("fast").many_exit_beams(structures, settings):
        pass
    return len(structures), time.perf_counter() - begun


def main() -> None:
    """Build the models, sweep in turn, compare."""
    parser = argparse.ArgumentParser(description="An exhaustive sweep by the command.")
    parser.add_argument("--zone-axes", choices=("c", "all"), default="all")
    parser.add_argument("--supercell", type=int, nargs=3, default=[2, 2, 2])
    parser.add_argument("--workers", default=str(len(os.sched_getaffinity(0))))
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    workers = [int(count) for count in given.workers.split(",")]
    runs: dict[int, list[Run]] = {count: [] for count in workers}
    with tempfile.TemporaryDirectory(prefix="cryolattice-exhaustive-") as folder:
        home, prepared = Path(folder) / "home", Path(folder) / "models"
        home.mkdir()
        (home / "sweep.yaml").write_text(
            f"models: {{parent: {EXAMPLE}, supercell: {given.supercell}, "
            f"zone_axes: {given.zone_axes}}}\nengine: fast\nenergy_kev: 300\n"
            f"thicknesses_angstrom: {[PERIOD_ANGSTROM * n for n in range(1, PLANES + 1)]}\n"
        )
        assert command(home, max(workers), "--estimate").wait() == 0
        shutil.copytree(home, prepared)
        for turn in range(given.rounds):
            for count in workers[:: 1 - 2 * (turn % 2)]:
                shutil.rmtree(home)
                shutil.copytree(prepared, home)
                runs[count].append(run(home, count))
        candidates, alone_s = bare(home)
    print(f"{candidates} candidates, bare engine {alone_s:.1f} s of one core")
    for count, done in runs.items():
        wall, first, rest = (
            statistics.median(values) for values in zip(*(each[:3] for each in done), strict=True)
        )
        memory = ", ".join(
            f"{part} {max(each.peak_bytes[part] for each in done) / 1e6:.0f} MB" for part in SIGNS
        )
        print(
            f"{count} workers: {wall:.1f} s, first tile after {first:.1f} s, "
            f"{candidates / wall:.0f} candidates/s, {done[0].stored_bytes / 1e6:.0f} MB stored, "
            f"peak memory: {memory}; from the first tile on {rest * count / alone_s:.2f} times "
            "the bare engine"
        )
    if len(workers) > 1:
        pairs = list(zip(runs[workers[0]], runs[workers[-1]], strict=True))
        whole = statistics.median(few.wall_s / many.wall_s for few, many in pairs)
        rest = [few.after_first_tile_s / many.after_first_tile_s for few, many in pairs]
        print(
            f"{workers[0]} over {workers[-1]} workers: the command {whole:.2f} times, from its "
            f"first tile on {statistics.median(rest):.2f} ({min(rest):.2f} to {max(rest):.2f})"
        )


if __name__ == "__main__":
    main()
