"""A report tells what its datasets were made from, as far as that is still there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cryolattice.errors import DatasetNotCommittedError
from cryolattice.jobs.kinds import Inputs
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.store.writer import DatasetWriter
from cryolattice_analyzer.jobs.report import open_chain
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef


@pytest.fixture
def store(tmp_path: Path) -> ArrayStore:
    return open_store(tmp_path.as_uri())


def put(store: ArrayStore, kind: str, name: str, **made_from: str) -> DatasetRef:
    """Commit a dataset whose spec refers to others: field to kind/name."""
    spec: dict[str, Any] = {}
    for field, source in made_from.items():
        source_kind, source_name = source.split("/")
        spec[field] = {"kind": source_kind, "name": source_name, "uri": ""}
    writer = DatasetWriter(store, kind, name)
    writer.add_json("facts.json", {})
    writer.commit(spec_json=json.dumps(spec).encode(), inputs={})
    return DatasetRef(name=f"projects/default/datasets/{name}", kind=kind)


def test_inputs_come_before_what_was_made_from_them(store: ArrayStore) -> None:
    put(store, "micrograph", "m")
    put(store, "lattice", "l", micrograph="micrograph/m")
    average = put(store, "average", "a", lattice="lattice/l", micrograph="micrograph/m")
    assert list(open_chain([average], Inputs(store))) == ["micrograph", "lattice", "average"]


def test_a_second_series_keeps_its_place_and_a_name_of_its_own(store: ArrayStore) -> None:
    put(store, "diffraction_series", "cold")
    put(store, "diffraction_series", "warm")
    dose = put(
        store, "dose", "d", compare="diffraction_series/warm", series="diffraction_series/cold"
    )
    found = open_chain([dose], Inputs(store))
    assert [reader.manifest.id for reader in found.values()] == ["cold", "warm", "d"]
    assert found["diffraction_series"].manifest.id == "cold"


def test_what_is_given_goes_before_what_something_else_was_made_from(store: ArrayStore) -> None:
    put(store, "models", "all")
    beams = put(store, "beams", "b", models="models/all")
    chosen = put(store, "models", "chosen")
    found = open_chain([beams, chosen], Inputs(store))
    assert found["models"].manifest.id == "chosen"
    assert {reader.manifest.id for reader in found.values()} == {"all", "b", "chosen"}


def test_a_deleted_input_is_left_out_but_not_what_was_asked_for(store: ArrayStore) -> None:
    average = put(store, "average", "a", lattice="lattice/gone")
    assert list(open_chain([average], Inputs(store))) == ["average"]
    with pytest.raises(DatasetNotCommittedError):
        open_chain([DatasetRef(name="gone", kind="lattice")], Inputs(store))
