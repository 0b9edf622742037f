"""A store in a folder: objects are files, flushed when it matters and checked by reading them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse
from uuid import uuid4

from obstore.store import LocalStore

from cryolattice.errors import MissingChunkError, PreconditionError
from cryolattice.store.checksums import BytesLike, ChunkChecksum, Hasher
from cryolattice.store.obstore_objects import PIECE_BYTES, ObjectsOfObstore
from cryolattice.store.traffic import TRAFFIC

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# files flushed at a time: the disk joins what is asked for together
_FLUSHES = 8
_READS = 4
# how a file is named that is being written, by obstore and here
_STAGED = re.compile(r"#\d+$")


class FolderStore(ObjectsOfObstore):
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
            while piece := file.read(PIECE_BYTES):
                hasher.update(piece)
            size = file.tell()
        TRAFFIC.carried(read_bytes=size)
        return size

    def suspects(self, prefix: str, tags: Mapping[str, str]) -> list[str]:  # noqa: ARG002
        """Return which chunks fail their own CRC-32C: disks do not tell what they have lost."""
        with ThreadPoolExecutor(_READS) as pool:
            whole = pool.map(self._is_whole, tags)
            return [key for key, is_whole in zip(tags, whole, strict=True) if not is_whole]

    def _is_whole(self, key: str) -> bool:
        checksum = ChunkChecksum()
        try:
            self.feed(key, checksum)
        except MissingChunkError:
            return False
        return checksum.holds

    def put_new(self, key: str, data: BytesLike, *, durable: bool = False) -> str | None:
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
        if not created:
            return None
        TRAFFIC.carried(written_bytes=len(data))
        return self.tag(key)

    def persist(self, keys: Iterable[str]) -> None:
        """Flush the files, and the folders that name them."""
        paths: set[Path] = set()
        for key in keys:
            path = self._folder / key
            paths.update([path, *path.parents[: len(Path(key).parts)]])
        with self._failures(), ThreadPoolExecutor(_FLUSHES) as pool:
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


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
