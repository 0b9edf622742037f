"""A sweep that is wrong fails; one that is coarse says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cryolattice.errors import VerificationError
from cryolattice.jobs.kinds import Inputs
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.jobs import load_sweep, prepare_sweep
from cryolattice_simulator.sweep_axes import Conditions
from cryolattice_simulator.sweep_checks import SweepChecks
from cryolattice_simulator.verification import draw_checks, relative_difference
from tests.simulator.small_sweeps import EDGE, run, spec_of, write_models


@pytest.fixture
def root(tmp_path: Path) -> ArrayStore:
    store = open_store(f"file://{tmp_path}/store")
    write_models(store, [np.diag([EDGE, EDGE, 2.0])] * 5)
    return store


def test_the_sample_is_seeded_and_grows() -> None:
    assert [len(draw_checks(models, 1, 0)) for models in (2, 36, 2664)] == [2, 3, 5]
    assert draw_checks(36, 6, 1) == draw_checks(36, 6, 1)
    assert draw_checks(36, 6, 1) != draw_checks(36, 6, 2)
    drawn = [check for seed in range(200) for check in draw_checks(9, 4, seed)]
    assert {model for model, _ in drawn} == set(range(9))
    assert {number for _, number in drawn} == set(range(4))
    assert all(len({model for model, _ in draw_checks(9, 4, seed)}) == 3 for seed in range(9))


def test_a_sweep_says_how_far_it_is_from_abtem(root: ArrayStore) -> None:
    axes = simulator_pb2.SweepAxes(tilts=[{"x_mrad": 5.0}, {"y_mrad": 9.0}])
    found = run(root, spec_of(axes=axes, sampling_angstrom=0.05))
    told = found.json("verification.json")
    assert len(told["checks"]) == 3
    arrays = found.to_xarray()
    for name, bound in (("propagation_error", 1e-5), ("potential_error", 1e-2)):
        values = [check[name] for check in told["checks"]]
        assert arrays[name].values.tolist() == values
        assert 0 < max(values) < bound
    assert [f"m{i}" for i in arrays.check.values] == [c["model_id"] for c in told["checks"]]
    assert {tuple(check["tilt_mrad"]) for check in told["checks"]} <= {(5.0, 0.0), (0.0, 9.0)}
    assert told["warnings"] == []


def test_a_coarse_grid_is_warned_of_and_abtem_is_not_checked_by_itself(root: ArrayStore) -> None:
    coarse = spec_of(sampling_angstrom=0.4, k_max_per_angstrom=0.6, thicknesses_angstrom=[200.0])
    coarse.engine = simulator_pb2.ENGINE_ABTEM
    told = run(root, coarse).json("verification.json")
    assert all(check["propagation_error"] is None for check in told["checks"])
    assert "lower sampling_angstrom" in told["warnings"][0]


@pytest.mark.parametrize("change", [lambda psi: psi * 1.0005, lambda psi: psi.conj()])
def test_beams_that_abtem_contradicts_fail_the_job(
    root: ArrayStore, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    spec = spec_of()
    prepare_sweep(spec, Inputs(root))
    sweep = load_sweep(spec, Inputs(root))
    models, (checks,) = (some.tiles for some in sweep.rounds)
    parts = [sweep.compute(*tile, lambda *_: np.empty(0)) for tile in sorted(models)]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    right = sweep.compute(*checks, lambda name, start, stop: whole[name][start:stop])
    assert right["propagation_error"].max() < 1e-5
    whole["psi"] = change(whole["psi"])
    with pytest.raises(VerificationError, match=r"model m\d \(300 keV, B 0 angstrom\^2\)"):
        sweep.compute(*checks, lambda name, start, stop: whole[name][start:stop])


def test_the_checks_begin_when_their_models_are_there_beside_the_rest() -> None:
    tiles = [(start, start + 10) for start in range(0, 2660, 10)] + [(2660, 2664)]
    conditions = Conditions(300.0, (0.0, 0.0), 0.0, None)
    checks = SweepChecks([f"m{i}" for i in range(2664)], [({}, conditions)], seed=3)
    simulated, checked = checks.rounds(tiles)
    assert checked.tiles == [(2664, 2669)]
    assert sorted(simulated.tiles) == tiles
    assert checked.after is not None
    first = [simulated.tiles[number] for number in checked.after]
    models = {check.model for check in checks.checks}
    assert all(any(start <= model < stop for start, stop in first) for model in models)
    assert len(first) <= len(models)


def test_the_difference_is_the_worst_plane() -> None:
    reference = np.array([[3.0, 4.0j], [1.0, 0.0]])
    assert relative_difference(reference * [[1.0], [1.1]], reference) == pytest.approx(0.1)
