"""Objects under one root URL, in a folder or an S3 bucket, through obstore."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, S3Store

from cryolattice.errors import InvalidInputError, MissingChunkError, PreconditionError

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data`, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class ObjectRoot:
    """Keys and bytes below a root URL.

    Parameters
    ----------
    url : str
        ``file:///folder`` (made when missing) or ``s3://bucket/prefix``.

    Raises
    ------
    InvalidInputError
        Another scheme.
    PreconditionError
        The folder cannot be made.
    """

    def __init__(self, url: str) -> None:
        parts = urlparse(url)
        self.url = url.rstrip("/")
        self.store: ObjectStore
        if parts.scheme == "file":
            folder = Path(unquote(parts.path))
            try:
                self.store = LocalStore(folder, mkdir=True, automatic_cleanup=True)
            except OSError as error:
                raise PreconditionError(
                    f"the store {folder} cannot be opened ({error}): set CRYOLATTICE_HOME to a "
                    "folder you may write to, or CRYOLATTICE_STORE_URL",
                    field="CRYOLATTICE_STORE_URL",
                ) from error
        elif parts.scheme == "s3":
            self.store = S3Store.from_url(url)
        else:
            raise InvalidInputError(
                f"store URL is {url!r}: write file:///FOLDER or s3://BUCKET/PREFIX",
                field="CRYOLATTICE_STORE_URL",
            )

    def get(self, key: str) -> bytes:
        """Return the object's bytes.

        Raises
        ------
        MissingChunkError
            There is no such object.
        """
        try:
            return bytes(obstore.get(self.store, key).bytes())
        except FileNotFoundError as error:
            raise MissingChunkError(f"object {key} is missing from {self.url}") from error

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            obstore.head(self.store, key)
        except FileNotFoundError:
            return False
        return True

    def put_new(self, key: str, data: bytes) -> bool:
        """Create the object unless it exists; return whether this call created it."""
        try:
            obstore.put(self.store, key, data, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield key and size of every object below `prefix`."""
        for batch in obstore.list(self.store, prefix=prefix):
            for entry in batch:
                yield entry["path"], entry["size"]

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        try:
            obstore.delete(self.store, key)
        except FileNotFoundError:
            return
