"""What a folder and a bucket have in common: obstore's calls, their failures told to the user."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from cryolattice.errors import MissingChunkError, StoreUnavailableError
from cryolattice.store.checksums import BytesLike, Hasher
from cryolattice.store.traffic import TRAFFIC, Operation

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# how long a server may be away before hours of work are given up
PATIENCE_SECONDS = 120.0
# what is hashed comes in pieces: as large as most chunks, or threads wait for each other
PIECE_BYTES = 1 << 22
# what obstore tells of its attempts
_RETRIES = re.compile(r" in [\d.]+\w+, after .* retry_timeout: \S+ +- ")


class ObjectsOfObstore:
    """What both kinds of store have in common.

    Parameters
    ----------
    url : str
        The root.
    patience_seconds : float
        How long a server may be away.
    """

    def __init__(self, url: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
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
        for start in range(0, len(data), PIECE_BYTES):
            hasher.update(bytes(data[start : start + PIECE_BYTES]))
        return len(data)

    def _read(self, key: str) -> BytesLike:
        # a copy costs more than the hash
        return memoryview(obstore.get(self._objects, key).bytes())

    @contextmanager
    def _reading(self, key: str, operation: Operation = "get") -> Iterator[None]:
        TRAFFIC.request(operation)
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

    def put_new(self, key: str, data: BytesLike, *, durable: bool = False) -> str | None:  # noqa: ARG002
        """Create the object unless it exists; return its tag if this call created it."""
        TRAFFIC.request("put")
        with self._failures():
            try:
                put = obstore.put(self._objects, key, data, mode="create")
            except AlreadyExistsError:
                return None
        TRAFFIC.carried(written_bytes=len(data))
        return str(put["e_tag"])

    def tag(self, key: str) -> str:
        """Return the object's ETag."""
        with self._reading(key, "head"):
            return str(obstore.head(self._objects, key)["e_tag"])

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
