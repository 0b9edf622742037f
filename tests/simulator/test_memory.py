"""What a sweep is estimated to take in memory, against what it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cryolattice.jobs.kinds import Inputs
from cryolattice.store.array_store import open_store
from cryolattice.store.writer import DatasetWriter
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.jobs import load_sweep, prepare_sweep

MODELS = DatasetRef(name="projects/p/datasets/00", kind="models")
# what a worker of Ray does: everything that it imports counts
TILE = """
import resource, sys
import ray
from cryolattice.jobs.tile_watch import TileWatch
from cryolattice.jobs.tile_worker import TileTask, compute_on_worker
from cryolattice.settings import Settings
from cryolattice_api.simulator.v1.simulator_pb2 import SweepSpec
run = "cryolattice_simulator.jobs:load_sweep"
watch = TileWatch(Settings(), "job", "sweep", 1, "", {})
spec = bytes.fromhex(sys.argv[2])
task = TileTask(run, SweepSpec, spec, sys.argv[1], ("beams", "01", 1, 1), watch)
for tile in range(int(sys.argv[3])):
    done = compute_on_worker(task, tile)
    assert done.failure is None, done.failure
print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _sweep(folder: Path, edge: float, period: float, occupancy: float) -> Inputs:
    root = open_store(f"file://{folder}")
    output = DatasetWriter(root, "models", "00")
    place = np.random.default_rng(0).random((400, 3)) * [edge, edge, period]
    cell = np.diag([edge, edge, period])[None]
    output.add_array("cell", cell, ("model", "vector", "xyz"), "angstrom")
    output.add_array("atom_start", np.array([0, 400]), ("bound",))
    output.add_array("number", np.full(400, 11), ("atom",))
    output.add_array("position", place, ("atom", "xyz"), "angstrom")
    output.add_array("occupancy", np.full(400, occupancy), ("atom",))
    output.add_json("models.json", [{"model_id": "one"}])
    output.commit(spec_json=b"{}", inputs={})
    return Inputs(root)


def _spec(
    period: float,
    planes: int,
    engine: simulator_pb2.Engine.ValueType = simulator_pb2.ENGINE_ABTEM,
) -> simulator_pb2.SweepSpec:
    return simulator_pb2.SweepSpec(
        models=MODELS,
        engine=engine,
        energy_kev=300.0,
        thicknesses_angstrom=[period * (index + 1) for index in range(planes)],
    )


def test_the_estimate_grows_with_what_is_asked(tmp_path: Path) -> None:
    inputs = _sweep(tmp_path, 9.4, 4.7, 1.0)
    peaks = []
    for planes in (40, 400):
        spec = _spec(4.7, planes)
        estimate = prepare_sweep(spec, inputs)
        peaks.append(estimate.worker_peak_bytes)
        # what the driver sets aside is what the caller was told
        assert load_sweep(spec, inputs).worker_peak_bytes == estimate.worker_peak_bytes
    # exit waves and spectrum in single precision, on a grid of at least 126 x 126 points
    assert peaks[1] - peaks[0] >= 360 * 2 * 8 * 126**2
    spec.precision = simulator_pb2.PRECISION_FLOAT64
    double = prepare_sweep(spec, inputs).worker_peak_bytes
    assert double - peaks[1] > 0.9 * (peaks[1] - peaks[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "edge", "period", "planes", "occupancy"),
    [
        (simulator_pb2.ENGINE_ABTEM, 9.4, 4.7, 36, 1.0),
        (simulator_pb2.ENGINE_ABTEM, 60.0, 4.7, 30, 1.0),
        (simulator_pb2.ENGINE_ABTEM, 60.0, 18.8, 3, 0.5),
        (simulator_pb2.ENGINE_FAST, 60.0, 4.7, 30, 1.0),
        (simulator_pb2.ENGINE_FAST, 60.0, 18.8, 3, 0.5),
    ],
    ids=["small", "thick", "disordered", "thick-fast", "disordered-fast"],
)
def test_a_tile_takes_what_was_estimated(
    tmp_path: Path,
    engine: simulator_pb2.Engine.ValueType,
    edge: float,
    period: float,
    planes: int,
    occupancy: float,
) -> None:
    inputs = _sweep(tmp_path, edge, period, occupancy)
    spec = _spec(period, planes, engine)
    told = prepare_sweep(spec, inputs)
    estimate = told.worker_peak_bytes
    writer = DatasetWriter(open_store(f"file://{tmp_path}"), "beams", "01", 1)
    writer.take_over()
    writer.create_arrays({}, load_sweep(spec, inputs).arrays)
    done = subprocess.run(
        [
            *(sys.executable, "-c", TILE, f"file://{tmp_path}", spec.SerializeToString().hex()),
            str(told.tile_count),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    peak = int(done.stdout.splitlines()[-1])
    # other versions of the libraries take other amounts
    assert estimate / 1.5 <= peak <= 1.5 * estimate, (estimate, peak)
    print(f"{estimate / 1e6:.0f} MB estimated, {peak / 1e6:.0f} MB taken")
