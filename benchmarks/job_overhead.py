"""What ledger, receipts and store add to the bare engine, and the memory of service and driver.

    python benchmarks/job_overhead.py [--candidates 35,350,3500] [--rounds 3]
        [--engine abtem] [--periods 64] [--planes 64]

The bare side computes the tiles of a sweep as plain Ray tasks and throws the arrays away, but for
the few beams that are compared with abTEM; ours runs the same sweep as a job: ledger and
lease, chunks, receipts, flushing, checks and manifest. Both run in turn in one process on the same
Ray, which is already running with one worker a core, warm. Prints seconds and the ratio ours over
bare, median and range over the rounds. Then a server runs sweeps of the last two numbers of
candidates, and the peaks of its memory and of its driver's are compared (resident set without the
libraries' shared pages).
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import ray
import structlog
from numpy.typing import NDArray

from cryolattice.client.connection import Connection
from cryolattice.jobs.kinds import Inputs, all_tiles, find_kind, installed_services
from cryolattice.jobs.runner import dataset_ref, run_job
from cryolattice.jobs.tile_queue import TileQueue
from cryolattice.jobs.tile_watch import TileWatch
from cryolattice.jobs.tile_worker import TileTask
from cryolattice.ledger.ledger import Ledger
from cryolattice.settings import Settings
from cryolattice.store.array_store import open_store
from cryolattice.store.reader import DatasetReader
from cryolattice.store.writer import DatasetWriter
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_api.simulator.v1 import simulator_pb2

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.queued import queue_job  # noqa: E402 - beside this folder
from tests.served import served  # noqa: E402

PARENT = ROOT / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"
# what the command lines say
_SIGNS = {"service": "serve all", "driver": "cryolattice_simulator"}
ENGINES = {"abtem": simulator_pb2.ENGINE_ABTEM, "fast": simulator_pb2.ENGINE_FAST}


def all_orderings(settings: Settings) -> DatasetReader:
    """Build the models of every ordering of 2x2x1."""
    root, ledger = open_store(settings.store_url), Ledger(settings.ledger_url)
    spec = modeler_pb2.ModelsSpec(
        parent_crystal=modeler_pb2.Crystal(cif=PARENT.read_text(), file_name=PARENT.name),
        supercell=Supercell(a=2, b=2, c=1),
    )
    job = run_job(queue_job(ledger, root, "models", spec), settings)
    ledger.close()
    return DatasetReader.open(root, "models", job.output.name.rsplit("/", 1)[-1])


def repeated(models: DatasetReader, count: int, settings: Settings) -> DatasetRef:
    """Store so many models, the given ones over and over."""
    root = open_store(settings.store_url)
    starts, records = models.array("atom_start"), models.json("models.json")
    pick = [number % len(records) for number in range(count)]
    atoms = np.concatenate([np.arange(starts[n], starts[n + 1]) for n in pick])
    writer = DatasetWriter(root, "models", f"{count:032x}")
    for name in ("number", "position", "occupancy"):
        values = models.array(name)[atoms]
        writer.add_array(name, values, ("atom", "xyz")[: values.ndim])
    lengths = np.diff(starts)[pick]
    writer.add_array("atom_start", np.concatenate([[0], np.cumsum(lengths)]), ("boundary",))
    writer.add_array("cell", models.array("cell")[pick], ("model", "vector", "xyz"))
    writer.add_json("models.json", [records[number] for number in pick])
    return dataset_ref(root, "default", writer.commit(spec_json=b"{}", inputs={}))


def sweep_spec(
    models: DatasetRef, periods: int, planes: int, engine: simulator_pb2.Engine.ValueType
) -> simulator_pb2.SweepSpec:
    """Return a sweep over crystals of so many periods, with exit planes at equal steps."""
    step = periods // planes
    thicknesses = [4.7 * n for n in range(step, periods + 1, step)]
    return simulator_pb2.SweepSpec(
        models=models, thicknesses_angstrom=thicknesses, energy_kev=300.0, engine=engine
    )


Beams = dict[tuple[str, int], NDArray[Any]]


def _bare_tile(task: TileTask, start: int, stop: int, earlier: Beams) -> Beams:
    """Compute a tile; return what is checked of it."""
    tiled: Any = task.load()
    parts = tiled.compute(start, stop, lambda name, row, _stop: earlier[name, row])
    checked = {check.model for check in tiled._checks.checks} & set(range(start, stop))
    return {
        (name, row): parts[name][row - start : row - start + 1]
        for name in ("psi", "beam_count")
        for row in checked
    }


def bare(spec: simulator_pb2.SweepSpec, settings: Settings) -> None:
    """Compute every tile on Ray, as many in flight as the product has."""
    root = open_store(settings.store_url)
    _, kind = find_kind("sweep", installed_services().values())
    kind.prepare(spec, Inputs(root))
    task = TileTask(
        kind.run,
        kind.spec,
        spec.SerializeToString(deterministic=True),
        settings.store_url,
        ("beams", "", 0, 0),
        TileWatch(settings, "", "sweep", 0, "", {}),
    )
    remote: Any = ray.remote(num_cpus=1)(_bare_tile)
    rounds = task.load().rounds
    bounds = all_tiles(rounds)
    queue = TileQueue(rounds, ())
    earlier: Beams = {}
    running: dict[Any, int] = {}
    while queue or running:
        room = 2 * len(os.sched_getaffinity(0))
        while len(running) < room and (tile := queue.pop()) is not None:
            running[remote.remote(task, *bounds[tile], earlier)] = tile
        finished, _ = ray.wait(list(running), num_returns=1)
        for reference in finished:
            earlier |= ray.get(reference)
            queue.end(running.pop(reference))


def ours(spec: simulator_pb2.SweepSpec, settings: Settings) -> None:
    """Run the sweep as a job."""
    ledger = Ledger(settings.ledger_url)
    job = run_job(queue_job(ledger, open_store(settings.store_url), "sweep", spec), settings)
    ledger.close()
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job


def compare(counts: list[int], rounds: int, periods: int, planes: int, engine: str) -> None:
    """Time both sides in turn; the side that begins alternates."""
    with tempfile.TemporaryDirectory(prefix="cryolattice-overhead-") as folder:
        models = all_orderings(Settings(home=Path(folder) / "models"))
        for count in [counts[0], *counts]:
            spent: dict[str, list[float]] = {"bare": [], "ours": []}
            for turn in range(rounds):
                for side in [bare, ours][:: 1 - 2 * (turn % 2)]:
                    # each in a store of its own, that neither finds what the other has read
                    with tempfile.TemporaryDirectory(dir=folder) as home:
                        settings = Settings(home=Path(home))
                        spec = sweep_spec(
                            repeated(models, count, settings), periods, planes, ENGINES[engine]
                        )
                        begun = time.perf_counter()
                        side(spec, settings)
                        spent[side.__name__].append(time.perf_counter() - begun)
            ratios = [o / b for o, b in zip(spent["ours"], spent["bare"], strict=True)]
            plain, whole = (statistics.median(spent[side]) for side in ("bare", "ours"))
            print(
                f"{count:5} candidates  bare {plain:7.2f} s  ours {whole:7.2f} s"
                f"  ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
                flush=True,
            )


def _own_bytes(process: psutil.Process) -> int:
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


def peaks(count: int, models: DatasetReader, engine: str) -> dict[str, int]:
    """Return the largest memory of server and driver over one sweep."""
    found = dict.fromkeys(_SIGNS, 0)
    over = threading.Event()
    me = psutil.Process()

    def sample() -> None:
        while not over.wait(0.1):
            for process in me.children(recursive=True):
                with suppress(psutil.Error):
                    command = " ".join(process.cmdline())
                    for part, sign in _SIGNS.items():
                        if sign in command:
                            found[part] = max(found[part], _own_bytes(process))

    with tempfile.TemporaryDirectory(prefix="cryolattice-memory-") as folder:
        settings = Settings(home=Path(folder))
        spec = sweep_spec(repeated(models, count, settings), 4, 4, ENGINES[engine])
        sampler = threading.Thread(target=sample)
        with served(Path(folder)) as address, Connection(address) as connection:
            sampler.start()
            request = simulator_pb2.CreateSweepJobRequest(parent=connection.parent, spec=spec)
            try:
                connection.run_job(connection.simulator.CreateSweepJob, request)
            finally:
                over.set()
                sampler.join()
    return found


def compare_memory(counts: list[int]) -> None:
    """Print the peaks of both processes for two numbers of candidates."""
    with tempfile.TemporaryDirectory(prefix="cryolattice-models-") as folder:
        models = all_orderings(Settings(home=Path(folder)))
        measured = [peaks(count, models, "fast") for count in counts]
    for part in _SIGNS:
        sizes = [peak[part] / 1e6 for peak in measured]
        shown = ", ".join(f"{size:.0f} MB" for size in sizes)
        print(f"{part}: {shown} for {counts} candidates: ratio {sizes[-1] / sizes[0]:.3f}")


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description="What a job adds to the bare engine.")
    parser.add_argument("--candidates", default="35,350,3500")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--periods", type=int, default=64, help="of 4.7 angstrom")
    parser.add_argument("--planes", type=int, default=64, help="exit planes at equal steps")
    parser.add_argument("--engine", choices=ENGINES, default="abtem")
    parser.add_argument("--only", choices=("time", "memory"))
    given = parser.parse_args()
    counts = [int(count) for count in given.candidates.split(",")]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    if given.only != "memory":
        # one of its own, whatever else runs on this machine
        ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=50)
        compare(counts, given.rounds, given.periods, given.planes, given.engine)
        ray.shutdown()
    if given.only != "time":
        compare_memory(counts[-2:])


if __name__ == "__main__":
    main()
