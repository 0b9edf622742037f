"""What the potential job refuses, and what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice.jobs.context import JobContext
from cryolattice.jobs.kinds import Inputs
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.store.writer import DatasetWriter
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.beams import Structure
from cryolattice_simulator.potential_job import prepare_potential, run_potential
from tests.simulator.conftest import running

MODELS = DatasetRef(name="projects/p/datasets/00", kind="models")


@pytest.fixture
def root(heavy: Structure, tmp_path: Path) -> ArrayStore:
    """The ordered crystal, the same shifted by a quarter of the cell, and one in a longer cell."""
    store = open_store(f"file://{tmp_path}/store")
    output = DatasetWriter(store, "models", "00")
    count = len(heavy.numbers)
    longer = np.diag([18.8, 9.4, 4.7])
    cells = np.stack([heavy.cell_angstrom, heavy.cell_angstrom, longer])
    shifted = heavy.positions_angstrom + np.array([2.35, 0.0, 0.0])
    output.add_array("cell", cells, ("model", "vector", "xyz"), "angstrom")
    output.add_array("atom_start", count * np.arange(4), ("bound",))
    output.add_array("number", np.tile(heavy.numbers, 3), ("atom",))
    positions = np.concatenate([heavy.positions_angstrom, shifted, heavy.positions_angstrom])
    output.add_array("position", positions, ("atom", "xyz"), "angstrom")
    output.add_array("occupancy", np.ones(3 * count), ("atom",))
    output.add_json("models.json", [{"model_id": name} for name in ("one", "shifted", "longer")])
    output.commit(spec_json=b"{}", inputs={})
    return store


@pytest.fixture
def context(root: ArrayStore, tmp_path: Path) -> Iterator[JobContext]:
    with running("potential", root, tmp_path) as context:
        yield context


def test_the_potentials_are_written_in_the_order_asked_for(
    root: ArrayStore, context: JobContext
) -> None:
    spec = simulator_pb2.PotentialSpec(
        models=MODELS, model_ids=["shifted", "one"], sampling_angstrom=0.15
    )
    estimate = prepare_potential(spec, Inputs(root))
    assert spec.parametrization == "lobato"
    assert spec.engine_revision
    run_potential(context, spec)
    found = context.output.commit(spec_json=b"{}", inputs={})
    assert found.json("potential.json") == {"model_ids": ["shifted", "one"]}
    arrays = found.to_xarray()
    assert arrays.potential.dims == ("model", "y", "x")
    assert arrays.potential.attrs["units"] == "V angstrom"
    shifted, one = arrays.potential.values
    step = round(2.35 / float(arrays.x[1]))
    assert float(arrays.x[step]) == pytest.approx(2.35)
    assert shifted == pytest.approx(np.roll(one, step, axis=1), abs=0.01 * float(one.max()))
    assert shifted.nbytes + one.nbytes <= 1.6 * estimate.store_bytes


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"model_ids": ["two"]}, "model_ids", "'two' is none of the 3"),
        ({}, "model_ids", "differ in their cells"),
        ({"model_ids": ["one"], "sampling_angstrom": -1}, "sampling_angstrom", "-1 angstrom"),
        ({"model_ids": ["one"], "sampling_angstrom": 1e-4}, "sampling_angstrom", "at least"),
        ({"model_ids": ["one"], "parametrization": "peng"}, "parametrization", "kirkland"),
        ({"model_ids": ["one"], "b_angstrom2": -2}, "b_angstrom2", "-2 angstrom^2"),
    ],
)
def test_mistakes_are_named(
    root: ArrayStore, change: dict[str, object], field: str, says: str
) -> None:
    spec = simulator_pb2.PotentialSpec(models=MODELS, **change)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError) as caught:
        prepare_potential(spec, Inputs(root))
    assert caught.value.field == field
    assert says in caught.value.message
