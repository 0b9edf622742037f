"""Objects under one root URL: a folder, or a bucket of an S3 server."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlparse
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store

from cryolattice.errors import (
    InvalidInputError,
    MissingChunkError,
    PreconditionError,
    StoreUnavailableError,
)
from cryolattice.store.traffic import TRAFFIC

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# how long a server may be away before hours of work are given up
_PATIENCE_SECONDS = 120.0
# files flushed at a time: the disk joins what is asked for together
_FLUSHES = 8
# fresh memory costs time: what is hashed comes in pieces that stay in the cache
_PIECE_BYTES = 1 << 18
# what obstore tells of its attempts
_RETRIES = re.compile(r" in [\d.]+\w+, after .* retry_timeout: \S+ +- ")
# how a file is named that is being written, by obstore and here
_STAGED = re.compile(r"#\d+$")


type BytesLike = bytes | bytearray | memoryview


def sha256(data: BytesLike) -> str:
    """Return the SHA-256 of `data`, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Hasher(Protocol):
    """A hash of the standard library, or another with its interface."""

    def update(self, data: bytes, /) -> None:
        """Add to what is hashed."""


class ArrayStore(Protocol):
    """Keys and bytes below a root URL; `cryolattice.testing.array_store` tells what must hold.

    Whatever the store cannot do for want of space, permission or connection raises
    `StoreUnavailableError`. Instances can be pickled.
    """

    @property
    def url(self) -> str:
        """The root, without a slash at its end."""

    def get(self, key: str) -> bytes:
        """Return the object's bytes.

        Raises
        ------
        MissingChunkError
            There is no such object.
        """

    def view(self, key: str) -> BytesLike:
        """Return what `get` returns, uncopied where the store can."""

    def feed(self, key: str, hasher: Hasher) -> int:
        """Hand the stored bytes to a hasher and return their number; errors as `get`."""

    def exists(self, key: str) -> bool:
        """Whether the object is there."""

    def put_new(self, key: str, data: BytesLike, *, durable: bool = False) -> bool:
        """Create the object, whole or not at all; return False where it exists already.

        A `durable` one is there when this returns, and whole if it is there, whenever the power
        fails.
        """

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield key and size of every object below `prefix`, which ends at a slash or the end."""

    def age_seconds(self, key: str) -> float:
        """Return how long ago the object was written; 0 where it is not there."""

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""

    def persist(self, keys: Iterable[str]) -> None:
        """Return once these objects would survive a power failure."""

    def remains(self, older_than_seconds: float) -> Iterator[str]:
        """Yield what killed writers left and `list` does not show, as keys for `delete`."""


def open_store(url: str, patience_seconds: float = _PATIENCE_SECONDS) -> ArrayStore:
    """Return the store at ``file:///folder`` (made when missing) or ``s3://bucket/prefix``.

    Parameters
    ----------
    url : str
    patience_seconds : float
        How long an S3 server may be away before a call fails.

    Raises
    ------
    InvalidInputError
        Another scheme.
    PreconditionError
        The folder cannot be made.
    """
    match urlparse(url).scheme:
        case "file":
            return FolderStore(url)
        case "s3":
            return BucketStore(url, patience_seconds)
    raise InvalidInputError(
        f"store URL is {url!r}: write file:///FOLDER or s3://BUCKET/PREFIX",
        field="CRYOLATTICE_STORE_URL",
    )


class _ObjectsOfObstore:
    """What both kinds of store have in common.

    Parameters
    ----------
    url : str
        The root.
    patience_seconds : float
        How long a server may be away.
    """

    def __init__(self, url: str, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._patience_seconds = patience_seconds
        self._objects = self._open()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.url, self._patience_seconds)

    def _open(self) -> ObjectStore:
        raise NotImplementedError

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        return bytes(self.view(key))

    def view(self, key: str) -> BytesLike:
        """Return the object's bytes, uncopied."""
        with self._reading(key):
            data = self._read(key)
        TRAFFIC.carried(read_bytes=len(data))
        return data

    def feed(self, key: str, hasher: Hasher) -> int:
        """Hand the stored bytes to a hasher."""
        data = memoryview(self.view(key))
        for start in range(0, len(data), _PIECE_BYTES):
            hasher.update(bytes(data[start : start + _PIECE_BYTES]))
        return len(data)

    def _read(self, key: str) -> BytesLike:
        # a copy costs more than the hash
        return memoryview(obstore.get(self._objects, key).bytes())

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        TRAFFIC.request("get")
        with self._failures():
            try:
                yield
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
                raise MissingChunkError(f"object {key} is missing from {self.url}") from error

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        TRAFFIC.request("head")
        with self._failures():
            try:
                obstore.head(self._objects, key)
            except FileNotFoundError:
                return False
        return True

    def put_new(self, key: str, data: BytesLike, *, durable: bool = False) -> bool:  # noqa: ARG002
        """Create the object unless it exists; return whether this call created it."""
        TRAFFIC.request("put")
        with self._failures():
            try:
                obstore.put(self._objects, key, data, mode="create")
            except AlreadyExistsError:
                return False
        TRAFFIC.carried(written_bytes=len(data))
        return True

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield key and size of every object below `prefix`."""
        TRAFFIC.request("list")
        with self._failures():
            for batch in obstore.list(self._objects, prefix=prefix):
                for entry in batch:
                    yield entry["path"], entry["size"]

    def age_seconds(self, key: str) -> float:
        """Return how long ago the object was written; 0 where it is not there."""
        with self._failures():
            try:
                written = obstore.head(self._objects, key)["last_modified"]
            except FileNotFoundError:
                return 0.0
        return max(0.0, time.time() - written.timestamp())

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        TRAFFIC.request("delete")
        with self._failures():
            try:
                obstore.delete(self._objects, key)
            except FileNotFoundError:
                return

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            what = _RETRIES.sub(": ", str(error).splitlines()[0])
            raise StoreUnavailableError(
                f"the store {self.url} failed: {what}. Mend it (space, "
                "permission, connection), then resume the job: finished tiles are kept",
                field="CRYOLATTICE_STORE_URL",
            ) from error


class FolderStore(_ObjectsOfObstore):
    """Objects as files below a folder."""

    def _open(self) -> ObjectStore:
        self._folder = Path(unquote(urlparse(self.url).path) or "/")
        try:
            return LocalStore(self._folder, mkdir=True, automatic_cleanup=True)
        except OSError as error:
            raise PreconditionError(
                f"the store {self._folder} cannot be opened ({error}): set CRYOLATTICE_HOME to a "
                "folder you may write to, or CRYOLATTICE_STORE_URL",
                field="CRYOLATTICE_STORE_URL",
            ) from error

    def _read(self, key: str) -> bytes:
        return (self._folder / key).read_bytes()

    def feed(self, key: str, hasher: Hasher) -> int:
        """Hand the file to a hasher, read piece by piece."""
        with self._reading(key), (self._folder / key).open("rb", buffering=0) as file:
            while piece := file.read(_PIECE_BYTES):
                hasher.update(piece)
            size = file.tell()
        TRAFFIC.carried(read_bytes=size)
        return size

    def put_new(self, key: str, data: BytesLike, *, durable: bool = False) -> bool:
        """Create the file unless it exists; a durable one gets its name when it is flushed."""
        if not durable:
            return super().put_new(key, data)
        TRAFFIC.request("put")
        path = self._folder / key
        staged = path.with_name(f"{path.name}#{uuid4().int}")
        with self._failures():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with staged.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(staged, path)
                    created = True
                except FileExistsError:
                    created = False
            finally:
                staged.unlink(missing_ok=True)
        self.persist([key])
        if created:
            TRAFFIC.carried(written_bytes=len(data))
        return created

    def persist(self, keys: Iterable[str]) -> None:
        """Flush the files, then the folders that name them."""
        files: list[Path] = []
        folders: set[Path] = set()
        for key in keys:
            path = self._folder / key
            files.append(path)
            folders.update(path.parents[: len(Path(key).parts)])
        with self._failures(), ThreadPoolExecutor(_FLUSHES) as pool:
            for paths in (files, folders):
                list(pool.map(_flush, paths))

    def remains(self, older_than_seconds: float) -> Iterator[str]:
        """Yield the staged files of killed writers."""
        latest = time.time() - older_than_seconds
        for path in self._folder.rglob("*#*"):
            if _STAGED.search(path.name) and path.is_file() and path.stat().st_mtime < latest:
                yield path.relative_to(self._folder).as_posix()

    def delete(self, key: str) -> None:
        """Remove the object or what is left of one; one that is not there is no error."""
        if _STAGED.search(key):
            (self._folder / key).unlink(missing_ok=True)
        else:
            super().delete(key)


class BucketStore(_ObjectsOfObstore):
    """Objects of an S3 bucket; endpoint and credentials come from the ``AWS_*`` variables."""

    def _open(self) -> ObjectStore:
        # a server that is started again must not cost hours of work
        return S3Store.from_url(
            self.url,
            retry_config={
                "backoff": {
                    "init_backoff": timedelta(seconds=0.1),
                    "max_backoff": timedelta(seconds=5),
                    "base": 2,
                },
                "max_retries": 100,
                "retry_timeout": timedelta(seconds=self._patience_seconds),
            },
        )

    def persist(self, keys: Iterable[str]) -> None:
        """Do nothing: what the server has acknowledged is its to keep."""

    def remains(self, older_than_seconds: float) -> Iterator[str]:  # noqa: ARG002 - the protocol's
        """Yield nothing: a put is whole or absent."""
        yield from ()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
