"""Steps as a request has them: what becomes of a model, and what is refused."""

from __future__ import annotations

import io
import json

import ase.io
import numpy as np
import pytest
from google.protobuf import json_format

from cryolattice.canonical import canonical_json
from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice_api.modeler.v1 import modeler_pb2, transforms_pb2
from cryolattice_modeler.chosen_models import chosen_models
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.jobs import model_record
from cryolattice_modeler.model_files import StoredModel, structure_files
from cryolattice_modeler.model_pictures import draw_models
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.structures import Model, build_models
from cryolattice_modeler.transformed_models import fill_in_transforms, transformed


@pytest.fixture(scope="module")
def model(cubic: ParentCrystal) -> Model:
    (built,) = build_models(
        cubic,
        (2, 2, 1),
        [next(enumerate_orderings(cubic, (2, 2, 1)))],
        zone_axes="c",
        clusters={"B1": "BH4"},
        hydrogens="random",
        seed=0,
        include_disordered=False,
    )
    return built


def applied(model: Model, *steps: dict[str, object]) -> list[Model]:
    message = transforms_pb2.Transforms()
    for step in steps:
        json_format.ParseDict(step, message.steps.add())
    fill_in_transforms(message)
    return transformed(model, message)


def stored(model: Model) -> StoredModel:
    return StoredModel(
        json.loads(json.dumps(model_record(model))),
        model.cell_angstrom,
        model.numbers,
        model.positions_angstrom,
        model.occupancies,
    )


B = {"Na": 1, "B": 1, "N": 1, "H": 1}


def test_questions_without_transforms_stay_the_same() -> None:
    plain = modeler_pb2.ModelsSpec(seed=3)
    assert b"transforms" not in canonical_json(plain)
    plain.transforms.steps.add().tilt.about_x_deg = 1
    assert b"transforms" in canonical_json(plain)


def test_steps_follow_one_another_and_are_recorded(model: Model) -> None:
    moved = applied(
        model,
        {"strain": {"xx": 0.02}},
        {"displacements": {"b_angstrom2": B, "configurations": 2, "seed": 7}},
        {"antiphase_domains": {"shift": [0, 0, 0], "axis": "b", "widths": [1, 1]}},
    )
    assert [m.model_id for m in moved] == [f"{model.model_id}-1", f"{model.model_id}-2"]
    assert len({m.projection_key for m in (model, *moved)}) == 3
    record = json.loads(json.dumps(model_record(moved[1])))
    assert [step["name"] for step in record["transforms"]] == [
        "strained",
        "displaced",
        "antiphase_domains",
    ]
    assert record["transforms"][1]["seed"] == 7
    assert record["view_supercell"] == [2, 4, 1]
    assert record["plane_cell"]["a_angstrom"] == pytest.approx(4.7 * 1.02)
    assert record["plane_cell"]["b_angstrom"] == pytest.approx(4.7)
    assert len(moved[0].numbers) == 2 * len(model.numbers)
    assert "transforms" not in model_record(model)


def test_in_plane_shear_leaves_a_along_x(model: Model) -> None:
    (sheared,) = applied(model, {"strain": {"xy": 0.01}})
    assert sheared.cell_angstrom[0, 1] == pytest.approx(0, abs=1e-9)
    assert sheared.cell_angstrom[1, 0] == pytest.approx(9.4 * 0.02, rel=0.01)
    (same,) = applied(model, {"strain": {"lengths_angstrom": [9.6, 9.4, 4.6]}})
    assert np.diag(same.cell_angstrom) == pytest.approx([9.6, 9.4, 4.6])


def test_a_molecule_takes_the_place_of_what_is_on_its_sites(model: Model) -> None:
    (again,) = applied(model, {"molecule": {"sites": ["B1"], "name": "BH4", "seed": 2}})
    assert sorted(again.numbers) == sorted(model.numbers)
    assert sorted(again.labels) == sorted(model.labels)
    turned = applied(model, {"molecule": {"sites": ["N1"], "name": "NH2", "distinct": True}})
    assert len(turned) == 6, "mmm: along any axis, its plane along either of the others"
    assert all(np.count_nonzero(pose.numbers == 1) == 4 * 6 for pose in turned)
    carbon = {"element": "C", "x_angstrom": 1.1}
    (both,) = applied(
        model,
        {
            "molecule": {
                "sites": ["N1"],
                "atoms": [{"element": "O"}, carbon],
                "turns": [{"y_deg": 90}],
            }
        },
    )
    oxygens, carbons = (both.positions_angstrom[both.numbers == z] for z in (8, 6))
    assert carbons - oxygens == pytest.approx(np.tile([0, 0, -1.1], (4, 1)))


def test_ions_at_the_border_of_the_cell_stay_whole_in_a_flat_crystal(model: Model) -> None:
    (flat,) = applied(model, {"flat_crystal": {"repeat_a": 2, "repeat_b": 1, "layers": 2}})
    boron = flat.positions_angstrom[flat.numbers == 5]
    hydrogen = flat.positions_angstrom[flat.numbers == 1]
    nearest = np.linalg.norm(hydrogen[:, None] - boron[None], axis=-1).min(axis=1)
    assert len(hydrogen) == 4 * len(boron) == 4 * 4 * 2 * 2
    assert nearest == pytest.approx(np.full(len(hydrogen), 1.22))


