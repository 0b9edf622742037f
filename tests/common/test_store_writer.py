from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from numpy.typing import NDArray

from cryolattice.errors import (
    CorruptDataError,
    DatasetNotCommittedError,
    StoreUnavailableError,
)
from cryolattice.settings import Settings
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.arrays import (
    ArraySpec,
    ChunkPipeline,
    create_array,
    create_group,
    open_array,
)
from cryolattice.store.checksums import sha256
from cryolattice.store.reader import DatasetReader
from cryolattice.store.writer import DatasetWriter
from cryolattice.store.zarr_stores import WriteOnceStore

SERIES = ArraySpec("series", (4, 3), ("tile", "x"), np.float64, "angstrom", (2, 3))


def _writer(root: ArrayStore, attempt: int = 1) -> DatasetWriter:
    return DatasetWriter(root, "beams", "0abc", attempt)


def _values(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(2, 3))


def _tiles(root: ArrayStore, *tiles: int) -> None:
    for tile in tiles:
        writer = _writer(root)
        writer.write("series", _values(tile), 2 * tile)
        writer.write_receipt(tile)


def test_what_is_written_is_read_back(root: ArrayStore) -> None:
    writer = _writer(root)
    writer.create_arrays({"title": "t"}, [SERIES])
    _tiles(root, 0, 1)
    writer.add_array("x", np.arange(3) * 0.5, ("x",), "angstrom")
    writer.add_array("count", np.array(7), ())
    writer.add_array("nothing", np.zeros((0, 3)), ("none", "x"))
    writer.add_array("psi", np.array([1 + 2j]), ("k",))
    writer.add_json("facts.json", {"a": [1, 2]})
    reader = writer.commit(spec_json=b'{"q":1}', inputs={"in": "ff"}, job="j", tile_count=2)
    np.testing.assert_array_equal(reader.array("series"), np.concatenate([_values(0), _values(1)]))
    assert reader.array("count") == 7
    assert reader.array("nothing").shape == (0, 3)
    assert reader.array("psi")[0] == 1 + 2j
    assert reader.json("facts.json") == {"a": [1, 2]}
    assert reader.attributes() == {"title": "t"}
    assert reader.manifest.spec == {"q": 1}
    assert reader.manifest.inputs == {"in": "ff"}
    assert reader.manifest.versions["numpy"] == np.__version__
    assert reader.problems() == []
    assert DatasetReader.open(root, "beams", "0abc", reader.manifest_sha256).keys == reader.keys


def test_the_committed_group_opens_in_plain_xarray(root: ArrayStore, settings: Settings) -> None:
    writer = _writer(root)
    writer.create_arrays({}, [SERIES])
    _tiles(root, 0, 1)
    writer.add_array("x", np.arange(3) * 0.5, ("x",), "angstrom")
    reader = writer.commit(spec_json=b"{}", inputs={}, tile_count=2)
    folder = settings.home / "store" / "datasets" / "beams" / "0abc" / "data.zarr"
    plain = xr.open_zarr(folder, consolidated=False)
    assert plain["series"].dims == ("tile", "x")
    assert plain["series"].attrs["units"] == "angstrom"
    np.testing.assert_array_equal(plain["series"].values, reader.array("series"))
    xr.testing.assert_identical(reader.to_xarray().load(), plain.load())


def test_the_first_of_racing_writers_wins(root: ArrayStore) -> None:
    _writer(root).create_arrays({}, [SERIES])
    writers = [_writer(root, attempt) for attempt in range(1, 9)]
    start = threading.Barrier(len(writers))

    def write(writer: DatasetWriter) -> None:
        start.wait()
        writer.write("series", _values(writer.attempt), 0)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = sha256(root.get("datasets/beams/0abc/data.zarr/series/c/0/0"))
    digests = set()
    for writer in writers:
        writer.write_receipt(writer.attempt)
        receipt = writer.receipts.get(writer.attempt)
        assert receipt is not None
        digests.add(receipt.chunks["data.zarr/series/c/0/0"])
    assert digests == {stored}, "a receipt tells of the stored bytes, not of the computed ones"
    kept = writers[0].read_part("series", 0, 2)
    assert any(np.array_equal(kept, _values(writer.attempt)) for writer in writers)


def test_a_later_file_of_the_same_name_changes_nothing(root: ArrayStore) -> None:
    first, second = _writer(root), _writer(root, 2)
    first.add_file("a.txt", b"one")
    second.add_file("a.txt", b"two")
    assert second.commit(spec_json=b"{}", inputs={}).file("a.txt") == b"one"


