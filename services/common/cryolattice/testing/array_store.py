"""What every `ArrayStore` must do.

Subclass the suite and give it a fixture ``store``::

    class TestMyStore(ArrayStoreSuite):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(tmp_path)

Needs pytest. Each test works below a prefix of its own, so that one server can serve them all.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import pickle
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import google_crc32c
import numpy as np
import pytest

from cryolattice.errors import ConflictError, CorruptDataError, MissingChunkError
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.arrays import ArraySpec
from cryolattice.store.checksums import sha256
from cryolattice.store.garbage import Garbage, find_garbage, remove
from cryolattice.store.reader import DatasetReader
from cryolattice.store.writer import DatasetWriter

_BIG = 8 << 20
_RACERS = 8
_PROCESSES = multiprocessing.get_context("spawn")


def _put_for_ever(store: ArrayStore, prefix: str) -> None:
    """Put big objects, each of one repeated byte, until killed."""
    for number in range(1 << 20):
        store.put_new(f"{prefix}/{number}", bytes([number % 256]) * _BIG)


class ArrayStoreSuite:
    """Tests of one store."""

    @pytest.fixture
    def store(self) -> ArrayStore:
        """Return the store to be tested."""
        raise NotImplementedError("give the suite a fixture 'store'")

    @pytest.fixture
    def prefix(self) -> str:
        """Return a prefix that nobody else uses."""
        return f"suite-{uuid4().hex}"

    @pytest.mark.parametrize("durable", [False, True])
    def test_an_object_is_created_once(
        self, store: ArrayStore, prefix: str, *, durable: bool
    ) -> None:
        key = f"{prefix}/a/b"
        assert store.put_new(key, b"first", durable=durable)
        assert not store.put_new(key, b"second", durable=durable)
        assert [found for found, _ in store.list(prefix)] == [key]
        assert store.get(key) == b"first"
        assert store.exists(key)
        store.delete(key)
        assert not store.exists(key)
        assert store.put_new(key, b"third")
        assert store.get(key) == b"third"

    def test_what_is_not_there(self, store: ArrayStore, prefix: str) -> None:
        assert not store.exists(f"{prefix}/nothing")
        assert list(store.list(f"{prefix}/nothing")) == []
        store.delete(f"{prefix}/nothing")
        for read in (
            store.get,
            store.view,
            store.tag,
            partial(store.feed, hasher=hashlib.sha256()),
        ):
            with pytest.raises(MissingChunkError, match="nothing"):
                read(f"{prefix}/nothing")

    @pytest.mark.parametrize("size", [0, 1, _BIG + 1])
    def test_bytes_come_back_as_they_went(self, store: ArrayStore, prefix: str, size: int) -> None:
        data = np.random.default_rng(size).bytes(size)
        store.put_new(f"{prefix}/object", data)
        assert sha256(store.get(f"{prefix}/object")) == sha256(data)
        assert sha256(store.view(f"{prefix}/object")) == sha256(data)
        hasher = hashlib.sha256()
        assert store.feed(f"{prefix}/object", hasher) == size
        assert hasher.hexdigest() == sha256(data)
        assert list(store.list(prefix)) == [(f"{prefix}/object", size)]

    def test_damage_is_noticed(self, store: ArrayStore, prefix: str) -> None:
        chunks = {name: f"{prefix}/data.zarr/a/c/{name}" for name in ("kept", "changed", "lost")}
        data = np.random.default_rng(1).bytes(1000)
        chunk = data + google_crc32c.value(data).to_bytes(4, "little")
        tags = {key: store.put_new(key, chunk) or "" for key in chunks.values()}
        assert store.suspects(prefix, tags) == []
        self._damage(store, chunks["changed"])
        store.delete(chunks["lost"])
        assert store.suspects(prefix, tags) == [chunks["changed"], chunks["lost"]]

    def test_an_object_grows_older(self, store: ArrayStore, prefix: str) -> None:
        store.put_new(f"{prefix}/a", b"x")
        assert 0 <= store.age_seconds(f"{prefix}/a") < 30
        assert store.age_seconds(f"{prefix}/nothing") == 0
        time.sleep(1.1)  # servers count in whole seconds
        assert store.age_seconds(f"{prefix}/a") > 0

    def test_a_prefix_ends_at_a_slash(self, store: ArrayStore, prefix: str) -> None:
        for key in ("a/1", "a/b/2", "ab/3", "a.json"):
            store.put_new(f"{prefix}/{key}", b"x")
        assert sorted(store.list(f"{prefix}/a")) == [(f"{prefix}/a/1", 1), (f"{prefix}/a/b/2", 1)]
        assert len(list(store.list(prefix))) == 4

    def test_a_long_listing_is_whole(self, store: ArrayStore, prefix: str) -> None:
        keys = {f"{prefix}/{number:05d}" for number in range(1200)}
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: store.put_new(key, b"x"), keys))
        assert {key for key, _ in store.list(prefix)} == keys

    @pytest.mark.parametrize("name", ["my file, 100 %.tif", "a=b&c+d", "Å.mrc"])
    def test_names_that_need_care(self, store: ArrayStore, prefix: str, name: str) -> None:
        store.put_new(f"{prefix}/{name}", b"x")
        assert [key for key, _ in store.list(prefix)] == [f"{prefix}/{name}"]
        assert store.get(f"{prefix}/{name}") == b"x"

    def test_one_of_racing_writers_wins(self, store: ArrayStore, prefix: str) -> None:
        with ThreadPoolExecutor(_RACERS) as pool:
            for turn in range(4):
                key = f"{prefix}/{turn}"
                bodies = [bytes([racer]) * 4096 for racer in range(_RACERS)]
                put = partial(store.put_new, key, durable=turn % 2 == 1)
                won = list(pool.map(put, bodies))
                (winner,) = (racer for racer, tag in enumerate(won) if tag is not None)
                assert store.get(key) == bodies[winner]
                assert store.tag(key) == won[winner]

    def test_a_store_can_be_sent_to_another_process(self, store: ArrayStore, prefix: str) -> None:
        store.put_new(f"{prefix}/a", b"x")
        copy: ArrayStore = pickle.loads(pickle.dumps(store))  # noqa: S301 - made one line above
        assert copy.url == store.url
        assert copy.get(f"{prefix}/a") == b"x"

    def test_a_killed_writer_leaves_whole_objects(self, store: ArrayStore, prefix: str) -> None:
        writer = _PROCESSES.Process(target=_put_for_ever, args=(store, prefix))
        writer.start()
        deadline = time.monotonic() + 30
        while not store.exists(f"{prefix}/1") and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.013)  # into the middle of a put
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        found = list(store.list(prefix))
        assert len(found) >= 2
        for key, size in found:
            data = store.get(key)
            assert size == len(data) == _BIG
            assert data == data[:1] * _BIG
        for key in list(store.remains(0.0)):
            store.delete(key)
        assert list(store.remains(0.0)) == []
        store.put_new(f"{prefix}/after", b"x")
        store.persist([key for key, _ in store.list(prefix)])

    # datasets

    def _filled(self, store: ArrayStore, prefix: str, tiles: int = 2) -> DatasetWriter:
        writer = DatasetWriter(store, "suite", prefix)
        writer.take_over()
        writer.create_arrays(
            {}, [ArraySpec("series", (2 * tiles, 3), ("tile", "x"), np.float64, "1", (2, 3))]
        )
        for tile in range(tiles):
            self._fill(writer, tile)
        return writer

    @staticmethod
    def _fill(leader: DatasetWriter, tile: int) -> None:
        writer = DatasetWriter(leader.root, leader.kind, leader.id, leader.attempt, leader.epoch)
        writer.write("series", np.full((2, 3), tile + 0.5), 2 * tile)
        writer.write_receipt(tile)

    @staticmethod
    def _damage(store: ArrayStore, key: str) -> None:
        data = bytearray(store.get(key))
        data[len(data) // 2] ^= 1
        store.delete(key)
        store.put_new(key, bytes(data))

    def test_a_dataset_is_seen_when_it_is_committed(self, store: ArrayStore, prefix: str) -> None:
        writer = self._filled(store, prefix)
        assert writer.committed() is None
        reader = writer.commit(spec_json=b"{}", inputs={}, tile_count=2)
        again = DatasetReader.open(store, "suite", prefix, reader.manifest_sha256)
        assert again.array("series")[:, 0].tolist() == [0.5, 0.5, 1.5, 1.5]
        assert again.problems() == []

    @pytest.mark.parametrize("damage", ["lost", "changed"])
    def test_a_damaged_chunk_is_named(self, store: ArrayStore, prefix: str, damage: str) -> None:
        self._filled(store, prefix).commit(spec_json=b"{}", inputs={}, tile_count=2)
        chunk = f"datasets/suite/{prefix}/data.zarr/series/c/1/0"
        if damage == "lost":
            store.delete(chunk)
        else:
            self._damage(store, chunk)
        reader = DatasetReader.open(store, "suite", prefix)
        with pytest.raises(CorruptDataError, match="series/c/1/0"):
            reader.array("series")
        assert [key for key, _ in reader.problems()] == ["data.zarr/series/c/1/0"]

    @pytest.mark.parametrize("damage", ["lost", "changed", "truncated"])
    def test_damage_before_the_commit_is_found(
        self, store: ArrayStore, prefix: str, damage: str
    ) -> None:
        leader = self._filled(store, prefix)
        chunk = f"datasets/suite/{prefix}/data.zarr/series/c/1/0"
        if damage == "changed":
            self._damage(store, chunk)
        else:
            whole = store.get(chunk)
            store.delete(chunk)
            if damage == "truncated":
                store.put_new(chunk, whole[:-1])
        with pytest.raises(CorruptDataError, match="series/c/1/0"):
            leader.commit(spec_json=b"{}", inputs={}, tile_count=2)
        assert leader.committed() is None

    def test_a_tag_of_another_kind_is_no_damage(self, store: ArrayStore, prefix: str) -> None:
        leader = self._filled(store, prefix)
        key = f"datasets/suite/{prefix}/receipts/1.json"
        receipt = json.loads(store.get(key))
        receipt["tags"] = dict.fromkeys(receipt["tags"], "as another server says it")
        store.delete(key)
        store.put_new(key, json.dumps(receipt).encode())
        assert leader.commit(spec_json=b"{}", inputs={}, tile_count=2).problems() == []

    @pytest.mark.parametrize("damage", ["lost", "changed", "receipt lost", "receipt torn"])
    def test_only_damaged_tiles_are_computed_again(
        self, store: ArrayStore, prefix: str, damage: str
    ) -> None:
        leader = self._filled(store, prefix, tiles=3)
        chunk = f"datasets/suite/{prefix}/data.zarr/series/c/1/0"
        receipt = f"datasets/suite/{prefix}/receipts/1.json"
        match damage:
            case "lost":
                store.delete(chunk)
            case "changed":
                self._damage(store, chunk)
            case "receipt lost":
                store.delete(receipt)
                self._damage(store, chunk)
            case _:
                store.delete(receipt)
                store.put_new(receipt, b"{")
        assert leader.finished(3) == {0, 2}
        self._fill(leader, 1)
        reader = leader.commit(spec_json=b"{}", inputs={}, tile_count=3)
        assert reader.array("series")[:, 0].tolist() == [0.5, 0.5, 1.5, 1.5, 2.5, 2.5]

    def test_an_earlier_attempt_is_refused(self, store: ArrayStore, prefix: str) -> None:
        old = self._filled(store, prefix, tiles=1)
        new = DatasetWriter(store, "suite", prefix, attempt=2)
        new.take_over()
        before = dict(store.list(f"datasets/suite/{prefix}"))
        with pytest.raises(ConflictError, match="attempt 1"):
            old.write_receipt(7)
        with pytest.raises(ConflictError, match="attempt 1"):
            old.commit(spec_json=b"{}", inputs={}, tile_count=1)
        assert dict(store.list(f"datasets/suite/{prefix}")) == before
        assert new.commit(spec_json=b"{}", inputs={}, tile_count=1).manifest.attempt == 2

    def test_only_garbage_is_removed(self, store: ArrayStore, prefix: str) -> None:
        self._filled(store, f"{prefix}-kept").commit(spec_json=b"{}", inputs={}, tile_count=2)
        for name in ("left", "needed"):
            self._filled(store, f"{prefix}-{name}")
        needed = {("suite", f"{prefix}-needed")}

        def ours(seconds: float) -> list[Garbage]:
            found = find_garbage(store, needed, seconds)
            return [garbage for garbage in found if garbage.id.startswith(prefix)]

        assert ours(3600) == []
        (garbage,) = ours(0)
        assert garbage.id == f"{prefix}-left"
        assert garbage.size_bytes == sum(s for _, s in store.list(f"datasets/suite/{prefix}-left"))
        remove(store, garbage)
        assert list(store.list(f"datasets/suite/{prefix}-left")) == []
        assert ours(0) == []
        assert DatasetReader.open(store, "suite", f"{prefix}-kept").problems() == []
        assert DatasetWriter(store, "suite", f"{prefix}-needed").finished(2) == {0, 1}

    def test_racing_commits_leave_one_manifest(self, store: ArrayStore, prefix: str) -> None:
        self._filled(store, prefix)
        writers = [DatasetWriter(store, "suite", prefix, racer + 1) for racer in range(_RACERS)]
        with ThreadPoolExecutor(_RACERS) as pool:
            readers = pool.map(
                lambda writer: writer.commit(
                    spec_json=b"{}", inputs={}, job=str(writer.attempt), tile_count=2
                ),
                writers,
            )
            assert len({reader.manifest_sha256 for reader in readers}) == 1
