"""Reading a committed dataset, every object checked against the manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cryolattice.errors import (
    CorruptDataError,
    DatasetNotCommittedError,
    InvalidInputError,
    MissingChunkError,
    NotFoundError,
)
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.arrays import array_bytes, read_array, read_xarray
from cryolattice.store.checksums import BytesLike, sha256
from cryolattice.store.manifest import MANIFEST_KEY, MANIFEST_REMEDY, Manifest
from cryolattice.store.zarr_stores import ManifestStore

if TYPE_CHECKING:
    import xarray as xr


def dataset_prefix(kind: str, identifier: str) -> str:
    """Return the key prefix of a dataset."""
    return f"datasets/{kind}/{identifier}"


class DatasetReader:
    """A committed dataset.

    Parameters
    ----------
    manifest_bytes : bytes
        The manifest as stored.
    fetch : callable
        Returns the bytes of a key below the dataset's root.
    expected_sha256 : str, optional
        Digest that the manifest must have.

    Raises
    ------
    CorruptDataError
        The manifest is not the expected one.
    """

    def __init__(
        self, manifest_bytes: bytes, fetch: Callable[[str], BytesLike], expected_sha256: str = ""
    ) -> None:
        self.manifest_bytes = manifest_bytes
        self.manifest_sha256 = sha256(manifest_bytes)
        if expected_sha256 and self.manifest_sha256 != expected_sha256:
            raise CorruptDataError(
                f"the manifest's digest is {self.manifest_sha256}, expected {expected_sha256}, "
                f"{len(manifest_bytes)} bytes: {MANIFEST_REMEDY}"
            )
        self.manifest = Manifest.from_json(manifest_bytes)
        self._objects = {stored.key: stored for stored in self.manifest.objects}
        self._fetch = fetch

    @classmethod
    def open(
        cls,
        root: ArrayStore,
        kind: str,
        identifier: str,
        expected_sha256: str = "",
        *,
        was_committed: bool = False,
    ) -> DatasetReader:
        """Open a dataset below a root.

        `was_committed` tells what the caller knows, as do those who expect a digest.

        Raises
        ------
        DatasetNotCommittedError
            There is no manifest.
        MissingChunkError
            There is none any more.
        CorruptDataError
            It is torn, damaged, or not the expected one.
        """
        prefix = dataset_prefix(kind, identifier)
        try:
            manifest = root.get(f"{prefix}/{MANIFEST_KEY}")
        except MissingChunkError as error:
            if was_committed or expected_sha256:
                raise MissingChunkError(
                    f"the store {root.url} has lost dataset {identifier} ({kind}), which was "
                    "committed: see that CRYOLATTICE_STORE_URL names the right store and that its "
                    "disk is mounted; else restore a backup, or ask the same question again"
                ) from error
            raise DatasetNotCommittedError(
                f"dataset {identifier} ({kind}) is not committed: its job has not finished, "
                "or its writer died; run or resume the job"
            ) from error
        try:
            return cls(manifest, lambda key: root.view(f"{prefix}/{key}"), expected_sha256)
        except CorruptDataError as error:
            raise CorruptDataError(f"dataset {identifier} ({kind}): {error.message}") from error

    @property
    def keys(self) -> list[str]:
        """Keys of all objects."""
        return list(self._objects)

    @property
    def file_names(self) -> list[str]:
        """Names of the files."""
        return [key.removeprefix("files/") for key in self._objects if key.startswith("files/")]

    def read(self, key: str) -> bytes:
        """Return one object.

        Raises
        ------
        NotFoundError
            The manifest does not list it.
        MissingChunkError
            The store has lost it.
        CorruptDataError
            The stored bytes are not those that were committed.
        """
        return bytes(self._verified(key))

    def _verified(self, key: str) -> BytesLike:
        stored = self._objects.get(key)
        if stored is None:
            raise NotFoundError(
                f"dataset {self.manifest.id} ({self.manifest.kind}) has no object {key!r}: its "
                "manifest lists those there are",
                field="key",
            )
        data = self._fetch(key)
        if sha256(data) != stored.sha256:
            raise CorruptDataError(
                f"object {key} of dataset {self.manifest.id} ({self.manifest.kind}) differs from "
                "what was committed: restore it from a backup, or delete the dataset and run the "
                "job again"
            )
        return data

    def file(self, name: str) -> bytes:
        """Return a file of the dataset."""
        return self.read(f"files/{name}")

    def json(self, name: str) -> Any:
        """Return a JSON file of the dataset."""
        return json.loads(self.file(name))

    @property
    def zarr_store(self) -> ManifestStore:
        """The arrays as a read-only Zarr store that verifies."""
        return ManifestStore(self._objects, self._verified, self.manifest_sha256)

    def array(self, name: str) -> NDArray[Any]:
        """Return a whole array."""
        return read_array(self.zarr_store, name)

    def has_array(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return f"data.zarr/{name}/zarr.json" in self._objects

    def require_dims(self, name: str, dims: tuple[str, ...], *, field: str) -> None:
        """Check that an array has these axes and no others.

        Raises
        ------
        InvalidInputError
            It has others, or is not there; `field` is what referred to the dataset.
        """
        if not self.has_array(name):
            raise InvalidInputError(
                f"{field} hold no {name}: refer to a dataset that keeps it", field=field
            )
        found = tuple(json.loads(self.read(f"data.zarr/{name}/zarr.json"))["dimension_names"])
        if found != dims:
            others = " and ".join(axis for axis in found if axis not in dims)
            raise InvalidInputError(
                f"{field} have the axes {', '.join(found)}, of which {others} cannot be used here: "
                "refer to a dataset with one value of each",
                field=field,
            )

    def array_bytes(self, name: str) -> int:
        """Return what a whole array takes in memory; it is not read."""
        return array_bytes(self.read(f"data.zarr/{name}/zarr.json"))

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the array group."""
        metadata = json.loads(self.read("data.zarr/zarr.json"))
        attributes: dict[str, Any] = metadata.get("attributes", {})
        return attributes

    def to_xarray(self) -> xr.Dataset:
        """Return the arrays with their coordinates."""
        return read_xarray(self.zarr_store)

    def problems(self) -> list[tuple[str, str]]:
        """Hash every object again; return key and problem of those that differ."""
        found = []
        for key in self._objects:
            try:
                self._verified(key)
            except MissingChunkError:
                found.append((key, "missing"))
            except CorruptDataError:
                found.append((key, "differs from what was committed"))
        return found