def test_arrays_and_groups_of_a_racing_writer_stay(root: ArrayStore) -> None:
    store = WriteOnceStore(root, "datasets/beams/0abc/data.zarr")
    create_group(store, {"by": "first"})
    create_array(store, SERIES)
    before = {key: root.get(key) for key, _ in root.list("datasets")}
    create_group(store, {"by": "second"})
    create_array(store, SERIES)
    assert {key: root.get(key) for key, _ in root.list("datasets")} == before


@pytest.mark.parametrize(
    ("start", "shape"), [(0, (1, 3)), (1, (2, 3)), (0, (3, 3)), (2, (4, 3)), (0, (2, 1)), (0, (2,))]
)
def test_parts_of_chunks_are_refused(root: ArrayStore, start: int, shape: tuple[int, ...]) -> None:
    writer = _writer(root)
    writer.create_arrays({}, [SERIES])
    with pytest.raises(ValueError, match="series"):
        writer.write("series", np.ones(shape), start)
    keys = [key for key, _ in root.list("datasets/beams/0abc/data.zarr/series")]
    assert keys == ["datasets/beams/0abc/data.zarr/series/zarr.json"]


def test_a_last_part_may_be_shorter_than_a_chunk(root: ArrayStore) -> None:
    writer = _writer(root)
    writer.create_arrays({}, [ArraySpec("odd", (3,), ("x",), np.int16, "1", (2,))])
    writer.write("odd", np.array([1, 2], np.int16))
    writer.write("odd", np.array([3], np.int16), 2)
    assert writer.commit(spec_json=b"{}", inputs={}).array("odd").tolist() == [1, 2, 3]


def test_a_tile_without_a_receipt_cannot_be_committed(root: ArrayStore) -> None:
    writer = _writer(root)
    writer.create_arrays({}, [SERIES])
    _tiles(root, 0)
    _writer(root).write("series", _values(1), 2)
    with pytest.raises(CorruptDataError, match=r"tile 1 .* no receipt"):
        writer.commit(spec_json=b"{}", inputs={}, tile_count=2)
    assert writer.committed() is None


def test_a_chunk_that_nobody_wrote_cannot_be_committed(root: ArrayStore) -> None:
    writer = _writer(root)
    writer.create_arrays({}, [SERIES])
    _tiles(root, 0)
    with pytest.raises(CorruptDataError, match="series/c/1/0"):
        writer.commit(spec_json=b"{}", inputs={})


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_damage_before_the_commit_is_seen(
    root: ArrayStore, settings: Settings, damage: str
) -> None:
    writer = _writer(root)
    writer.create_arrays({}, [SERIES])
    _tiles(root, 0, 1)
    chunk = settings.home / "store/datasets/beams/0abc/data.zarr/series/c/1/0"
    if damage == "lost":
        chunk.unlink()
    else:
        _flip(chunk)
    with pytest.raises(CorruptDataError, match="series/c/1/0"):
        writer.read_part("series", 2, 4)
    with pytest.raises(CorruptDataError, match="series/c/1/0"):
        writer.commit(spec_json=b"{}", inputs={}, tile_count=2)
    assert writer.committed() is None


def test_one_bit_in_each_of_a_hundred_chunks(root: ArrayStore, settings: Settings) -> None:
    tiles, count = 10, 100
    values = np.random.default_rng(4).normal(size=(count, 64))
    writer = _writer(root)
    writer.create_arrays({}, [ArraySpec("w", values.shape, ("model", "x"), float, "1", (1, 64))])

    def compute(tile: int) -> None:
        one = _writer(root)
        one.write("w", values[10 * tile : 10 * tile + 10], 10 * tile)
        one.write_receipt(tile)

    for tile in range(tiles):
        compute(tile)
    folder = settings.home / "store/datasets/beams/0abc/data.zarr/w/c"
    chunks = [folder / f"{number}/0" for number in range(count)]
    stored = [chunk.read_bytes() for chunk in chunks]
    rng, damaged = np.random.default_rng(5), []
    for number, chunk in enumerate(chunks):
        bits = np.unpackbits(np.frombuffer(stored[number], np.uint8))
        bits[rng.integers(bits.size)] ^= 1
        damaged.append(np.packbits(bits).tobytes())
        chunk.write_bytes(damaged[number])
        with pytest.raises(CorruptDataError, match=f"w/c/{number}/0"):
            writer.read_part("w", number, number + 1)
    assert writer.finished(tiles) == set(), "a resumed job computes them again"
    for tile in range(tiles):
        compute(tile)
    reader = writer.commit(spec_json=b"{}", inputs={}, tile_count=tiles)
    assert [chunk.read_bytes() for chunk in chunks] == stored
    for number, chunk in enumerate(chunks):
        chunk.write_bytes(damaged[number])
        with pytest.raises(CorruptDataError, match=f"w/c/{number}/0"):
            reader.read(f"data.zarr/w/c/{number}/0")
    assert len(reader.problems()) == count


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def test_a_store_that_vanishes_is_named(root: ArrayStore, settings: Settings) -> None:
    leader = _writer(root)
    leader.take_over()
    leader.create_arrays({}, [SERIES])
    worker = DatasetWriter(root, "beams", "0abc", 1, leader.epoch)
    worker.write("series", _values(0))
    shutil.rmtree(settings.home / "store")
    for step in (
        lambda: worker.write_tile(1, {"series": (2, _values(1))}),
        lambda: worker.write_receipt(0),
        lambda: leader.commit(spec_json=b"{}", inputs={}),
    ):
        with pytest.raises(StoreUnavailableError, match=r"lost .* 0abc"):
            step()
    assert list(root.list("datasets")) == []


