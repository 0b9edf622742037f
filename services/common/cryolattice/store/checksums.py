"""SHA-256 says which bytes they are; a chunk's own CRC-32C, whether it is whole."""

from __future__ import annotations

import hashlib
from typing import Protocol

import google_crc32c

# CRC-32C of whatever ends with its own CRC-32C
_RESIDUE = 0x48674BC7

type BytesLike = bytes | bytearray | memoryview


class Hasher(Protocol):
    """A hash of the standard library, or another with its interface."""

    def update(self, data: bytes, /) -> None:
        """Add to what is hashed."""


def sha256(data: BytesLike) -> str:
    """Return the SHA-256 of `data`, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class ChunkChecksum:
    """CRC-32C of a stored chunk, which ends with the CRC-32C of what comes before: a hasher."""

    def __init__(self) -> None:
        self._crc32c = 0

    def update(self, data: bytes) -> None:
        """Add to what is hashed."""
        self._crc32c = google_crc32c.extend(self._crc32c, data)

    @property
    def holds(self) -> bool:
        """Whether the chunk is what was encoded."""
        return self._crc32c == _RESIDUE


def is_whole(chunk: bytes) -> bool:
    """Whether a stored chunk is what was encoded."""
    checksum = ChunkChecksum()
    checksum.update(chunk)
    return checksum.holds
