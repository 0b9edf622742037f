"""Throughput of the store against plain Zarr with the same codecs, a folder and an S3 server.

    python benchmarks/store_throughput.py [--megabytes 256] [--rounds 9]

Both sides write the same complex waves as chunks of 2 MB and read them back, in turn, round
after round in one process; plain Zarr uses its default pipeline. In a folder both flush what they
wrote to the disk, eight files at a time. Ours also leaves a receipt a tile, hashes what is stored,
checks and commits the dataset, and verifies every chunk that it reads. Prints MB/s and the ratio
ours over plain, the median and the range over the rounds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import local
from typing import Any
from uuid import uuid4

import numpy as np
import zarr
from numpy.typing import NDArray
from obstore.store import LocalStore, S3Store
from zarr.storage import ObjectStore

from cryolattice.store.array_store import open_store
from cryolattice.store.arrays import ArraySpec, codecs
from cryolattice.store.reader import DatasetReader
from cryolattice.store.writer import DatasetWriter

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.servers import S3Server

_CHUNK = (4, 65536)  # 2 MB of complex64
_CHUNKS_A_TILE = 4
_WORKERS = 2
_PLAIN = {"codec_pipeline.path": "zarr.core.codec_pipeline.BatchedCodecPipeline"}


def plain_store(url: str) -> ObjectStore[Any]:
    """Open the same root without anything of ours."""
    if url.startswith("file:"):
        return ObjectStore(LocalStore(url.removeprefix("file://"), mkdir=True))
    return ObjectStore(S3Store.from_url(url))


def tiles_of(values: NDArray[np.complex64]) -> list[slice]:
    """Return the rows of each tile."""
    step = _CHUNK[0] * _CHUNKS_A_TILE
    return [slice(start, start + step) for start in range(0, len(values), step)]


def plain_write(url: str, values: NDArray[np.complex64], name: str) -> None:
    """Write the waves tile by tile."""
    with zarr.config.set(_PLAIN):
        array = zarr.create_array(
            plain_store(url),
            name=name,
            shape=values.shape,
            chunks=_CHUNK,
            dtype=values.dtype,
            fill_value=complex("nan+nanj"),
            compressors=codecs(values.dtype),
            config={"write_empty_chunks": True},
        )

    def write(tile: slice) -> None:
        array[tile] = values[tile]

    with ThreadPoolExecutor(_WORKERS) as workers:
        list(workers.map(write, tiles_of(values)))
    if url.startswith("file:"):
        root = open_store(url)
        root.persist([key for key, _ in root.list(name)])


def plain_read(url: str, name: str) -> NDArray[np.complex64]:
    """Read the waves."""
    with zarr.config.set(_PLAIN):
        array = zarr.open_array(plain_store(url), path=name, mode="r")
    return np.asarray(array[...])


def our_write(url: str, values: NDArray[np.complex64], name: str) -> None:
    """Write the waves tile by tile with receipts, flush what is finished, then commit.

    As a sweep does, but that its workers are processes.
    """
    root = open_store(url)
    leader = DatasetWriter(root, "throughput", name)
    leader.take_over()
    leader.create_arrays(
        {}, [ArraySpec("psi", values.shape, ("a", "b"), values.dtype, "1", _CHUNK)]
    )
    tiles = tiles_of(values)
    of_thread = local()
    finished: SimpleQueue[list[str]] = SimpleQueue()

    def write(number: int, tile: slice) -> None:
        if not hasattr(of_thread, "writer"):
            of_thread.writer = DatasetWriter(
                root, leader.kind, leader.id, leader.attempt, leader.epoch
            )
        finished.put(of_thread.writer.write_tile(number, {"psi": (tile.start, values[tile])}))

    def flush() -> None:
        left = len(tiles)
        while left:
            some = [finished.get()]
            while not finished.empty():
                some.append(finished.get())
            left -= len(some)
            leader.persist([chunk for chunks in some for chunk in chunks])

    with ThreadPoolExecutor(_WORKERS) as workers, ThreadPoolExecutor(1) as driver:
        flushing = driver.submit(flush)
        list(workers.map(write, range(len(tiles)), tiles))
        flushing.result()
    leader.commit(spec_json=b"{}", inputs={}, tile_count=len(tiles))


def our_read(url: str, name: str) -> NDArray[np.complex64]:
    """Read the waves, every chunk checked against the manifest."""
    return DatasetReader.open(open_store(url), "throughput", name).array("psi")


def seconds(action: Callable[..., object], *arguments: object) -> float:
    """Time one call."""
    begun = time.perf_counter()
    action(*arguments)
    return time.perf_counter() - begun


def compare(url: str, values: NDArray[np.complex64], rounds: int) -> None:
    """Write and read on both sides in turn; the side that begins alternates."""
    scheme, _, _ = url.partition(":")
    spent: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds + 1):
        name = uuid4().hex
        writes = [("plain", plain_write), ("ours", our_write)]
        reads = [("plain", plain_read), ("ours", our_read)]
        for side, write in writes[:: 1 - 2 * (turn % 2)]:
            spent.setdefault(("write", side), []).append(seconds(write, url, values, name))
        for side, read in reads[:: 1 - 2 * (turn % 2)]:
            spent.setdefault(("read", side), []).append(seconds(read, url, name))
        np.testing.assert_array_equal(our_read(url, name), values)
    for what in ("write", "read"):
        # the first round warms caches and imports
        plain, ours = (np.array(spent[what, side][1:]) for side in ("plain", "ours"))
        ratio = plain / ours
        speed = [values.nbytes / 1e6 / float(np.median(side)) for side in (plain, ours)]
        print(
            f"{scheme:5} {what:6} plain {speed[0]:6.0f} MB/s  ours {speed[1]:6.0f} MB/s  "
            f"ratio {np.median(ratio):.2f} ({ratio.min():.2f} to {ratio.max():.2f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Throughput of the store against plain Zarr.")
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    rows = max(1, given.megabytes * 1_000_000 // (_CHUNK[1] * 8) // _CHUNK[0]) * _CHUNK[0]
    values = rng.normal(size=(rows, _CHUNK[1], 2)).astype(np.float32).view(np.complex64)[..., 0]
    folder = Path(tempfile.mkdtemp(prefix="cryolattice-throughput-"))
    server = S3Server(folder / "s3")
    try:
        compare((folder / "store").as_uri(), values, given.rounds)
        os.environ.update(server.environment)
        server.start()
        compare(server.url, values, given.rounds)
    finally:
        server.kill()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
