"""How every array is laid out in a dataset, and how it is opened."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, override

import numpy as np
import zarr
from numpy.typing import DTypeLike, NDArray
from zarr.abc.store import Store
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.core.array_spec import ArrayConfigParams
from zarr.core.codec_pipeline import FusedCodecPipeline
from zarr.errors import ChunkNotFoundError, ContainsArrayError, ContainsGroupError
from zarr.registry import register_pipeline

from cryolattice.errors import CorruptDataError, MissingChunkError

if TYPE_CHECKING:
    import xarray as xr

# what codes a chunk also waits for a disk or a server
_THREADS = 8
_OPENING = threading.Lock()
_CHECKED: ArrayConfigParams = {"write_empty_chunks": True, "read_missing_chunks": False}


class ChunkPipeline(FusedCodecPipeline):
    """One thread fetches or puts a chunk, hashes and codes it.

    A coroutine for each of these steps, as zarr has them by default, costs more than the hash.
    """

    @override
    def read_sync(
        self, batch_info: Any, out: Any, drop_axes: tuple[int, ...] = (), max_workers: int = 1
    ) -> Any:
        return super().read_sync(batch_info, out, drop_axes, max(max_workers, _THREADS))

    @override
    def write_sync(
        self, batch_info: Any, value: Any, drop_axes: tuple[int, ...] = (), max_workers: int = 1
    ) -> None:
        super().write_sync(batch_info, value, drop_axes, max(max_workers, _THREADS))


register_pipeline(ChunkPipeline)


@contextmanager
def _our_pipeline() -> Iterator[None]:
    """Give `ChunkPipeline` to the arrays that are opened here; those of others keep zarr's."""
    # zarr's settings are the process's: one at a time changes them and changes them back
    with (
        _OPENING,
        zarr.config.set(
            {"codec_pipeline.path": f"{ChunkPipeline.__module__}.{ChunkPipeline.__qualname__}"}
        ),
    ):
        yield


@dataclass(frozen=True)
class ArraySpec:
    """One array of a dataset before it is filled.

    Attributes
    ----------
    name : str
        Name below the group.
    shape, dims : tuple
        Lengths and names of the axes.
    dtype : DTypeLike
        Element type.
    units : str
        Physical unit; ``"1"`` for pure numbers.
    chunks : tuple of int, optional
        One chunk for the whole array where absent.
    attributes : mapping
        Further facts, kept beside the units.
    first_row : int
        Row of a tiled job at which it begins, where a later round has arrays of its own.
    """

    name: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    dtype: DTypeLike
    units: str = "1"
    chunks: tuple[int, ...] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    first_row: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of its values, uncompressed."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def _fill_value(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "c":
        return complex("nan+nanj")
    if dtype.kind == "f":
        return float("nan")
    if dtype.kind == "b":
        return False
    return np.iinfo(dtype).min


def empty_part(spec: ArraySpec, rows: int) -> NDArray[Any]:
    """Return so many rows of an array, unfilled: NaN, or the least number of its type."""
    dtype = np.dtype(spec.dtype)
    return np.full((rows, *spec.shape[1:]), _fill_value(dtype), dtype=dtype)


def create_group(store: Store, attributes: Mapping[str, Any]) -> None:
    """Create the root group; one that a racing writer made stays."""
    with suppress(ContainsGroupError):
        zarr.create_group(store, attributes=dict(attributes), overwrite=False)


def codecs(dtype: np.dtype[Any]) -> list[ZstdCodec | Crc32cCodec]:
    """Return the codecs of a chunk after its bytes.

    Measured floats barely compress: a tenth at level 1, for as much time as hashing and writing
    them together, and for twenty times the time of decoding them at the fastest level.
    """
    return [ZstdCodec(level=-1 if dtype.kind in "fc" else 1), Crc32cCodec()]


