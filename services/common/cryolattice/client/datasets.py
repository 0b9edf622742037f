"""Datasets as objects: arrays for xarray, files, figures, structures, and what they were made from.

Every byte that is read is checked against the dataset's manifest.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryolattice.client import html
from cryolattice.client.figures import MEDIA_TYPES, Figure
from cryolattice.client.listing import Listing
from cryolattice.errors import CorruptDataError, InvalidInputError, NotFoundError
from cryolattice.local_files import require_folder, write_files
from cryolattice.messages import message_dict
from cryolattice.store.manifest import MANIFEST_KEY
from cryolattice_api.common.v1 import dataset_pb2, dataset_service_pb2

if TYPE_CHECKING:
    import ase
    import xarray as xr

    from cryolattice.client.connection import Connection
    from cryolattice.store.reader import DatasetReader


class Dataset:
    """A committed dataset. Nothing is read before it is used.

    Parameters
    ----------
    connection : Connection
    name : str
        ``projects/PROJECT/datasets/ID``.
    message : Dataset message, optional
        What is already known of it.
    """

    def __init__(
        self, connection: Connection, name: str, message: dataset_pb2.Dataset | None = None
    ) -> None:
        self._connection = connection
        self.name = name
        self._message = message
        self._reader: DatasetReader | None = None

    @property
    def message(self) -> dataset_pb2.Dataset:
        """The dataset as the protocol has it."""
        if self._message is None:
            self._message = self._connection.get_dataset(self.name)
        return self._message

    @property
    def reader(self) -> DatasetReader:
        """Reads its objects, checked against the manifest."""
        if self._reader is None:
            self._reader = self._connection.open(self.name, self.message.manifest_sha256)
        return self._reader

    @property
    def ref(self) -> dataset_pb2.DatasetRef:
        """What the specs of further jobs take."""
        message = self.message
        return dataset_pb2.DatasetRef(
            name=message.name,
            kind=message.kind,
            uri=message.uri,
            manifest_sha256=message.manifest_sha256,
        )

    # what it is

    @property
    def id(self) -> str:
        """Hash of what was asked and of what it was asked: the same question has the same id."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def kind(self) -> str:
        """``micrograph``, ``models``, ``beams``, ``ranking``, ``dose``, ..."""
        return self.message.kind

    @property
    def uri(self) -> str:
        """Where it lies in the store."""
        return self.message.uri

    @property
    def size_bytes(self) -> int:
        """Size of all objects."""
        return self.message.size_bytes

    @property
    def create_time(self) -> datetime:
        """When it was committed."""
        return self.message.create_time.ToDatetime(tzinfo=UTC)

    # how it was made

    @property
    def spec(self) -> dict[str, Any]:
        """What was asked for."""
        spec: dict[str, Any] = json.loads(self.message.spec_json or "{}")
        return spec

    @property
    def inputs(self) -> list[Dataset]:
        """The datasets that it was made from."""
        parent = self.name.rsplit("/", 1)[0]
        return [Dataset(self._connection, f"{parent}/{i}") for i in self.message.input_ids]

    @property
    def job(self) -> str:
        """Name of the job that made it; empty for an uploaded file."""
        return self.message.job

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the programs that made it."""
        return dict(self.reader.manifest.versions)

    # what is in it

    @property
    def array_names(self) -> list[str]:
        """Names of its arrays and of their coordinates."""
        return [key.split("/")[1] for key in self.reader.keys if _is_array(key)]

    def to_xarray(self) -> xr.Dataset:
        """Return the arrays with their coordinates; ``units`` are among the attributes.

        Values are read when they are used. ``.load()`` reads them all.

        Raises
        ------
        NotFoundError
            The dataset consists of files alone.
        """
        if not self.array_names:
            listed = ", ".join(self.file_names)
            raise NotFoundError(f"{self.name} ({self.kind}) has no arrays, only files: {listed}")
        return self.reader.to_xarray()

    def __getitem__(self, array: str) -> xr.DataArray:
        """Return one array with its coordinates; it is read when it is used."""
        if array not in self.array_names:
            listed = ", ".join(self.array_names) or "none"
            raise NotFoundError(
                f"{self.name} ({self.kind}) has no array {array!r}; it has: {listed}",
                field="array",
            )
        return self.to_xarray()[array]

    @property
    def file_names(self) -> list[str]:
        """Names of its files."""
        return self.reader.file_names

    def file(self, name: str) -> bytes:
        """Return a file.

        Raises
        ------
        NotFoundError
            There is none of this name.
        """
        return self.reader.file(name)

    def json(self, name: str) -> Any:
        """Return the content of a JSON file; errors as `file`."""
        return self.reader.json(name)

    @property
    def figures(self) -> list[Figure]:
        """Its pictures, which a notebook shows."""
        names = [name for name in self.file_names if Path(name).suffix in MEDIA_TYPES]
        return [self.figure(name) for name in names]

    def figure(self, name: str) -> Figure:
        """Return one picture; errors as `file`."""
        return Figure(name, self.file(name))

    def atoms(self, ordering: str) -> ase.Atoms:
        """Return one structure of a ``models`` dataset for ASE.

        Parameters
        ----------
        ordering : str
            Id of an ordering or of a model; ``"disordered"`` is the parent crystal.

        Returns
        -------
        ase.Atoms
            Lengths in angstrom, the beam along z. The array ``occupancy`` has the occupancy of
            each atom; ``info`` has ``ordering_id``, ``multiplicity``, ``space_group``,
            ``zone_axis`` and ``vacant_sites`` (units of the parent's axes).

        Raises
        ------
        PreconditionError
            ASE is not installed, or this is not a dataset of models.
        NotFoundError
            There is no such ordering.
        """
        from cryolattice.client.structures import read_atoms  # noqa: PLC0415 - brings ASE

        return read_atoms(self.reader, ordering)

    # what can be done with it

    def verify(self) -> int:
        """Have the server hash every object again, and return how many there are.

        Raises
        ------
        CorruptDataError
            Some are damaged or missing.
        """
        result = self._connection.verify_dataset(self.name)
        require_intact(self.name, result)
        return result.object_count

    def export(self, out: Path | str) -> int:
        """Copy the dataset, verified, into a new folder; return the number of objects.

        Raises
        ------
        InvalidInputError
            The folder exists.
        """
        out = Path(out)
        if out.exists():
            raise InvalidInputError(f"--out {out} exists: name a new folder", field="out")
        contents = {key: self.reader.read(key) for key in self.reader.keys}
        write_files(out, {**contents, MANIFEST_KEY: self.reader.manifest_bytes})
        return len(contents) + 1

    def save_files(self, out: Path | str) -> list[Path]:
        """Copy its files into a folder, and return their paths.

        Raises
        ------
        InvalidInputError
            `out` is a file, or lies below one.
        """
        require_folder(Path(out))
        return write_files(Path(out), {name: self.file(name) for name in self.file_names})

    def to_dict(self) -> dict[str, Any]:
        """Return the dataset as ``cryolattice datasets show --json`` prints it."""
        return message_dict(self.message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dataset) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        message = self.message
        return f"<Dataset {self.id}: {message.kind}, {message.size_bytes:,} bytes>"

    def _repr_html_(self) -> str:
        message = self.message
        shown = html.title(f"Dataset {self.id}", message.kind) + html.facts(
            [
                ("where", message.uri),
                ("size", f"{message.size_bytes:,} bytes in {message.object_count} objects"),
                ("created", self.create_time.strftime("%Y-%m-%d %H:%M:%S UTC")),
                ("made by", message.job),
                ("made from", ", ".join(message.input_ids)),
                ("files", ", ".join(self.file_names)),
            ]
        )
        if self.array_names:
            rows = [_array_row(self.reader, name) for name in self.array_names]
            shown += html.table(("array", "axes", "units"), rows)
        asked = html.preformatted(json.dumps(self.spec, indent=2))
        shown += html.more("what was asked", asked)
        return shown + "".join(figure.to_html() for figure in self.figures)


class Datasets(Listing[Dataset]):
    """The datasets of the project, newest first. Iterate over them, or show them as a table."""

    _headings = ("id", "kind", "bytes", "created")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest(self, limit: int = 20, kind: str = "", order_by: str = "") -> list[Dataset]:
        """Return the newest datasets, at most `limit` (up to 1000), or the first of another order.

        Parameters
        ----------
        limit : int
        kind : str, optional
            Only this kind.
        order_by : str, optional
            ``create_time`` and ``kind`` joined by commas, each with ``" desc"`` where the greatest
            comes first.

        Raises
        ------
        InvalidInputError
            The order cannot be read.
        """
        return [
            Dataset(self._connection, message.name, message)
            for message in self._connection.list_datasets(kind, limit, order_by)
        ]

    def _row(self, item: Dataset) -> tuple[str, ...]:
        created = item.create_time.strftime("%Y-%m-%d %H:%M:%S")
        return item.id, item.kind, f"{item.size_bytes:,}", created


def require_intact(name: str, result: dataset_service_pb2.VerifyDatasetResponse) -> None:
    """Raise `CorruptDataError` where a verification found damage."""
    if result.problems:
        listed = "; ".join(f"{found.key}: {found.problem}" for found in result.problems[:5])
        raise CorruptDataError(
            f"{len(result.problems)} of {result.object_count} objects of {name} are damaged "
            f"({listed}): restore them from a backup, or delete the dataset and run its job again"
        )


def _is_array(key: str) -> bool:
    return key.startswith("data.zarr/") and key.count("/") == 2 and key.endswith("/zarr.json")


def _array_row(reader: DatasetReader, name: str) -> tuple[str, str, str]:
    described = json.loads(reader.read(f"data.zarr/{name}/zarr.json"))
    axes = zip(described["dimension_names"] or (), described["shape"], strict=False)
    units = described["attributes"].get("units", "")
    return name, " x ".join(f"{axis} {length}" for axis, length in axes), units
