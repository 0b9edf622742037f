"""Dataset objects on a real server: arrays, structures, files, damage."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cryolattice.client.connection import Connection
from cryolattice.client.datasets import Dataset
from cryolattice.client.lab import Lab
from cryolattice.errors import (
    CorruptDataError,
    DatasetNotFoundError,
    InvalidInputError,
    MissingChunkError,
    NotFoundError,
    PreconditionError,
)
from cryolattice.messages import message_dict
from cryolattice_api.common.v1.dataset_service_pb2 import FILE_ROLE_PLAIN, UploadHeader

if TYPE_CHECKING:
    import ase

SUPERCELL = (2, 2, 1)
SODIUM = 11


@pytest.fixture(scope="module")
def quiet(lab: Connection) -> Lab:
    return Lab(lab, show_progress=False)


@pytest.fixture(scope="module")
def models(quiet: Lab, examples: Path) -> Dataset:
    return quiet.models(examples / "na2nh2bh4_cubic.cif", SUPERCELL, clusters={})


@pytest.fixture(scope="module")
def plain(lab: Connection, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("upload") / "<b>notes.txt"
    path.write_text("23 < 42")
    return Dataset(lab, lab.upload(path, UploadHeader(role=FILE_ROLE_PLAIN)).name)


def test_arrays_have_axes_and_units(models: Dataset) -> None:
    contents = models.to_xarray()
    assert contents["position"].dims == ("atom", "xyz")
    assert contents["position"].attrs["units"] == "angstrom"
    cell = models["cell"]
    np.testing.assert_allclose(cell[0].values, np.diag([9.4, 9.4, 4.7]), atol=0.02)
    assert {"cell", "number", "occupancy"} <= set(models.array_names)
    with pytest.raises(NotFoundError, match=r"it has: .*cell") as caught:
        models["psi"]
    assert caught.value.field == "array"


def test_arrays_are_read_when_they_are_used(
    models: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Dataset(models._connection, models.name)
    read: list[str] = []
    fetch = fresh.reader._fetch
    monkeypatch.setattr(fresh.reader, "_fetch", lambda key: read.append(key) or fetch(key))
    positions = fresh["position"]
    assert not any(key.startswith("data.zarr/position/c/") for key in read)
    assert positions.values.shape == positions.shape
    assert any(key.startswith("data.zarr/position/c/") for key in read)


def test_what_is_known_of_a_dataset(quiet: Lab, models: Dataset) -> None:
    assert models.kind == "models"
    assert models.spec["supercell"] == {"a": 2, "b": 2, "c": 1}
    assert models.inputs == []
    assert quiet.job(models.job).dataset == models
    assert models.to_dict() == message_dict(quiet.connection.get_dataset(models.name))
    assert quiet.dataset(models.id) == models
    assert models in quiet.datasets.newest(kind="models")
    assert models.id in repr(quiet.datasets)
    assert f">{models.id}</td>" in quiet.datasets._repr_html_()
    assert models.versions
    with pytest.raises(DatasetNotFoundError):
        quiet.dataset("0" * 32)


def _at(atoms: ase.Atoms, sites: list[list[float]]) -> list[int]:
    """Atomic numbers of what lies at sites in units of the parent's axes."""
    fractional = np.array(sites) / np.array(atoms.info["view_supercell"])
    apart = (atoms.get_scaled_positions()[:, None] - fractional + 0.5) % 1 - 0.5
    return atoms.numbers[(np.abs(apart) < 1e-3).all(axis=2).any(axis=1)].tolist()


def test_structures_for_ase(quiet: Lab, models: Dataset, examples: Path) -> None:
    orderings = quiet.enumerate(examples / "na2nh2bh4_cubic.cif", SUPERCELL)
    for ordering in (orderings[0], orderings[-1]):
        atoms = models.atoms(ordering.id)
        assert Counter(atoms.get_chemical_symbols()) == {"Na": 8, "N": 4, "B": 4}
        assert atoms.pbc.all()
        assert atoms.info["multiplicity"] == ordering.multiplicity
        assert atoms.info["space_group"] == ordering.space_group
        vacant = atoms.info["vacant_sites"]
        assert len(vacant) == len(ordering.vacant_sites) == 4
        assert _at(atoms, vacant) == []
        assert (atoms.arrays["occupancy"] == 1).all()
    mean = models.atoms("disordered")
    sodium = mean.arrays["occupancy"][mean.numbers == SODIUM]
    np.testing.assert_allclose(sodium, 2 / 3)
    assert sodium.sum() == pytest.approx(8)
    kinds = mean.arrays["spacegroup_kinds"][mean.numbers == SODIUM]
    assert mean.info["occupancy"][str(kinds[0])] == {"Na": pytest.approx(2 / 3)}


def test_structures_that_are_not_there(
    models: Dataset, plain: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFoundError, match="and 31 more") as caught:
        models.atoms("o-nope")
    assert caught.value.field == "ordering"
    with pytest.raises(PreconditionError, match="holds file, no structures"):
        plain.atoms("disordered")
    monkeypatch.setitem(sys.modules, "ase", None)
    with pytest.raises(PreconditionError, match=r"pip install 'cryolattice\[ase\]'"):
        models.atoms("disordered")


def test_files(plain: Dataset, tmp_path: Path) -> None:
    assert plain.file_names == ["<b>notes.txt"]
    assert plain.file("<b>notes.txt") == b"23 < 42"
    assert plain.figures == []
    (saved,) = plain.save_files(tmp_path / "out")
    assert saved.read_text() == "23 < 42"
    with pytest.raises(NotFoundError, match=r"only files: <b>notes\.txt"):
        plain.to_xarray()
    with pytest.raises(NotFoundError):
        plain.file("nope")


def test_what_a_notebook_shows_is_escaped(plain: Dataset, models: Dataset) -> None:
    shown = plain._repr_html_()
    assert "&lt;b&gt;notes.txt" in shown
    assert "<b>" not in shown
    assert "atom 0" not in models._repr_html_()
    assert ">position</td>" in models._repr_html_()
    assert ">angstrom</td>" in models._repr_html_()


def test_an_export_is_the_dataset(models: Dataset, tmp_path: Path) -> None:
    count = models.export(tmp_path / "copy")
    stored = Path(models.uri.removeprefix("file://"))
    copied = {path.relative_to(tmp_path / "copy") for path in (tmp_path / "copy").rglob("*.*")}
    assert len([path for path in (tmp_path / "copy").rglob("*") if path.is_file()]) == count
    assert all((stored / path).exists() for path in copied)
    with pytest.raises(InvalidInputError, match="exists"):
        models.export(tmp_path / "copy")


def test_damage_is_found(quiet: Lab, examples: Path) -> None:
    dataset = quiet.models(examples / "na2nh2bh4_cubic.cif", (1, 1, 3), clusters={})
    assert dataset.verify() == dataset.message.object_count
    chunk = Path(dataset.uri.removeprefix("file://")) / "data.zarr" / "position" / "c" / "0" / "0"
    good = chunk.read_bytes()
    chunk.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(CorruptDataError, match="position"):
        dataset.verify()
    with pytest.raises(CorruptDataError, match="position"):
        Dataset(quiet.connection, dataset.name)["position"].load()
    chunk.unlink()
    with pytest.raises(MissingChunkError, match="position"):
        Dataset(quiet.connection, dataset.name)["position"].load()
    chunk.write_bytes(good)
    assert dataset.verify() == dataset.message.object_count
