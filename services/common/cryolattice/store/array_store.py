"""Objects under one root URL: what every store must do, and how one is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol
from urllib.parse import urlparse

from cryolattice.errors import InvalidInputError, MissingChunkError
from cryolattice.store.bucket_store import BucketStore
from cryolattice.store.checksums import BytesLike, Hasher
from cryolattice.store.folder_store import FolderStore
from cryolattice.store.obstore_objects import PATIENCE_SECONDS


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

    def put_new(self, key: str, data: BytesLike, *, durable: bool = False) -> str | None:
        """Create the object, whole or not at all, and return its tag; None where it exists already.

        A `durable` one is there when this returns, and whole if it is there, whenever the power
        fails.
        """

    def tag(self, key: str) -> str:
        """Return the tag of an object: another one of this key has another. Errors as `get`."""

    def suspects(self, prefix: str, tags: Mapping[str, str]) -> list[str]:
        """Return which chunks below `prefix` are lost or may no longer be what was put.

        Parameters
        ----------
        prefix : str
        tags : mapping of str to str
            Keys of chunks that end with their CRC-32C, and what `put_new` returned of each.
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


def open_store(url: str, patience_seconds: float = PATIENCE_SECONDS) -> ArrayStore:
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


def sha256_of(store: ArrayStore, key: str) -> str:
    """Return the SHA-256 of an object, hexadecimal; errors as `ArrayStore.get`."""
    hasher = hashlib.sha256()
    store.feed(key, hasher)
    return hasher.hexdigest()


def holds(store: ArrayStore, key: str, digest: str) -> bool:
    """Whether an object is there and has this SHA-256."""
    try:
        return sha256_of(store, key) == digest
    except MissingChunkError:
        return False
