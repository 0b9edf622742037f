from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError, PreconditionError, StoreUnavailableError
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.store.arrays import ArraySpec
from cryolattice.store.writer import DatasetWriter
from cryolattice.testing.array_store import ArrayStoreSuite
from tests.servers import S3Server


class TestFolderStore(ArrayStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ArrayStore:
        return open_store((tmp_path / "my data, 100 %").as_uri())


class TestBucketStore(ArrayStoreSuite):
    @pytest.fixture
    def store(self, s3_server: S3Server) -> ArrayStore:
        return open_store(s3_server.url)


@pytest.mark.parametrize("url", ["", "/plain/path", "http://x/y"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"file:///FOLDER or s3://BUCKET") as caught:
        open_store(url)
    assert caught.value.field == "CRYOLATTICE_STORE_URL"


def test_a_root_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PreconditionError, match="file"):
        open_store((tmp_path / "file").as_uri())


def test_a_folder_that_became_a_file_is_an_error_of_the_store(tmp_path: Path) -> None:
    store = open_store((tmp_path / "root").as_uri())
    (tmp_path / "root/a").write_text("")
    with pytest.raises(StoreUnavailableError, match="resume the job") as caught:
        store.put_new("a/b", b"x")
    assert caught.value.field == "CRYOLATTICE_STORE_URL"


def test_a_server_that_is_away_is_named_in_time() -> None:
    away = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }
    with patch.dict(os.environ, away):
        store = open_store("s3://bucket/root", patience_seconds=0.1)
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:9.*Mend it") as caught:
        store.get("a")
    assert "retry_timeout" not in caught.value.message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here (not root?)")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_fails_and_what_is_finished_stays(small_disk: Path) -> None:
    store, tiles, shape = open_store((small_disk / "store").as_uri()), 5, (1, 25_000)
    (small_disk / "filler").write_bytes(bytes(1_500_000))
    values = np.random.default_rng(1).normal(size=(tiles, shape[1]))
    leader = DatasetWriter(store, "suite", "0f")
    leader.take_over()
    leader.create_arrays({}, [ArraySpec("w", values.shape, ("tile", "x"), float, "1", shape)])

    def compute(tile: int) -> None:
        writer = DatasetWriter(store, leader.kind, leader.id, 1, leader.epoch)
        writer.write("w", values[tile : tile + 1], tile)
        writer.write_receipt(tile)

    with pytest.raises(StoreUnavailableError, match="space, permission"):
        list(map(compute, range(tiles)))
    kept = leader.finished(tiles)
    assert 0 < len(kept) < tiles
    (small_disk / "filler").unlink()
    for tile in set(range(tiles)) - kept:
        compute(tile)
    reader = leader.commit(spec_json=b"{}", inputs={}, tile_count=tiles)
    np.testing.assert_array_equal(reader.array("w"), values)


def test_a_durable_object_is_flushed_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str]] = []
    fsync, link = os.fsync, os.link

    def recorded_fsync(descriptor: int) -> None:
        calls.append(("fsync", Path(f"/proc/self/fd/{descriptor}").resolve().name))
        fsync(descriptor)

    def recorded_link(source: Path, target: Path) -> None:
        calls.append(("link", target.name))
        link(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "link", recorded_link)
    store = open_store(f"file://{tmp_path}/store")
    assert store.put_new("a/manifest.json", b"whole", durable=True)
    (first, staged), second, *after = calls
    assert first == "fsync"
    assert staged.startswith("manifest.json#")
    assert second == ("link", "manifest.json")
    assert {("fsync", "a"), ("fsync", "store")} <= set(after)
    assert [path.name for path in (tmp_path / "store/a").iterdir()] == ["manifest.json"]
    # one that was killed before it had its name is found as any other
    (tmp_path / "store/a" / staged).write_bytes(b"")
    assert [key for key, _ in store.list("a")] == ["a/manifest.json"]
    assert list(store.remains(-1)) == [f"a/{staged}"]
