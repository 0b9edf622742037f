"""`Lab`: what it refuses, how it shows itself, what it says when services are missing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import cryolattice
from cryolattice.client import embedded
from cryolattice.client.connection import Connection
from cryolattice.client.lab import Lab, connect
from cryolattice.errors import (
    CryolatticeError,
    InvalidInputError,
    PreconditionError,
    UnreadableFileError,
)
from cryolattice.settings import Settings
from cryolattice.workflows.orderings import EnumerateOptions, enumerate_orderings

PARENT = "na2nh2bh4_cubic.cif"


@pytest.fixture
def quiet(lab: Connection) -> Lab:
    return Lab(lab, show_progress=False)


def test_orderings(quiet: Lab, lab: Connection, examples: Path) -> None:
    found = quiet.enumerate(str(examples / PARENT), (2, 2, 1))
    assert found.to_dict() == enumerate_orderings(
        lab, examples / PARENT, EnumerateOptions(supercell=(2, 2, 1))
    )
    assert (found.total, found.classes, len(found)) == (495, 35, 35)
    assert sum(ordering.multiplicity for ordering in found) == 495
    assert found[found[3].id] is found[3]
    assert all(len(ordering.vacant_sites) == 4 for ordering in found)
    with pytest.raises(cryolattice.errors.NotFoundError):
        found["o-nope"]
    found.to_dict()["orderings"].clear()
    assert found.to_dict()["orderings"], "a copy is a copy"


def test_views(quiet: Lab, examples: Path) -> None:
    seen = quiet.views(examples / PARENT, (2, 2, 1), "1 1 0", k_max_per_angstrom=0.3)
    assert (len(seen), seen.candidates, seen.projections, seen.patterns) == (45, 70, 11, 10)
    assert {view.zone_axis for view in seen} == {(1, 1, 0), (1, -1, 0)}
    view = seen[3]
    assert seen[view.id] is view
    assert {view, *seen.equivalents(3)} <= {view, *seen.homometric(3)}
    assert view.lengths_angstrom == pytest.approx((4.7, 2 * 4.7 * 2**0.5, 2 * 4.7 * 2**0.5))
    assert view.reflections[0].hk == (0, 0)
    assert all(reflection.k_per_angstrom <= 0.3 for reflection in view.reflections)
    with pytest.raises(InvalidInputError, match="zone_axes is 'x'"):
        quiet.views(examples / PARENT, (2, 2, 1), "x")


def test_models_along_a_direction(quiet: Lab, examples: Path) -> None:
    models = quiet.models(examples / PARENT, (1, 1, 3), zone_axes="1 1 1")
    atoms = models.atoms("disordered")
    assert atoms.cell.cellpar() == pytest.approx(
        [3 * 4.7 * 2**0.5, 4.7 * 2**0.5, 3 * 4.7 * 3**0.5, 90, 90, 120]
    )


def test_transformed_models(quiet: Lab, examples: Path, tmp_path: Path) -> None:
    steps = [{"tilt": {"about_x_deg": 1}}, {"strain": {"zz": 0.01}}]
    models = quiet.models(
        *(examples / PARENT, (1, 1, 3)),
        as_given=True,
        clusters={},
        transforms=steps,
        out=tmp_path / "out",
        file_format="extxyz",
    )
    (record,) = models.json("models.json")
    assert [step["name"] for step in record["transforms"]] == ["tilted", "strained"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "disordered-c.extxyz",
        "models.png",
    ]
    with pytest.raises(InvalidInputError, match=r"steps\.strain\.about is not known"):
        quiet.models(examples / PARENT, (1, 1, 3), transforms=[{"strain": {"about": 1}}])
    with pytest.raises(
        InvalidInputError, match=r"steps\.bend is not known: known are strain, tilt"
    ):
        quiet.models(examples / PARENT, (1, 1, 3), transforms=[{"bend": {}}])
    with pytest.raises(InvalidInputError, match=r"strain is .*0\.9.*at most 0\.2") as caught:
        quiet.models(examples / PARENT, (1, 1, 3), transforms=[{"strain": {"yy": 0.9}}])
    assert caught.value.field == "transforms.steps[0].strain.strain"
    both = tmp_path / "steps.yaml"
    both.write_text(
        "steps:\n- strain: {xx: 0.01}\n- tilt: {about_x_deg: 1}\n  strain: {xx: much}\n"
    )
    with pytest.raises(InvalidInputError, match=r"step with tilt and strain: choose one of"):
        quiet.models(examples / PARENT, (1, 1, 3), transforms=both)
    both.write_text("steps:\n- tilt: {about_x_deg: 1}\n- strain: {xx: much}\n")
    with pytest.raises(InvalidInputError, match=r"steps.yaml, line 3: .*xx is 'much'"):
        quiet.models(examples / PARENT, (1, 1, 3), transforms=both)


def test_bad_questions(quiet: Lab, examples: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"nope\.cif"):
        quiet.enumerate(tmp_path / "nope.cif", (2, 2, 1))
    with pytest.raises(InvalidInputError, match="zone_axes is 'b'") as caught:
        quiet.models(examples / PARENT, (1, 1, 3), zone_axes="b")  # type: ignore[arg-type]
    assert caught.value.field == "zone_axes"
    with pytest.raises(InvalidInputError, match="o-nope"):
        quiet.models(examples / PARENT, (1, 1, 3), orderings=["o-nope"])


def test_progress_is_shown_where_it_is_wanted(
    lab: Connection, examples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Lab(lab, show_progress=False).models(examples / PARENT, (1, 1, 3))
    assert capsys.readouterr() == ("", "")
    Lab(lab).models(examples / PARENT, (1, 1, 3))
    out, errors = capsys.readouterr()
    assert out == ""
    assert "models: the same question was answered before" in errors


def test_a_closed_lab_says_so(settings: Settings) -> None:
    lab = connect(settings=settings)
    assert repr(lab) == "<Lab in this process, projects/default>"
    lab.close()
    lab.close()
    assert repr(lab) == "<Lab in this process, closed>"
    with pytest.raises(PreconditionError, match="connect again"):
        list(lab.jobs)


def test_several_threads_ask_at_once(quiet: Lab, examples: Path) -> None:
    found: list[str] = []

    def ask(size: int) -> None:
        dataset = quiet.models(examples / PARENT, (1, 1, size), clusters={})
        found.append(f"{dataset.kind} {dataset['cell'].sizes['model']}")

    threads = [threading.Thread(target=ask, args=(size,)) for size in (1, 1, 3, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    assert len(set(found)) == 2


def test_without_services_it_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "entry_points", lambda group: ())
    with pytest.raises(PreconditionError, match="install cryolattice-modeler"):
        connect(settings=settings)
    assert not settings.home.exists()


def test_the_package_offers_its_names() -> None:
    for name in cryolattice.__all__:
        assert getattr(cryolattice, name).__doc__
        assert name in dir(cryolattice)


def test_orderings_of_any_supercell(quiet: Lab, examples: Path, tmp_path: Path) -> None:
    parent = examples / PARENT
    assert quiet.count_orderings(parent, (3, 2, 2)) == {
        "total": 1_251_677_700,
        "classes": 6_849_807,
    }
    diagonal = ((1, 1, 0), (-1, 1, 0), (0, 0, 2))
    whole = quiet.enumerate(parent, diagonal, out=tmp_path / "out", cif_symmetry="found")
    assert (whole.total, whole.classes, len(whole)) == (495, 32, 32)
    written = {path.stem: path.read_text() for path in (tmp_path / "out").glob("*.cif")}
    assert set(written) == {ordering.id for ordering in whole}
    assert all("_space_group_symop_operation_xyz" in text for text in written.values())
    drawn = quiet.enumerate(parent, diagonal, sample=4, seed=1)
    assert {ordering.id for ordering in drawn} < set(written)
    assert drawn.to_dict()["sample"] == {"size": 4, "seed": 1, "probability": 4 / 32}
    small = quiet.enumerate(parent, up_to_index=2).to_dict()
    assert [item["index"] for item in small["superlattices"]] == [1, 2, 2, 2]
    assert {row["superlattice"] for row in small["orderings"]} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "supercell"),
        ({"supercell": (2, 2, 1), "up_to_index": 2}, "supercell"),
        ({"supercell": (2, 2)}, "supercell"),
        ({"supercell": ((1, 0, 0), (0, 1, 0), (1, 1, 0))}, "supercell"),
        ({"supercell": (2, 2, 1), "limit": 34}, "limit"),
        ({"supercell": (2, 2, 1), "sample": 0}, "sample"),
        ({"supercell": (2, 2, 1), "sample": 2, "seed": -1}, "seed"),
        ({"up_to_index": 13}, "up_to_index"),
        ({"supercell": (2, 2, 1), "cif_symmetry": "p3"}, "cif_symmetry"),
    ],
)
def test_bad_enumerations_leave_nothing(
    quiet: Lab, examples: Path, tmp_path: Path, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(CryolatticeError) as caught:
        quiet.enumerate(examples / PARENT, out=tmp_path / "out", **options)
    assert caught.value.field == field
    assert list(tmp_path.iterdir()) == []
