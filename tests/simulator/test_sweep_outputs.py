"""A sweep's axes and outputs, computed tile by tile without Ray and read back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import abtem
import numpy as np
import pytest
import xarray as xr

from cryolattice.canonical import spec_sha256
from cryolattice.errors import InvalidInputError
from cryolattice.jobs.kinds import Inputs
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.images_job import prepare_images
from cryolattice_simulator.jobs import load_sweep, prepare_sweep
from tests.simulator.small_sweeps import EDGE, MODELS, run, spec_of, write_models

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> ArrayStore:
    store = open_store(f"file://{tmp_path}/store")
    write_models(store, [np.diag([EDGE, EDGE, 2.0])] * 3)
    return store


IMAGES = [
    simulator_pb2.Objective(defocus_angstrom=[0.0, 400.0], cs_mm=1.0),
    simulator_pb2.Objective(
        defocus_angstrom=[0.0, 400.0], cs_mm=1.0, astigmatism_angstrom=50.0, aperture_mrad=12.0
    ),
]


def after(page: str) -> str:
    """Return what the page says of these arrays."""
    return page.split("### Further axes and outputs of a sweep")[1].split("\n### ", maxsplit=1)[0]


def test_exit_waves_open_in_xarray_and_in_abtem(root: ArrayStore) -> None:
    outputs = simulator_pb2.SweepOutputs(
        exit_waves=True, diffraction_patterns=True, projected_potential=True, images=IMAGES
    )
    found = run(root, spec_of(outputs=outputs, b_levels_angstrom2=[0.5, 1.0]))
    folder = root.url.removeprefix("file://") + f"/datasets/beams/{found.manifest.id}/data.zarr"

    arrays = xr.open_zarr(folder, consolidated=False)
    waves = abtem.from_zarr(folder)
    assert isinstance(waves, abtem.Waves)
    assert waves.array.shape == arrays.array0.shape
    assert arrays.array0.dims == ("model", "b_level", "thickness", "x", "y")
    assert waves.energy == 300e3
    assert waves.extent == pytest.approx((EDGE, EDGE))
    names = [axis.label for axis in waves.ensemble_axes_metadata]
    assert names == ["model", "b_level", "thickness"]
    assert waves.ensemble_axes_metadata[0].values == ("m0", "m1", "m2")
    assert waves.ensemble_axes_metadata[2].values == (4.0, 10.0)

    # abTEM's own diffraction and image of the stored waves are the stored ones
    wave = waves[2, 1, 1].compute()
    pattern = wave.diffraction_patterns(max_angle=None, block_direct=False)
    stored = arrays.diffraction.sel(model=2, b_level=1.0, thickness=10.0)
    nx, ny = pattern.array.shape
    cut = pattern.array[nx // 2 - 3 : nx // 2 + 4, ny // 2 - 3 : ny // 2 + 4].T
    share = cut / cut.sum()
    assert share == pytest.approx(stored.values / stored.values.sum(), abs=1e-5)
    assert stored.attrs["units"] == "1"
    assert float(stored.kx[-1]) == pytest.approx(3 / EDGE)
    ctf = abtem.CTF(energy=300e3, defocus=400.0, Cs=1e7)
    picture = wave.apply_ctf(ctf).intensity().array.T
    image = arrays.image.sel(model=2, b_level=1.0, thickness=10.0, defocus=400.0)
    assert image.dims == ("lens", "y", "x")
    assert image[0].values == pytest.approx(picture, abs=2e-4)
    assert abs(image[1] - image[0]).max() > 0.01
    assert arrays.lens_cs_mm.attrs["units"] == "mm"

    page = (ROOT / "docs" / "data-platform.md").read_text()
    for name in ("potential", "array0", "diffraction", "image", "potential_x", "kx", "x"):
        described = re.search(rf"^\| `{name}` \| ([^|]+) \| ([^|]+) \|", after(page), re.MULTILINE)
        assert described, name
        *_, last = described[1].split(", ")
        assert arrays[name].dims[-1] == last, name
        assert arrays[name].attrs["units"] == described[2], name

    # units and coordinates of everything
    for name, unit in {
        "x": "angstrom",
        "potential_y": "angstrom",
        "ky": "1/angstrom",
        "defocus": "angstrom",
        "b_level": "angstrom^2",
        "thickness": "angstrom",
    }.items():
        assert arrays[name].attrs["units"] == unit, name
        assert arrays[name].dims == (name,)
    potential = arrays.potential.isel(model=0, b_level=0)
    at = np.unravel_index(int(potential.values.argmax()), potential.shape)
    assert float(potential.potential_x[at[1]]) == pytest.approx(1.0, abs=0.1)
    assert float(potential.potential_y[at[0]]) == pytest.approx(1.0, abs=0.1)
    damped = arrays.potential.isel(model=0, b_level=1)
    assert float(damped.max()) < float(potential.max())


def test_an_axis_with_one_value_is_no_axis(root: ArrayStore) -> None:
    one = spec_of(energy_kev=0, axes=simulator_pb2.SweepAxes(energies_kev=[300.0]))
    plain = spec_of()
    for spec in (one, plain):
        prepare_sweep(spec, Inputs(root))
    assert spec_sha256(one) == spec_sha256(plain)
    assert not plain.HasField("axes")
    assert not plain.HasField("outputs")
    psi = next(a for a in load_sweep(plain, Inputs(root)).arrays if a.name == "psi")
    assert psi.dims == ("model", "b_level", "thickness", "beam")
    assert psi.attributes["energy_kev"] == 300.0


def test_further_axes_hold_what_each_value_alone_gives(root: ArrayStore) -> None:
    axes = simulator_pb2.SweepAxes(
        energies_kev=[200.0, 300.0],
        tilts=[simulator_pb2.Tilt(), simulator_pb2.Tilt(x_mrad=20.0)],
    )
    found = run(root, spec_of(energy_kev=0, axes=axes))
    several = found.to_xarray()
    assert several.psi.dims == ("model", "energy", "tilt", "b_level", "thickness", "beam")
    assert "energy_kev" not in several.psi.attrs
    assert several.energy.attrs["units"] == "keV"
    assert several.tilt_x.values.tolist() == [0.0, 20.0]
    assert several.tilt_x.attrs["units"] == "mrad"
    alone = run(root, spec_of()).to_xarray()
    assert np.array_equal(several.psi.sel(energy=300.0, tilt=0).values, alone.psi.values)
    tilted = run(
        root, spec_of(axes=simulator_pb2.SweepAxes(tilts=[simulator_pb2.Tilt(x_mrad=20.0)]))
    ).to_xarray()
    assert tilted.psi.attrs["beam_tilt_mrad"] == [20.0, 0.0]
    assert np.array_equal(several.psi.sel(energy=300.0, tilt=1).values, tilted.psi.values)
    assert abs(tilted.psi.values - alone.psi.values).max() > 5e-3

    ref = DatasetRef(name=f"projects/p/datasets/{found.manifest.id}", kind="beams")
    with pytest.raises(InvalidInputError, match="energy and tilt cannot be used") as caught:
        prepare_images(simulator_pb2.ImagesSpec(models=MODELS, beams=ref), Inputs(root))
    assert caught.value.field == "beams"


def test_frozen_phonons_are_seeded_and_average_intensities(root: ArrayStore) -> None:
    def found(seed: int) -> xr.Dataset:
        phonons = simulator_pb2.FrozenPhonons(configurations=3, seed=seed)
        outputs = simulator_pb2.SweepOutputs(diffraction_patterns=True, images=IMAGES)
        spec = spec_of(
            axes=simulator_pb2.SweepAxes(frozen_phonons=phonons),
            outputs=outputs,
            b_levels_angstrom2=[1.0],
        )
        return run(root, spec).to_xarray().load()

    first, other = found(1), found(2)
    assert first.psi.dims == ("model", "b_level", "phonon", "thickness", "beam")
    assert first.image.dims[:3] == ("model", "b_level", "thickness")
    spread = abs(first.psi - first.psi.mean("phonon")).max("beam")
    assert float(spread.min()) > 1e-4, "configurations differ"
    assert abs(first.psi.values - other.psi.values).max() > 1e-3
    mean = (abs(first.psi) ** 2).mean("phonon").isel(b_level=0)
    stored = first.diffraction.isel(b_level=0, kx=3, ky=3)
    assert stored.values == pytest.approx(mean.isel(beam=0).values, rel=1e-5)
    models = [first.psi.isel(model=i, phonon=0).values for i in (0, 1)]
    assert abs(abs(models[0]) - abs(models[1])).max() > 1e-4, "each model has its own"


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"axes": {"energies_kev": [200.0]}}, "axes.energies_kev", "leave one out"),
        (
            {"energy_kev": 0, "axes": {"energies_kev": [300.0, 200.0]}},
            "axes.energies_kev",
            "increasing",
        ),
        ({"energy_kev": 0, "axes": {"energies_kev": [5.0]}}, "axes.energies_kev", "5 keV"),
        ({"axes": {"tilts": [{"x_mrad": 300.0}]}}, "axes.tilts", "at most 100 mrad"),
        ({"axes": {"tilts": [{}, {}]}}, "axes.tilts", "twice"),
        (
            {"axes": {"frozen_phonons": {}}},
            "axes.frozen_phonons.configurations",
            "is 0: give 1 to",
        ),
        ({"debye_waller_b_angstrom2": {"Xy": 1.0}}, "debye_waller_b_angstrom2", "no element"),
        ({"outputs": {"images": [{"cs_mm": 1.0}]}}, "outputs.images.defocus_angstrom", "one"),
        (
            {"outputs": {"images": [{"defocus_angstrom": [1.0]}, {"defocus_angstrom": [2.0]}]}},
            "outputs.images.defocus_angstrom",
            "same for every lens",
        ),
        (
            {"outputs": {"images": [{"defocus_angstrom": [1.0], "aperture_mrad": -1.0}]}},
            "aperture_mrad",
            "0 or more",
        ),
        (
            {
                "energy_kev": 0,
                "axes": {"energies_kev": [200.0, 300.0]},
                "outputs": {"exit_waves": True},
            },
            "outputs.exit_waves",
            "each energy",
        ),
        ({"projection": "PROJECTION_FINITE"}, "engine", "wholly into their slices: choose ABTEM"),
        (
            {"engine": 0, "projection": "PROJECTION_FINITE", "b_levels_angstrom2": [0.0, 0.5]},
            "projection",
            "ask for axes.frozen_phonons",
        ),
    ],
)
def test_mistakes_in_axes_and_outputs_are_named(
    root: ArrayStore, fields: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        prepare_sweep(spec_of(**fields), Inputs(root))
    assert caught.value.field == field
    assert says in caught.value.message


def test_outputs_need_models_of_one_cell(tmp_path: Path) -> None:
    root = open_store(f"file://{tmp_path}/store")
    write_models(root, [np.diag([EDGE, EDGE, 2.0]), np.diag([2 * EDGE, EDGE, 2.0])])
    prepare_sweep(spec_of(), Inputs(root))
    with pytest.raises(InvalidInputError, match="differ in their cells") as caught:
        prepare_sweep(spec_of(outputs={"exit_waves": True}), Inputs(root))
    assert caught.value.field == "outputs"


def test_projected_potentials_are_those_of_our_engine(root: ArrayStore) -> None:
    outputs = simulator_pb2.SweepOutputs(projected_potential=True)
    with pytest.raises(InvalidInputError, match="not there for peng potentials") as caught:
        prepare_sweep(spec_of(engine=0, parametrization="peng", outputs=outputs), Inputs(root))
    assert caught.value.field == "outputs.projected_potential"


def test_outputs_need_an_orthogonal_cell(tmp_path: Path) -> None:
    root = open_store(f"file://{tmp_path}/store")
    write_models(root, [np.array([[EDGE, 0, 0], [1.0, EDGE, 0], [0, 0, 2.0]])])
    prepare_sweep(spec_of(), Inputs(root))
    for field, asked in (
        ("outputs", {"outputs": {"diffraction_patterns": True}}),
        ("engine", {"engine": simulator_pb2.ENGINE_ABTEM}),
    ):
        with pytest.raises(InvalidInputError, match="orthogonal supercell") as caught:
            prepare_sweep(spec_of(**asked), Inputs(root))
        assert caught.value.field == field


def test_finite_projection_is_abtems(root: ArrayStore) -> None:
    asked: dict[str, Any] = {"engine": 0, "selection": {"model_ids": ["m1"]}}
    spec = spec_of(projection="PROJECTION_FINITE", **asked)
    (remark,) = prepare_sweep(spec, Inputs(root)).remarks
    assert "wholly into their slices: abTEM answers instead" in remark
    finite = run(root, spec).array("psi")
    plain = run(root, spec_of(**asked | {"engine": simulator_pb2.ENGINE_ABTEM})).array("psi")
    assert 1e-4 < np.linalg.norm(finite - plain) / np.linalg.norm(plain) < 0.05
    infinite = spec_of(projection="PROJECTION_INFINITE", **asked)
    same = spec_of(**asked)
    assert not any(prepare_sweep(each, Inputs(root)).remarks for each in (infinite, same))
    assert infinite == same, "the same question as without it"


def test_only_the_chosen_models_are_simulated(root: ArrayStore) -> None:
    every = run(root, spec_of())
    chosen = run(root, spec_of(selection={"model_ids": ["m2", "m0"]}))
    assert np.array_equal(chosen.array("psi"), every.array("psi")[[2, 0]])
    assert chosen.array("model").tolist() == [2, 0]
    with pytest.raises(InvalidInputError, match="'m9' is none of the 3") as caught:
        run(root, spec_of(selection={"model_ids": ["m9"]}))
    assert caught.value.field == "selection.model_ids"
    with pytest.raises(InvalidInputError, match="names a model twice"):
        prepare_sweep(spec_of(selection={"model_ids": ["m1", "m1"]}), Inputs(root))
    none = spec_of(selection={})
    prepare_sweep(none, Inputs(root))
    assert not none.HasField("selection")


def test_checks_count_in_the_estimate(root: ArrayStore) -> None:
    spec = spec_of()
    seconds = prepare_sweep(spec, Inputs(root)).core_seconds
    models = sum(load_sweep(spec, Inputs(root)).cost_seconds)
    # all 3 models in abTEM, twelve times as slow: the same slices, and a grid 1.5 times as fine
    assert seconds == pytest.approx(models + 6 + 12 * (1 + 1.5**2) * models)


def test_images_count_in_the_estimate(root: ArrayStore) -> None:
    many = simulator_pb2.Objective(defocus_angstrom=[float(i) for i in range(500)])
    without = spec_of()
    plain, pictures = (
        prepare_sweep(spec, Inputs(root))
        for spec in (without, spec_of(outputs=simulator_pb2.SweepOutputs(images=[many])))
    )
    # 3 models, 2 planes, 500 defoci of 15 x 15 points
    assert pictures.store_bytes - plain.store_bytes == 3 * 2 * 500 * 15 * 15 * 4
    waves = sum(load_sweep(without, Inputs(root)).cost_seconds)
    assert pictures.core_seconds - plain.core_seconds > 10 * waves
