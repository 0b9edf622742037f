from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from cryolattice.errors import (
    CorruptDataError,
    DatasetNotCommittedError,
    MissingChunkError,
    NotFoundError,
)
from cryolattice.settings import Settings
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.arrays import ArraySpec
from cryolattice.store.manifest import Manifest
from cryolattice.store.reader import DatasetReader
from cryolattice.store.writer import DatasetWriter

CHUNK = "data.zarr/counts/c/1"
VALUES = np.arange(4.0)


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.home / "store" / "datasets" / "micrograph" / "01"


@pytest.fixture
def reader(root: ArrayStore) -> DatasetReader:
    writer = DatasetWriter(root, "micrograph", "01")
    writer.create_arrays({}, [ArraySpec("counts", (4,), ("x",), np.float64, "electron", (2,))])
    writer.write("counts", VALUES)
    writer.add_json("facts.json", {})
    return writer.commit(spec_json=b"{}", inputs={})


def test_what_is_not_committed_is_refused(root: ArrayStore) -> None:
    DatasetWriter(root, "micrograph", "01").add_file("a", b"1")
    with pytest.raises(DatasetNotCommittedError, match="01"):
        DatasetReader.open(root, "micrograph", "01")


def test_a_lost_chunk_is_an_error(reader: DatasetReader, folder: Path) -> None:
    (folder / CHUNK).unlink()
    with pytest.raises(MissingChunkError, match="counts/c/1"):
        reader.read(CHUNK)
    with pytest.raises(MissingChunkError, match="counts/c/1"):
        reader.array("counts")
    with pytest.raises(MissingChunkError):
        reader.to_xarray()["counts"].to_numpy()
    assert reader.problems() == [(CHUNK, "missing")]


@pytest.mark.parametrize("position", [0, 5, -1])
def test_a_flipped_byte_is_an_error(reader: DatasetReader, folder: Path, position: int) -> None:
    data = bytearray((folder / CHUNK).read_bytes())
    data[position] ^= 0x10
    (folder / CHUNK).write_bytes(bytes(data))
    with pytest.raises(CorruptDataError, match="counts/c/1"):
        reader.read(CHUNK)
    with pytest.raises(CorruptDataError, match="counts/c/1"):
        reader.array("counts")
    array = zarr.open_array(reader.zarr_store, path="counts", mode="r")
    np.testing.assert_array_equal(array[:2], VALUES[:2])
    with pytest.raises(CorruptDataError, match="counts/c/1"):
        array[2:]
    assert reader.problems() == [(CHUNK, "differs from what was committed")]


def test_the_zarr_store_is_read_only(reader: DatasetReader) -> None:
    array = zarr.open_array(reader.zarr_store, path="counts", mode="r")
    with pytest.raises((ValueError, NotImplementedError), match=r"read|immutable"):
        array[:2] = 0
    assert sorted(name for name, _ in zarr.open_group(reader.zarr_store, mode="r").arrays()) == [
        "counts"
    ]


def test_what_the_manifest_does_not_list_is_not_found(
    reader: DatasetReader, root: ArrayStore
) -> None:
    root.put_new("datasets/micrograph/01/files/late.txt", b"put after the commit")
    for key in ("files/late.txt", "nope"):
        with pytest.raises(NotFoundError, match=key) as caught:
            reader.read(key)
        assert caught.value.field == "key"
    assert reader.file_names == ["facts.json"]


def test_another_manifest_than_the_expected_is_refused(
    reader: DatasetReader, root: ArrayStore
) -> None:
    with pytest.raises(CorruptDataError, match="digest"):
        DatasetReader.open(root, "micrograph", "01", "00" * 32)


@pytest.mark.parametrize("kept_bytes", [0, 100])
def test_a_torn_manifest_is_named(
    reader: DatasetReader, root: ArrayStore, folder: Path, kept_bytes: int
) -> None:
    manifest = folder / "manifest.json"
    manifest.write_bytes(reader.manifest_bytes[:kept_bytes])
    with pytest.raises(CorruptDataError, match=f"dataset 01 .* torn.* {kept_bytes} bytes.*remove"):
        DatasetReader.open(root, "micrograph", "01")
    with pytest.raises(CorruptDataError, match=f"dataset 01 .* expected .* {kept_bytes} bytes"):
        DatasetReader.open(root, "micrograph", "01", reader.manifest_sha256)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"schema_version": 99, "objects": []}'])
def test_a_broken_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptDataError, match="manifest"):
        Manifest.from_json(data)


def test_a_manifest_is_read_back(reader: DatasetReader) -> None:
    assert Manifest.from_json(reader.manifest.to_json()) == reader.manifest
    assert reader.manifest.size_bytes == sum(len(reader.read(key)) for key in reader.keys)