def test_two_commits_leave_one_manifest(root: ArrayStore) -> None:
    first, second = _writer(root), _writer(root, 2)
    first.add_file("a", b"1")
    second.add_file("a", b"1")
    one = first.commit(spec_json=b"{}", inputs={}, job="first")
    two = second.commit(spec_json=b"{}", inputs={}, job="second")
    assert one.manifest_sha256 == two.manifest_sha256
    assert two.manifest.job == "first"
    assert json.loads(root.get("datasets/beams/0abc/manifest.json"))["job"] == "first"


def test_only_what_is_not_committed_can_be_discarded(root: ArrayStore) -> None:
    writer = _writer(root)
    writer.add_file("a", b"1")
    writer.discard()
    assert list(root.list("datasets")) == []
    with pytest.raises(DatasetNotCommittedError):
        DatasetReader.open(root, "beams", "0abc")
    writer.add_file("a", b"1")
    writer.commit(spec_json=b"{}", inputs={})
    writer.discard()
    assert DatasetReader.open(root, "beams", "0abc").file("a") == b"1"


def test_one_writer_fills_tile_after_tile(root: ArrayStore) -> None:
    leader, worker = _writer(root), _writer(root)
    leader.create_arrays({}, [SERIES])
    for tile in range(2):
        worker.write_tile(tile, {"series": (2 * tile, _values(tile))})
    receipt = leader.receipts.get(1)
    assert receipt is not None
    assert list(receipt.chunks) == list(receipt.tags) == ["data.zarr/series/c/1/0"]
    leader.commit(spec_json=b"{}", inputs={}, tile_count=2)


def test_an_array_that_an_earlier_attempt_made_must_still_be_there(root: ArrayStore) -> None:
    _writer(root).create_arrays({}, [SERIES])
    leader = _writer(root, 2)
    leader.create_arrays({}, [SERIES])
    _tiles(root, 0, 1)
    root.delete("datasets/beams/0abc/data.zarr/series/zarr.json")
    with pytest.raises(CorruptDataError, match=r"series/zarr\.json"):
        leader.commit(spec_json=b"{}", inputs={}, tile_count=2)


def test_zarr_is_left_as_it_was(root: ArrayStore, tmp_path: Path) -> None:
    before = zarr.config.get("codec_pipeline")
    writer = _writer(root)
    writer.create_arrays({}, [SERIES])
    _tiles(root, 0, 1)
    reader = writer.commit(spec_json=b"{}", inputs={}, tile_count=2)
    opened = reader.to_xarray()
    opened.load()
    assert zarr.config.get("codec_pipeline") == before
    ours = zarr.open_array(reader.zarr_store, path="series", mode="r", zarr_format=3)
    theirs = zarr.create_array(tmp_path / "theirs", shape=(2,), dtype=float)
    for array in (ours, theirs):
        assert not isinstance(array.async_array.codec_pipeline, ChunkPipeline)
    with ThreadPoolExecutor(4) as pool:
        arrays = list(pool.map(lambda _: open_array(reader.zarr_store, "series"), range(40)))
    assert all(isinstance(array.async_array.codec_pipeline, ChunkPipeline) for array in arrays)
    assert zarr.config.get("codec_pipeline") == before


def test_integers_are_compressed_and_measured_floats_left_as_they_are(root: ArrayStore) -> None:
    writer = _writer(root)
    values = np.random.default_rng(2).normal(size=(40, 50)).astype(np.float32)
    writer.add_array("floats", values, ("row", "column"))
    writer.add_array("orders", np.arange(2000) % 7, ("beam",))
    reader = writer.commit(spec_json=b"{}", inputs={})
    sizes = {key: len(reader.read(key)) for key in reader.keys if "/c/" in key}
    assert 0 <= sizes["data.zarr/floats/c/0/0"] - values.nbytes < 64
    assert sizes["data.zarr/orders/c/0"] < 8 * 2000 / 10
    np.testing.assert_array_equal(reader.array("floats"), values)
