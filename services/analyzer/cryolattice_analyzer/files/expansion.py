"""How much larger than the file its arrays may be: a bound on what a lying header can take."""

from __future__ import annotations

import gzip
import io
import zlib

from cryolattice.errors import UnreadableFileError

# counts at low dose compress up to some 30 times
_LARGEST_RATIO = 200
_ALWAYS_BYTES = 64 << 20


def largest_expansion(file_bytes: int) -> int:
    """Return the largest size in bytes that the arrays of a file of this size may have."""
    return max(_ALWAYS_BYTES, _LARGEST_RATIO * file_bytes)


def unzip(data: bytes, name: str, field: str) -> bytes:
    """Decompress gzip data.

    Raises
    ------
    UnreadableFileError
        Damaged, or more comes out than `largest_expansion` allows.
    """
    limit = largest_expansion(len(data))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            content = packed.read(limit + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise UnreadableFileError(
            f"{name}: its compression is damaged ({problem}); check that it was copied completely",
            field=field,
        ) from problem
    if len(content) > limit:
        raise UnreadableFileError(
            f"{name}: unpacks to more than {limit:,} bytes; unpack it first if that is right",
            field=field,
        )
    return content
