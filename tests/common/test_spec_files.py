"""Sweeps written as YAML: what is read, and where a mistake is said to stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cryolattice.errors import InvalidInputError
from cryolattice.workflows.sweep import OrderingModels, read_sweep
from cryolattice_api.simulator.v1 import simulator_pb2

EXAMPLE = Path(__file__).parents[2] / "examples" / "sweep.yaml"
MODELS = "models: m\n"


def test_the_example_says_what_it_seems_to_say() -> None:
    question = read_sweep(EXAMPLE)
    assert question.models == OrderingModels(
        parent=EXAMPLE.parent / "na2nh2bh4" / "na2nh2bh4_cubic.cif", supercell=[2, 2, 1]
    )
    assert question.models.parent.exists()
    spec = question.spec
    assert list(spec.thicknesses_angstrom) == [round(18.8 * i, 9) for i in range(1, 10)]
    assert spec.engine == simulator_pb2.ENGINE_FAST
    assert list(spec.axes.energies_kev) == [200, 300]
    assert spec.outputs.diffraction_patterns
    assert not spec.outputs.exit_waves
    assert list(spec.outputs.images[0].defocus_angstrom) == [1000, 2500, 4000]
    # a mapping in Python is read alike
    entries: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    assert read_sweep(entries).spec == spec


def test_numbers_maps_and_nested_lists(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        MODELS + "thicknesses_angstrom: 4.7\nenergy_kev: 3e2\ndebye_waller_b_angstrom2: {Na: 1.5}\n"
        "axes:\n  tilts: [{x_mrad: 2}, {}]\n  frozen_phonons: {configurations: 4}\n"
        "outputs: {}\n"
    )
    question = read_sweep(path)
    spec = question.spec
    assert question.models == "m"
    assert list(spec.thicknesses_angstrom) == [4.7]
    assert spec.energy_kev == 300
    assert dict(spec.debye_waller_b_angstrom2) == {"Na": 1.5}
    assert [tilt.x_mrad for tilt in spec.axes.tilts] == [2, 0]
    assert spec.axes.frozen_phonons.configurations == 4
    assert spec.HasField("outputs")


def test_other_datasets_are_named_too() -> None:
    scores = {"average": "0a", "images": [{"defocus_angstrom": 500}]}
    outputs = {"beams": False, "scores": scores}
    spec = read_sweep({"models": "m", "projection": "finite", "outputs": outputs}).spec
    assert spec.outputs.scores.average.name == "0a"
    assert list(spec.outputs.scores.images[0].defocus_angstrom) == [500]
    assert spec.outputs.HasField("beams")
    assert not spec.outputs.beams
    assert spec.projection == simulator_pb2.PROJECTION_FINITE


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        ("energy_kv: 300", 2, "energy_kv", "did you mean energy_kev?"),
        ("engine_revision: x", 2, "engine_revision", "is not known"),
        ("energy_kev: high", 2, "energy_kev", "'high': give a number"),
        ("energy_kev: [1, 2]", 2, "energy_kev", "give one value"),
        ("energy_kev:", 2, "energy_kev", "give one value"),
        ("energy_kev: 1\nenergy_kev: 2", 3, "energy_kev", "twice"),
        ("engine: slow", 2, "engine", "choose abtem or fast"),
        ("outputs:\n  exit_waves: 1", 3, "outputs.exit_waves", "true or false"),
        ("outputs: yes", 2, "outputs", "give a mapping"),
        (
            "axes:\n  frozen_phonons:\n    configurations: 1.5",
            4,
            "axes.frozen_phonons.configurations",
            "a whole number",
        ),
        (
            "axes:\n  frozen_phonons: {seed: 4294967296}",
            3,
            "axes.frozen_phonons.seed",
            "0 to 4294967295",
        ),
        ("axes:\n  tilts:\n  - {x: 1}", 4, "axes.tilts.x", "known are x_mrad, y_mrad"),
        ("thicknesses_angstrom: {from: 1, to: 2}", 2, "thicknesses_angstrom", "lacks step"),
        (
            "thicknesses_angstrom: {from: 1, to: 2, step: 0}",
            2,
            "thicknesses_angstrom",
            "steps of 0",
        ),
    ],
)
def test_a_mistake_has_its_field_and_line(
    tmp_path: Path, text: str, line: int, field: str, says: str
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(MODELS + text)
    with pytest.raises(InvalidInputError) as caught:
        read_sweep(path)
    assert caught.value.field == field
    assert caught.value.message.startswith(f"s.yaml, line {line}: {field} ")
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("energy_kev: 300", "models", "name a models dataset"),
        ("modelz: m", "modelz", "did you mean models?"),
        ("models: {parent: a.cif}", "models", "lack supercell"),
        ("models: {parent: a.cif, supercell: 2}", "models.supercell", "[2, 2, 1]"),
        ("models: {parent: a.cif, supercell: [2, x, 1]}", "models.supercell", "whole numbers"),
        ("models: {parent: a, supercell: [1], clusters: 3}", "models.clusters", "N1: NH2"),
        ("models: {parent: !x a.cif, supercell: [1]}", "models", "could not determine"),
        ("- 1", "", "the file is no mapping"),
        ("? [1]\n: 2", "", "a name that is no text"),
        ("a: [1", "spec", "line 1: this is not YAML"),
    ],
)
def test_how_the_models_come_is_checked(tmp_path: Path, text: str, field: str, says: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        read_sweep(path)
    assert caught.value.field == field
    assert says in caught.value.message


def test_what_a_service_finds_wrong_gets_its_line(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(MODELS + "thicknesses_angstrom: [4.7, 5]\noutputs:\n  images: [{cs_mm: 1}]\n")
    file = read_sweep(path).file
    for field, line in (
        ("thickness_angstrom", 2),
        ("outputs.images.defocus_angstrom", None),
        ("cs_mm", 4),
        ("energy_kev", None),
    ):
        told = file.located(InvalidInputError("is wrong", field=field))
        place = f"line {line}: " if line else ""
        assert told.message == f"s.yaml{', ' if line else ': '}{place}is wrong", field
        assert told.field == field


def test_arrays_and_paths_of_python_are_read_like_what_is_written() -> None:
    structure = Path("folder") / "parent.cif"
    question = read_sweep(
        {
            "models": {"parent": structure, "supercell": (2, 2, np.int64(1))},
            "thicknesses_angstrom": np.arange(1, 4) * 4.7,
            "energy_kev": np.float64(300),
        }
    )
    assert question.models == OrderingModels(parent=structure, supercell=[2, 2, 1])
    assert list(question.spec.thicknesses_angstrom) == pytest.approx([4.7, 9.4, 14.1])
    assert question.spec.energy_kev == 300
    with pytest.raises(InvalidInputError, match="cannot be asked for: write numbers"):
        read_sweep({"models": "m", "energy_kev": object()})
