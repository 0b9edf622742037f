"""Writing a dataset: arrays are created once, tiles leave receipts, the manifest commits."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.errors import ArrayNotFoundError

from cryolattice.errors import (
    ConflictError,
    CorruptDataError,
    StoreUnavailableError,
)
from cryolattice.store.array_store import ArrayStore, holds, sha256_of
from cryolattice.store.arrays import (
    ArraySpec,
    chunk_keys,
    create_array,
    create_group,
    open_array,
    read_part,
    write_part,
)
from cryolattice.store.checksums import sha256
from cryolattice.store.manifest import MANIFEST_KEY, Manifest, StoredObject
from cryolattice.store.reader import DatasetReader, dataset_prefix
from cryolattice.store.receipts import Receipt, Receipts
from cryolattice.store.versions import component_versions
from cryolattice.store.zarr_stores import WriteOnceStore, is_metadata

# what is not part of the dataset: how far its making has come
_BOOKKEEPING = ("receipts/", "epochs/", MANIFEST_KEY)
# reading and hashing an object overlap with waiting for the disk or the server
_THREADS = 4


class DatasetWriter:
    """Writes the objects of one dataset.

    Parameters
    ----------
    root : ArrayStore
        The store.
    kind, identifier : str
        Which dataset.
    attempt : int
        Which run of the job this is.
    epoch : int
        As `take_over` has set it in the writer that leads; 0 where nobody can take over.
    """

    def __init__(
        self, root: ArrayStore, kind: str, identifier: str, attempt: int = 1, epoch: int = 0
    ) -> None:
        self.root = root
        self.kind = kind
        self.id = identifier
        self.attempt = attempt
        self.epoch = epoch
        self.prefix = dataset_prefix(kind, identifier)
        self.receipts = Receipts(root, self.prefix)
        self._zarr = WriteOnceStore(root, f"{self.prefix}/data.zarr")
        self._opened: dict[str, zarr.Array[Any]] = {}
        self._described: set[str] | None = None
        self._files: dict[str, str] = {}
        self._durable: set[str] = set()

    def create_arrays(self, attributes: Mapping[str, Any], specs: Sequence[ArraySpec]) -> None:
        """Create the group and its empty arrays; those of an earlier attempt are kept."""
        if self._described is None:
            self._described = {name for name, _ in self._listed("/data.zarr") if is_metadata(name)}
        if "data.zarr/zarr.json" not in self._described:
            create_group(self._zarr, attributes)
        for spec in specs:
            if f"data.zarr/{spec.name}/zarr.json" not in self._described:
                create_array(self._zarr, spec)
        self._described |= {
            "data.zarr/zarr.json",
            *(f"data.zarr/{spec.name}/zarr.json" for spec in specs),
        }

    def _listed(self, folder: str = "") -> list[tuple[str, int]]:
        """Return name and size of every object in a folder of the dataset."""
        listed = self.root.list(f"{self.prefix}{folder}")
        return [(key.removeprefix(f"{self.prefix}/"), size) for key, size in listed]

    def write(self, name: str, values: NDArray[Any], start: int = 0) -> None:
        """Write whole chunks of an array, beginning at `start` of its first axis.

        Raises
        ------
        StoreUnavailableError
            The array has vanished from the store.
        """
        try:
            write_part(self._array(name), start, values)
        except ArrayNotFoundError as error:
            raise self._lost() from error

    def write_tile(self, tile: int, parts: Mapping[str, tuple[int, NDArray[Any]]]) -> list[str]:
        """Write whole chunks of several arrays and their receipt; return the chunks' keys.

        All at once: a server answers many requests as fast as one.

        Parameters
        ----------
        tile : int
            Number of the tile.
        parts : mapping of str to (int, ndarray)
            By array, where it begins on the first axis, and its values.

        Raises
        ------
        ConflictError
            A later attempt has taken over.
        StoreUnavailableError
            The store has lost what was written.
        """
        self.require_latest()
        self._zarr.written.clear()
        with ThreadPoolExecutor(_THREADS) as pool:
            writes = [
                pool.submit(self.write, name, values, start)
                for name, (start, values) in parts.items()
            ]
            for write in writes:
                write.result()
        return list(self.write_receipt(tile))

    def _array(self, name: str) -> zarr.Array[Any]:
        if name not in self._opened:
            self._opened[name] = open_array(self._zarr, name)
        return self._opened[name]

    def read_part(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Return a part of an array along its first axis, before it is committed."""
        return read_part(self._zarr, name, start, stop)

    def add_array(
        self, name: str, values: NDArray[Any], dims: tuple[str, ...], units: str = "1", **more: Any
    ) -> None:
        """Create an array and write it."""
        array = np.asarray(values)
        self.create_arrays({}, [ArraySpec(name, array.shape, dims, array.dtype, units, None, more)])
        if array.size:
            self.write(name, array)

    def add_file(self, name: str, data: bytes) -> None:
        """Add a file to the dataset; the first writer of a name wins."""
        key = f"files/{name}"
        if not self.root.put_new(f"{self.prefix}/{key}", data):
            data = self.root.get(f"{self.prefix}/{key}")
        self._files[key] = sha256(data)

    def add_json(self, name: str, value: object) -> None:
        """Add a JSON file."""
        self.add_file(name, json.dumps(value, indent=1, allow_nan=False).encode())

    def take_over(self) -> None:
        """Begin a new epoch: receipts and manifest of those that began before are refused."""
        while True:
            self.epoch = self._latest_epoch() + 1
            if self.root.put_new(f"{self.prefix}/epochs/{self.epoch}", b""):
                return

    def require_latest(self) -> None:
        """Raise an error unless this is the latest epoch.

        Raises
        ------
        ConflictError
            Somebody else has taken over.
        StoreUnavailableError
            The store no longer knows of this epoch.
        """
        if not self.epoch:
            return
        latest = self._latest_epoch()
        if latest > self.epoch:
            raise ConflictError(
                f"attempt {self.attempt} at dataset {self.id} is over: another has taken over"
            )
        if latest < self.epoch:
            raise self._lost()

    def _lost(self) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"the store {self.root.url} has lost what was written of dataset {self.id}: was its "
            "folder or bucket emptied, or is its disk not mounted? Mend it, then resume the job",
            field="CRYOLATTICE_STORE_URL",
        )

    def _latest_epoch(self) -> int:
        begun = self.root.list(f"{self.prefix}/epochs")
        return max((int(key.rsplit("/", 1)[-1]) for key, _ in begun), default=0)

    def write_receipt(self, tile: int, *, seed: int = 0) -> dict[str, str]:
        """Record the chunks written so far as those of `tile`, and return them.

        Raises
        ------
        ConflictError
            A later attempt has taken over.
        """
        self.require_latest()
        chunks, tags = self._written()
        self.receipts.put(tile, Receipt(chunks, tags), attempt=self.attempt, seed=seed)
        return chunks

    def persist(self, names: Collection[str]) -> None:
        """Flush objects that will not change any more: the commit then need not wait for them."""
        self.root.persist([f"{self.prefix}/{name}" for name in names])
        self._durable.update(names)

    def _written(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the hashes of what was written to arrays, and the tags in the store."""
        hashes, tags = {}, {}
        for key, (digest, tag) in self._zarr.written.items():
            hashes[f"data.zarr/{key}"], tags[f"data.zarr/{key}"] = digest, tag
        return hashes, tags

    def finished(self, tile_count: int) -> set[int]:
        """Return the tiles whose receipt holds; of the others, remove what is damaged."""
        return self.receipts.finished(tile_count)

    def committed(self) -> DatasetReader | None:
        """Return the dataset if it is committed."""
        if not self.root.exists(f"{self.prefix}/{MANIFEST_KEY}"):
            return None
        return DatasetReader.open(self.root, self.kind, self.id)

    def commit(
        self,
        *,
        spec_json: bytes,
        inputs: Mapping[str, str],
        job: str = "",
        tile_count: int = 0,
    ) -> DatasetReader:
        """Check every object, then write the manifest.

        Parameters
        ----------
        spec_json : bytes
            The canonical spec.
        inputs : mapping of str to str
            Manifest digest by id of the datasets it was made from.
        job : str
            Name of the job.
        tile_count : int
            Tiles that must have left a receipt.

        Raises
        ------
        CorruptDataError
            A tile has no receipt, a chunk is missing or damaged, or the store holds other bytes
            than were written.
        ConflictError
            A later attempt has taken over.
        StoreUnavailableError
            The store has lost what was written.
        """
        self.require_latest()
        objects = self._checked_objects(tile_count)
        manifest = Manifest(
            kind=self.kind,
            id=self.id,
            spec=json.loads(spec_json),
            inputs=dict(inputs),
            objects=objects,
            create_time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            job=job,
            attempt=self.attempt,
            versions=component_versions(),
        )
        self.require_latest()
        # a racing writer may have committed the same question: then its manifest stands
        self.root.put_new(f"{self.prefix}/{MANIFEST_KEY}", manifest.to_json(), durable=True)
        return DatasetReader.open(self.root, self.kind, self.id)

    def _checked_objects(self, tile_count: int) -> tuple[StoredObject, ...]:
        """Return every object of the dataset; errors as `commit`."""
        expected, tags = self._written()
        expected |= self._files
        sizes = {name: size for name, size in self._listed() if not name.startswith(_BOOKKEEPING)}
        with ThreadPoolExecutor(_THREADS) as pool:
            for tile, receipt in enumerate(pool.map(self.receipts.get, range(tile_count))):
                if receipt is None:
                    raise CorruptDataError(f"tile {tile} of dataset {self.id} has no receipt")
                expected |= receipt.chunks
                tags |= receipt.tags
            durable = pool.submit(self.persist, [n for n in sizes if n not in self._durable])
            others = [name for name in sizes if name not in tags or is_metadata(name)]
            keys = [f"{self.prefix}/{name}" for name in others]
            found = pool.map(partial(sha256_of, self.root), keys)
            hashes = expected | dict(zip(others, found, strict=True))
            durable.result()
        wanted = {*(self._described or ()), *expected, *self._chunks_of(sizes)}
        lacking = sorted(wanted - sizes.keys())
        if lacking:
            raise CorruptDataError(
                f"dataset {self.id} lacks {len(lacking)} objects, such as {lacking[0]}"
            )
        changed = self._changed(expected, {n: tag for n, tag in tags.items() if not is_metadata(n)})
        changed += [name for name in others if hashes[name] != expected.get(name, hashes[name])]
        if changed:
            raise CorruptDataError(
                f"{len(changed)} objects of dataset {self.id} changed after writing, such as "
                f"{changed[0]}: resume the job, which computes their tiles again"
            )
        return tuple(StoredObject(name, hashes[name], sizes[name]) for name in sorted(sizes))

    def _chunks_of(self, names: Iterable[str]) -> Iterator[str]:
        """Yield the chunks that the arrays among these objects ask for."""
        for name in filter(is_metadata, names):
            described = self.root.get(f"{self.prefix}/{name}")
            yield from (f"{name.removesuffix('zarr.json')}{key}" for key in chunk_keys(described))

    def _changed(self, hashes: Mapping[str, str], tags: Mapping[str, str]) -> list[str]:
        """Return the chunks that are not what was written; only suspects are hashed again."""
        stem = f"{self.prefix}/"
        suspects = self.root.suspects(stem, {f"{stem}{name}": tag for name, tag in tags.items()})
        names = [key.removeprefix(stem) for key in suspects]
        return [name for name in names if not holds(self.root, f"{stem}{name}", hashes[name])]

    def discard(self) -> None:
        """Remove the objects of a dataset that was not committed."""
        if self.committed() is None:
            for key, _ in list(self.root.list(self.prefix)):
                self.root.delete(key)