@pytest.mark.parametrize(
    ("step", "field", "message"),
    [
        ({}, "steps[0]", "empty or unknown"),
        ({"strain": {"xx": 0.5}}, "steps[0].strain.strain", "at most 0.2"),
        ({"strain": {"xx": "NaN"}}, "steps[0].strain.strain", "nan"),
        ({"strain": {"zz": 0.1, "lengths_angstrom": [1, 2, 3]}}, "lengths_angstrom", "either"),
        ({"tilt": {"about_y_deg": 6}}, "tilt.about_y_deg", "at most 5 degrees"),
        ({"displacements": {"b_angstrom2": {"Na": 1}}}, "mean_square", "no mean square .* for B"),
        ({"displacements": {"b_angstrom2": {**B, "Xx": 1}}}, "b_angstrom2", "no chemical element"),
        ({"displacements": {"b_angstrom2": {**B, "Na": -1}}}, "mean_square", "from 0 to 1"),
        ({"displacements": {"configurations": -1}}, "displacements.configurations", "from 1"),
        ({"molecule": {"sites": ["Q"], "name": "BH4"}}, "molecule.sites", "choose from B1, N1"),
        ({"molecule": {"sites": ["B1"], "name": "BH5"}}, "clusters", "'BH5' is unknown"),
        ({"molecule": {"sites": ["B1"]}}, "molecule.name", "either"),
        ({"molecule": {"sites": ["B1"], "atoms": [{"element": "Qq"}]}}, "atoms", "'Qq'"),
        (
            {
                "molecule": {
                    "sites": ["N1"],
                    "turns": [{}],
                    "atoms": [{"element": "N"}, {"element": "H", "z_angstrom": 2.3}],
                }
            },
            "molecule.orientations",
            r"Na \d+ .* and H \d+ .* 0\.05 angstrom",
        ),
        ({"flat_crystal": {"repeat_a": 1, "repeat_b": 1}}, "layers", "at least 1"),
        ({"flat_crystal": {"vacuum_angstrom": 0}}, "vacuum_angstrom", "at least 1 angstrom"),
        ({"twin": {"operation": [1, 0]}}, "twin.operation", "nine"),
        ({"antiphase_domains": {"shift": [0, 0, 0], "axis": "x"}}, "domains.axis", "a, b or c"),
        ({"antiphase_domains": {"shift": [0.96, 0, 0]}}, "domains.widths", "angstrom apart"),
    ],
)  # fmt: skip
def test_bad_steps_are_named(
    model: Model, step: dict[str, object], field: str, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        applied(model, step)
    assert field in caught.value.field


def test_too_many_models_are_refused(cubic: ParentCrystal) -> None:
    spec = modeler_pb2.ModelsSpec(selection=modeler_pb2.SELECTION_AS_GIVEN)
    step = {"flat_crystal": {"repeat_a": 900, "repeat_b": 900, "layers": 9}}
    json_format.ParseDict(step, spec.transforms.steps.add())
    views = {"zone_axes": "c", "hydrogens": "none"}
    with pytest.raises(LimitExceededError, match="36,450,000 atoms"):
        chosen_models(spec, cubic, (1, 1, 1), views=views)


def test_the_pbcm_rivals_are_models(cubic: ParentCrystal) -> None:
    spec = modeler_pb2.ModelsSpec(selection=modeler_pb2.SELECTION_PBCM_RIVALS)
    views = {"zone_axes": "c", "hydrogens": "none"}
    rivals = chosen_models(spec, cubic, (1, 1, 1), views=views)
    assert [m.model_id.partition("-c-")[2] for m in rivals] == ["pbcm", "pbcm-ba"]
    for rival in rivals:
        assert sorted(np.diag(rival.cell_angstrom)) == pytest.approx([6.496, 6.538, 9.851])
        assert len(rival.numbers) == 16


@pytest.mark.parametrize("file_format", ["cif", "cif-found", "poscar", "extxyz"])
def test_files_for_other_programs(model: Model, file_format: str) -> None:
    moved = applied(model, {"strain": {"xx": 0.01}})
    ((name, content),) = structure_files([stored(moved[0])], file_format)  # type: ignore[arg-type]
    assert name.startswith(f"{model.model_id}.")
    reader = {"poscar": "vasp"}.get(file_format, file_format.partition("-")[0])
    atoms = ase.io.read(io.StringIO(content.decode()), format=reader)
    assert len(atoms) / atoms.cell.volume == pytest.approx(
        len(model.numbers) / (9.4**2 * 4.7 * 1.01)
    )
    assert ("strained" in content.decode()) == (file_format != "poscar")


def test_a_poscar_of_half_an_atom_is_refused(cubic: ParentCrystal) -> None:
    (mean,) = build_models(
        *(cubic, (1, 1, 1), []),
        zone_axes="c",
        clusters={},
        hydrogens="none",
        seed=0,
        include_disordered=True,
    )
    with pytest.raises(InvalidInputError, match="no partial occupancies"):
        structure_files([stored(mean)], "poscar")
    assert draw_models([stored(mean)]).startswith(b"\x89PNG")