def create_array(store: Store, spec: ArraySpec) -> None:
    """Create an empty array after `spec`: zstd and crc32c, filled with NaN, never sharded.

    One that a racing writer made stays.
    """
    dtype = np.dtype(spec.dtype)
    with suppress(ContainsArrayError):
        zarr.create_array(
            store,
            name=spec.name,
            shape=spec.shape,
            chunks=spec.chunks or tuple(max(length, 1) for length in spec.shape),
            dtype=dtype,
            fill_value=_fill_value(dtype),
            compressors=codecs(dtype),
            dimension_names=spec.dims,
            attributes={"units": spec.units, **spec.attributes},
            config=_CHECKED,
        )


def chunk_keys(metadata: bytes) -> Iterator[str]:
    """Yield the keys, below the array's own, of every chunk that the array's metadata ask for."""
    described = json.loads(metadata)
    if described["node_type"] != "array":
        return
    chunks = described["chunk_grid"]["configuration"]["chunk_shape"]
    counts = (-(-n // size) for n, size in zip(described["shape"], chunks, strict=True))
    for place in product(*(range(count) for count in counts)):
        yield "/".join(["c", *map(str, place)])


def array_bytes(metadata: bytes) -> int:
    """Return what the array of these metadata takes in memory."""
    described = json.loads(metadata)
    return int(math.prod(described["shape"]) * np.dtype(described["data_type"]).itemsize)


def open_array(store: Store, name: str) -> zarr.Array[Any]:
    """Open an array, for writing where the store can be written.

    Raises
    ------
    zarr.errors.ArrayNotFoundError
        There is none of this name.
    """
    mode: Literal["r", "r+"] = "r" if store.read_only else "r+"
    opened = zarr.open_array(store, path=name, mode=mode, zarr_format=3, config=_CHECKED)
    with _our_pipeline():
        # the same once more, which asks the store nothing
        return zarr.Array(
            zarr.AsyncArray(opened.metadata, opened.store_path, opened.async_array.config)
        )


def write_part(array: zarr.Array[Any], start: int, values: NDArray[Any]) -> None:
    """Write `values` at `start` of the first axis.

    Raises
    ------
    ValueError
        The part is not whole chunks: a chunk is written once, so its rest would stay empty.
    """
    if values.shape[1:] != array.shape[1:] or values.ndim != array.ndim:
        raise ValueError(f"part of {array.path} has shape {values.shape}, the array {array.shape}")
    if values.ndim:
        stop, length, chunk = start + values.shape[0], array.shape[0], array.chunks[0]
        if start % chunk or stop > length or (stop % chunk and stop != length):
            raise ValueError(
                f"part {start}:{stop} of {array.path} is not whole chunks of {chunk} up to {length}"
            )
        array[start : start + values.shape[0]] = values
    else:
        array[...] = values


def read_array(store: Store, name: str) -> NDArray[Any]:
    """Return the whole array; errors as `read_part`."""
    return read_part(store, name, None, None)


def read_part(store: Store, name: str, start: int | None, stop: int | None) -> NDArray[Any]:
    """Return an array from start to stop of its first axis.

    Raises
    ------
    MissingChunkError
        A chunk is not stored.
    CorruptDataError
        A chunk fails its checksum.
    """
    try:
        array = open_array(store, name)
        return np.asarray(array[...] if array.ndim == 0 else array[start:stop])
    except ChunkNotFoundError as error:
        chunks = re.findall(r"chunk '([^']+)'", str(error))
        raise MissingChunkError(
            f"array {name} lacks {len(chunks)} chunks, such as {name}/{chunks[0]}"
        ) from error
    except (ValueError, RuntimeError) as error:
        raise CorruptDataError(f"array {name} cannot be decoded: {error}") from error


def read_xarray(store: Store) -> xr.Dataset:
    """Return every array with its coordinates; the values are read when they are used."""
    import xarray as xr  # noqa: PLC0415 - brings pandas: a second that most processes can save

    with _our_pipeline():
        opened: xr.Dataset = xr.open_zarr(store, consolidated=False, zarr_format=3, chunks=None)
    return opened
