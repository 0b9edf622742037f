"""Scores of a sweep's images against an averaged cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice.jobs.kinds import Inputs
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.store.reader import DatasetReader
from cryolattice.store.writer import DatasetWriter
from cryolattice.workflows.sweep import best_scores
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.beams import ExitBeams
from cryolattice_simulator.images_job import lenses_of, prepare_images
from cryolattice_simulator.imaging import image_coefficients
from cryolattice_simulator.jobs import prepare_sweep
from tests.simulator.small_sweeps import EDGE, MODELS, run, spec_of, write_models

AVERAGE = DatasetRef(name="projects/p/datasets/0a", kind="average")
LENSES = [
    simulator_pb2.Objective(defocus_angstrom=[100.0, 300.0, 500.0], cs_mm=1.0),
    simulator_pb2.Objective(defocus_angstrom=[100.0, 300.0, 500.0], cs_mm=1.0, aperture_mrad=9.0),
]
MODEL, PLANE, LENS, DEFOCUS = 2, 1, 0, 1


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> ArrayStore:
    store = open_store(f"file://{tmp_path_factory.mktemp('scores')}/store")
    write_models(store, [np.diag([EDGE, EDGE + 1, 2.0])] * 5, apart=0.12)
    return store


def observe(root: ArrayStore, beams: DatasetReader, *, edge: float = EDGE) -> None:
    """Write an average of one image: shifted, its axes swapped, mirrored, and noisy."""
    count = int(beams.array("beam_count")[MODEL])
    h, k = (beams.array(name)[MODEL, :count].astype(np.int64) for name in "hk")
    exit_beams = ExitBeams(
        *(h, k, beams.array("psi")[MODEL, 0, :, :count], beams.array("thickness")),
        *(np.diag([EDGE, EDGE + 1, 2.0]), 300.0, (32, 32), 1),
    )
    spectrum = image_coefficients(exit_beams, PLANE, lenses_of(LENSES[LENS])[DEFOCUS])
    h, k = (orders.ravel() for orders in np.mgrid[-4:5, -4:5])
    half = (h > 0) | ((h == 0) & (k > 0))
    h, k = h[half], k[half]
    values = spectrum[k, h] / spectrum[0, 0] * np.exp(-2j * np.pi * (0.137 * h + 0.391 * k))
    noise = np.random.default_rng(1).normal(size=(2, len(h)))
    values += 0.02 * np.linalg.norm(values) / np.sqrt(len(h)) * (noise[0] + 1j * noise[1])
    output = DatasetWriter(root, "average", "0a")
    for name, orders in (("h", k), ("k", -h), ("coefficients", values)):
        output.add_array(name, orders, ("coefficient",))
    # strained by a percent
    cell = np.diag([1.01 * (edge + 1), edge])
    output.add_array("reciprocal", np.linalg.inv(cell).T, ("vector", "xy"))
    output.commit(spec_json=b"{}", inputs={})


def test_a_planted_image_scores_best_and_nothing_else_is_kept(root: ArrayStore) -> None:
    every = run(root, spec_of())
    observe(root, every)
    outputs = simulator_pb2.SweepOutputs(
        scores=simulator_pb2.ImageScores(average=AVERAGE, images=LENSES), beams=False
    )
    found = run(root, spec_of(outputs=outputs))
    arrays = found.to_xarray()
    assert "psi" not in arrays
    assert arrays.score.dims == ("model", "b_level", "thickness", "score_lens", "score_defocus")
    assert arrays.score_defocus.values.tolist() == LENSES[0].defocus_angstrom
    scores = arrays.score.values
    best = np.unravel_index(scores.argmax(), scores.shape)
    assert best == (MODEL, 0, PLANE, LENS, DEFOCUS)
    # noise of 2 % in either part is all that it lacks, at whatever shift, turn and mirror
    assert scores[best] == pytest.approx(1 - 0.02**2, abs=2e-4)
    assert np.delete(scores[:, 0, PLANE, LENS, DEFOCUS], MODEL).max() < scores[best] - 5e-3
    models = DatasetReader.open(root, "models", "00", "")
    first, second = best_scores(found, models, 2)
    assert first == {
        **{"model_id": f"m{MODEL}", "score": float(scores[best]), "b_level": 0.0},
        **{"thickness": 10.0, "score_lens": LENS, "score_defocus": 300.0},
    }
    assert second["score"] == np.sort(scores.reshape(5, -1).max(axis=1))[-2]
    assert best_scores(every, models) == []

    told = found.json("verification.json")["checks"]
    assert all(0 < check["propagation_error"] < 1e-5 for check in told)
    images = simulator_pb2.ImagesSpec(
        beams=DatasetRef(name=f"projects/p/datasets/{found.manifest.id}", kind="beams"),
        models=MODELS,
    )
    with pytest.raises(InvalidInputError, match="hold no psi"):
        prepare_images(images, Inputs(root))


def test_mistakes_in_scores_are_named(root: ArrayStore) -> None:
    scores = simulator_pb2.ImageScores(average=AVERAGE, images=LENSES)
    for field, says, fields in (
        ("outputs.beams", "nothing else is chosen", {"outputs": {"beams": False}}),
        ("outputs.scores.images", "list the lens", {"outputs": {"scores": {"average": AVERAGE}}}),
        (
            "outputs.scores",
            "configurations have a mean",
            {"outputs": {"scores": scores}, "axes": {"frozen_phonons": {"configurations": 2}}},
        ),
        (
            "outputs.scores.average",
            "is a models",
            {"outputs": {"scores": {"average": MODELS, "images": LENSES}}},
        ),
    ):
        with pytest.raises(InvalidInputError, match=says) as caught:
            prepare_sweep(spec_of(**fields), Inputs(root))
        assert caught.value.field == field
    kept = spec_of(outputs={"beams": True})
    prepare_sweep(kept, Inputs(root))
    assert not kept.HasField("outputs"), "the same question as without it"


def test_an_average_of_another_cell_is_refused(tmp_path: Path, root: ArrayStore) -> None:
    other = open_store(f"file://{tmp_path}/store")
    write_models(other, [np.diag([EDGE, EDGE + 1, 2.0])])
    observe(other, run(root, spec_of()), edge=2 * EDGE)
    scores = simulator_pb2.ImageScores(average=AVERAGE, images=LENSES)
    with pytest.raises(InvalidInputError, match="the models are 4 x 5 angstrom") as caught:
        prepare_sweep(spec_of(outputs={"scores": scores}), Inputs(other))
    assert caught.value.field == "outputs.scores.average"
