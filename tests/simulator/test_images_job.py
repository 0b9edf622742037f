"""What the images job fills in, refuses and writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryolattice.errors import CryolatticeError
from cryolattice.jobs.context import JobContext
from cryolattice.jobs.kinds import Inputs
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.store.writer import DatasetWriter
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.images_job import prepare_images, run_images
from tests.simulator.conftest import running

A, B = 4.0, 5.0
MODELS = DatasetRef(name="projects/p/datasets/00", kind="models")
BEAMS = DatasetRef(name="projects/p/datasets/01", kind="beams")


@pytest.fixture
def root(tmp_path: Path) -> ArrayStore:
    """Two models; the beams of the second are a direct one and a pair along a."""
    store = open_store(f"file://{tmp_path}/store")
    models = DatasetWriter(store, "models", "00")
    cells = np.stack([np.diag([A, B, 10.0])] * 2)
    models.add_array("cell", cells, ("model", "vector", "xyz"), "angstrom")
    models.add_json("models.json", [{"model_id": "one"}, {"model_id": "two"}])
    models.commit(spec_json=b"{}", inputs={})
    beams = DatasetWriter(store, "beams", "01")
    psi = np.zeros((2, 1, 2, 3), np.complex64)
    psi[1, 0] = [[1, 0.1j, 0.1j], [0.9, 0.2j, 0.2j]]
    dims = ("model", "b_level", "thickness", "beam")
    beams.add_array("psi", psi, dims, "1", energy_kev=300.0)
    beams.add_array("h", np.array([[0, 2, -2]] * 2, np.int32), ("model", "beam"))
    beams.add_array("k", np.zeros((2, 3), np.int32), ("model", "beam"))
    beams.add_array("beam_count", np.full(2, 3, np.int32), ("model",))
    beams.add_array("model", np.arange(2), ("model",))
    beams.add_array("gpts", np.full((2, 2), 64, np.int32), ("model", "xy"))
    beams.add_array("thickness", np.array([10.0, 20.0]), ("thickness",), "angstrom")
    beams.commit(spec_json=b'{"k_max_per_angstrom": 1.0}', inputs={})
    return store


@pytest.fixture
def context(root: ArrayStore, tmp_path: Path) -> Iterator[JobContext]:
    with running("images", root, tmp_path) as context:
        yield context


def asked(**fields: Any) -> simulator_pb2.ImagesSpec:
    return simulator_pb2.ImagesSpec(models=MODELS, beams=BEAMS, model_id="two", **fields)


def test_defaults_hold_every_frequency_of_two_cells(root: ArrayStore, context: JobContext) -> None:
    spec = asked(exit_wave=True, ctf_corrected=True)
    estimate = prepare_images(spec, Inputs(root))
    camera = spec.camera
    assert (camera.pixel_size_angstrom, camera.width_px, camera.height_px) == (0.25, 32, 40)
    assert list(spec.thicknesses_angstrom) == [10, 20]
    run_images(context, spec)
    found = context.output.commit(spec_json=b"{}", inputs={}).to_xarray()
    assert found.image.shape == found.corrected.shape == (2, 1, 40, 32)
    assert found.pattern.shape == (2, 512, 512)
    # in focus, without Cs: the square of the exit wave's amplitude
    assert found.image[:, 0].values == pytest.approx(found.amplitude.values**2, rel=1e-5)
    # all intensity of the beams is in image and pattern
    for plane, intensity in enumerate((1.02, 0.89)):
        assert float(found.image[plane].mean()) == pytest.approx(intensity, rel=1e-5)
        assert float(found.pattern[plane].sum()) == pytest.approx(intensity, rel=1e-5)
    strongest = found.pattern[0].where(abs(found.kx) > 0.1).argmax(...)
    assert abs(float(found.kx[strongest["kx"]])) == pytest.approx(2 / A, abs=1 / 512)
    assert sum(array.nbytes for array in found.data_vars.values()) <= 1.1 * estimate.store_bytes


def test_a_seed_counts_only_where_there_is_noise(root: ArrayStore) -> None:
    quiet = asked(camera={"seed": 3})
    noisy = asked(camera={"seed": 3, "dose_e_per_angstrom2": 20})
    for spec in (quiet, noisy):
        prepare_images(spec, Inputs(root))
    assert (quiet.camera.seed, noisy.camera.seed) == (0, 3)


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"thicknesses_angstrom": [15.0]}, "thicknesses_angstrom", "nearest is 10"),
        ({"camera": {"width_px": 100_000}}, "width_px", "choose 2 to 8192"),
        ({"camera": {"width_px": 8192, "height_px": 8192}}, "width_px", "0.5 GiB, above"),
        ({"camera": {"pixel_size_angstrom": -1}}, "pixel_size_angstrom", "-1 angstrom"),
        ({"camera": {"dose_e_per_angstrom2": -3}}, "dose_e_per_angstrom2", "-3 e/"),
        ({"camera": {"mtf": {"lorentzians": [1.0]}}}, "mtf", "a, b, c, alpha and beta"),
        ({"objective": {"aperture_mrad": -2}}, "aperture_mrad", "-2 mrad"),
    ],
)
def test_mistakes_are_named(
    root: ArrayStore, fields: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(CryolatticeError) as caught:
        prepare_images(asked(**fields), Inputs(root))
    assert caught.value.field == field
    assert says in caught.value.message


def test_a_model_has_to_be_named_among_several(root: ArrayStore) -> None:
    spec = asked()
    spec.model_id = ""
    with pytest.raises(CryolatticeError, match="none of the 2 models"):
        prepare_images(spec, Inputs(root))


def test_pixels_need_right_angles(root: ArrayStore) -> None:
    models = DatasetWriter(root, "models", "02")
    oblique = np.array([[A, 0, 0], [-A / 2, B, 0], [0, 0, 10.0]])
    models.add_array("cell", np.stack([oblique] * 2), ("model", "vector", "xyz"), "angstrom")
    models.add_json("models.json", [{"model_id": "one"}, {"model_id": "two"}])
    models.commit(spec_json=b"{}", inputs={})
    spec = asked()
    spec.models.name = "projects/p/datasets/02"
    with pytest.raises(CryolatticeError, match=r"that of two is .*orthogonal supercell") as caught:
        prepare_images(spec, Inputs(root))
    assert caught.value.field == "model_id"
