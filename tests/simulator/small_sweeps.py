"""Sweeps of a light crystal, computed in this process."""

from __future__ import annotations

from typing import Any

import numpy as np

from cryolattice.canonical import spec_sha256
from cryolattice.jobs.kinds import Inputs
from cryolattice.jobs.tiles import compute_tile
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.reader import DatasetReader
from cryolattice.store.writer import DatasetWriter
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.jobs import load_sweep, prepare_sweep

MODELS = DatasetRef(name="projects/p/datasets/00", kind="models")
EDGE = 4.0


def write_models(root: ArrayStore, cells: list[np.ndarray], *, apart: float = 0.0) -> None:
    """Two light atoms in each cell, shifted from model to model, and `apart` angstrom further."""
    output = DatasetWriter(root, "models", "00")
    at = np.array([[1.0, 1.0, 0.5], [2.5, 3.0, 1.5]])
    steps = [np.array([[0.5 * i, 0, 0], [0.5 * i, apart * i, 0]]) for i in range(len(cells))]
    positions = np.concatenate([at + step for step in steps])
    output.add_array("cell", np.stack(cells), ("model", "vector", "xyz"), "angstrom")
    output.add_array("atom_start", 2 * np.arange(len(cells) + 1), ("bound",))
    output.add_array("number", np.tile([11, 5], len(cells)), ("atom",))
    output.add_array("position", positions, ("atom", "xyz"), "angstrom")
    output.add_array("occupancy", np.ones(2 * len(cells)), ("atom",))
    output.add_json("models.json", [{"model_id": f"m{i}"} for i in range(len(cells))])
    output.commit(spec_json=b"{}", inputs={})


def spec_of(**fields: Any) -> simulator_pb2.SweepSpec:
    given = {
        "models": MODELS,
        "thicknesses_angstrom": [4.0, 10.0],
        "energy_kev": 300.0,
        "k_max_per_angstrom": 0.8,
        "sampling_angstrom": 0.2,
        "slice_thickness_angstrom": 1.0,
        "engine": simulator_pb2.ENGINE_FAST,
    }
    return simulator_pb2.SweepSpec(**(given | fields))


def run(root: ArrayStore, spec: simulator_pb2.SweepSpec) -> DatasetReader:
    """Do what the job does, with every tile in this process."""
    tile_count = prepare_sweep(spec, Inputs(root)).tile_count
    sweep = load_sweep(spec, Inputs(root))
    output = DatasetWriter(root, "beams", spec_sha256(spec)[:8])
    output.take_over()
    output.create_arrays(sweep.attributes, sweep.arrays)
    for tile in range(tile_count):
        writer = DatasetWriter(root, output.kind, output.id, output.attempt, output.epoch)
        done = compute_tile(sweep, writer, tile)
        if done.failure is not None:
            raise done.failure
    sweep.finish(output)
    return output.commit(spec_json=b"{}", inputs={}, tile_count=tile_count)
