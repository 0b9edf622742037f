"""Zarr stores over a dataset's objects: one writes each chunk once, one verifies what it reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import override

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from cryolattice.errors import CorruptDataError, MissingChunkError
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.checksums import BytesLike, is_whole, sha256

_METADATA = "zarr.json"


def _part(data: BytesLike, byte_range: ByteRequest | None) -> BytesLike:
    match byte_range:
        case None:
            return data
        case RangeByteRequest(start, end):
            return data[start:end]
        case OffsetByteRequest(offset):
            return data[offset:]
        case SuffixByteRequest(suffix):
            return data[-suffix:]
    raise TypeError(f"unknown byte range {byte_range!r}")


class _ObjectsAsZarr(Store):
    """What both stores have in common: zarr's coroutines, made of its synchronous calls.

    `cryolattice.store.arrays` names the pipeline that makes the synchronous calls.
    """

    supports_partial_writes = False

    def _bytes(self, key: str) -> BytesLike | None:
        """Return the object; None where it is not there."""
        raise NotImplementedError

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return the object or a part of it; None where it is not there."""
        data = self._bytes(key)
        if data is None:
            return None
        return (prototype or default_buffer_prototype()).buffer.from_bytes(_part(data, byte_range))

    def set_sync(self, key: str, value: Buffer) -> None:
        """Store the object."""
        raise NotImplementedError("a committed dataset is immutable")

    def delete_sync(self, key: str) -> None:
        """Refuse: nothing is deleted through zarr."""
        raise NotImplementedError("chunks are written once and never deleted by a writer")

    @override
    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        return await asyncio.to_thread(
            self.get_sync, key, prototype=prototype, byte_range=byte_range
        )

    @override
    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    @override
    async def set(self, key: str, value: Buffer) -> None:
        await asyncio.to_thread(self.set_sync, key, value)

    @override
    async def delete(self, key: str) -> None:
        self.delete_sync(key)

    @override
    def list(self) -> AsyncIterator[str]:
        return self.list_prefix("")

    @override
    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        stem = f"{prefix.rstrip('/')}/" if prefix else ""
        seen: set[str] = set()
        async for key in self.list_prefix(stem):
            child = key.removeprefix(stem).split("/", 1)[0]
            if child not in seen:
                seen.add(child)
                yield child


class WriteOnceStore(_ObjectsAsZarr):  # noqa: PLW1641 - stores are compared, never hashed
    """Writes each object once and remembers what the store then holds.

    The first writer of a key wins. `written` maps each key that was set to the SHA-256 of the bytes
    that are stored and to their tag, whoever stored them: receipts are made from it.
    """

    supports_writes = True
    supports_deletes = False
    supports_listing = False

    def __init__(self, root: ArrayStore, prefix: str) -> None:
        super().__init__(read_only=False)
        self._root = root
        self._prefix = prefix
        self.written: dict[str, tuple[str, str]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WriteOnceStore) and (
            (self._root.url, self._prefix) == (other._root.url, other._prefix)
        )

    def _full(self, key: str) -> str:
        return f"{self._prefix}/{key}"

    @override
    def _bytes(self, key: str) -> BytesLike | None:
        try:
            data = self._root.get(self._full(key))
        except MissingChunkError:
            return None
        if not is_metadata(key) and not is_whole(data):
            raise CorruptDataError(
                f"chunk {self._full(key)} fails its checksum: resume the job to compute it again"
            )
        return data

    @override
    def set_sync(self, key: str, value: Buffer) -> None:
        data, tag = self._put(self._full(key), value.as_buffer_like())
        self.written[key] = sha256(data), tag

    def _put(self, full: str, data: BytesLike) -> tuple[BytesLike, str]:
        """Return what the store then holds; a chunk that fails its own checksum makes way."""
        tag = self._root.put_new(full, data)
        if tag is not None:
            return data, tag
        tag, stored = self._root.tag(full), self._root.get(full)
        if stored != data and not is_metadata(full) and not is_whole(stored):
            self._root.delete(full)
            return self._put(full, data)
        return stored, tag

    @override
    async def exists(self, key: str) -> bool:
        return await asyncio.to_thread(self._root.exists, self._full(key))

    @override
    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        full = self._full(prefix).rstrip("/")
        for key, _ in self._root.list(full):
            yield key.removeprefix(f"{self._prefix}/")


class ManifestStore(_ObjectsAsZarr):  # noqa: PLW1641 - stores are compared, never hashed
    """Read-only view of a committed dataset's ``data.zarr``.

    What exists is what the manifest lists, so a lost chunk cannot pass for an empty one; `fetch`
    returns the bytes of a key below the dataset's root, already checked against the manifest.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(
        self, keys: Iterable[str], fetch: Callable[[str], BytesLike], identity: str
    ) -> None:
        super().__init__(read_only=True)
        self._keys = frozenset(
            key.removeprefix("data.zarr/") for key in keys if key.startswith("data.zarr/")
        )
        self._fetch = fetch
        self._identity = identity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ManifestStore) and self._identity == other._identity

    @override
    def _bytes(self, key: str) -> BytesLike | None:
        return self._fetch(f"data.zarr/{key}") if key in self._keys else None

    @override
    async def exists(self, key: str) -> bool:
        return key in self._keys

    @override
    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in sorted(self._keys):
            if key.startswith(prefix):
                yield key


def is_metadata(key: str) -> bool:
    """Whether the key is Zarr metadata rather than a chunk."""
    return key.rsplit("/", 1)[-1] == _METADATA
