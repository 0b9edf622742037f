"""What a service offers: its kinds of jobs, its servicer, the files it can read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.message import Message
from numpy.typing import NDArray

from cryolattice.canonical import dataset_id_of
from cryolattice.errors import InvalidInputError, PreconditionError
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.arrays import ArraySpec
from cryolattice.store.checksums import sha256
from cryolattice.store.reader import DatasetReader
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.common.v1.dataset_service_pb2 import UploadHeader
from cryolattice_api.common.v1.job_pb2 import JobEstimate

if TYPE_CHECKING:
    import grpc

    from cryolattice.server.backend import Backend
    from cryolattice.store.writer import DatasetWriter


class Inputs:
    """Opens the datasets that a spec refers to.

    Parameters
    ----------
    root : ArrayStore
        The store.
    """

    def __init__(self, root: ArrayStore) -> None:
        self._root = root

    def open(self, ref: DatasetRef, kind: str, *, field: str) -> DatasetReader:
        """Open a referenced dataset.

        Raises
        ------
        InvalidInputError
            The field is not set, or refers to a dataset of another kind.
        DatasetNotCommittedError
            It has no manifest.
        """
        if not ref.name:
            raise InvalidInputError(f"{field} is not set: refer to a {kind} dataset", field=field)
        if ref.kind != kind:
            raise InvalidInputError(
                f"{field} is a {ref.kind or 'dataset without a kind'}: refer to a {kind} dataset",
                field=field,
            )
        return DatasetReader.open(self._root, kind, dataset_id_of(ref), ref.manifest_sha256)


# name of an array, start and stop on its first axis
ReadPart = Callable[[str, int, int], NDArray[Any]]


@dataclass(frozen=True)
class Round:
    """Tiles that begin together, and may read what others before them have written.

    Attributes
    ----------
    tiles : sequence of (int, int)
        Start and stop on the first axis of each.
    after : collection of int, optional
        The tiles, numbered through all rounds, that must have ended; those of all earlier rounds
        without it.
    """

    tiles: Sequence[tuple[int, int]]
    after: Collection[int] | None = None


def all_tiles(rounds: Iterable[Round]) -> list[tuple[int, int]]:
    """Return the tiles of all rounds; a tile's number is its place here."""
    return [tile for some in rounds for tile in some.tiles]


class TiledJob(Protocol):
    """A job whose arrays are filled tile by tile along their first axis."""

    @property
    def arrays(self) -> Sequence[ArraySpec]:
        """The arrays, chunked along the first axis like the tiles."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What the array group says of itself."""

    @property
    def rounds(self) -> Sequence[Round]:
        """The tiles; in one process they are computed in this order."""

    @property
    def worker_peak_bytes(self) -> int:
        """Estimate of the greatest memory of a process that computes tiles."""

    def compute(self, start: int, stop: int, earlier: ReadPart) -> Mapping[str, NDArray[Any]]:
        """Return the part of each array between start and stop.

        `earlier` reads what the tiles that this round waits for have written: name, start, stop.
        """

    def finish(self, output: DatasetWriter) -> None:
        """Add what is known only when all tiles are there: coordinates, summaries."""


@dataclass(frozen=True)
class UploadedFile:
    """A file that came up, with those that belong to it.

    Attributes
    ----------
    header : UploadHeader
        Role, calibration and name.
    data : bytes
        The whole file.
    companions : mapping of str to bytes
        Files that lie beside it, by name.
    """

    header: UploadHeader
    data: bytes
    companions: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.header.file_name

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return sha256(self.data)

    @property
    def companions_sha256(self) -> dict[str, str]:
        """SHA-256 of each companion, by name."""
        return {name: sha256(data) for name, data in sorted(self.companions.items())}


@dataclass(frozen=True)
class JobKind:
    """One kind of job.

    Attributes
    ----------
    name : str
        `sweep`, `dose`, ...
    output_kind : str
        Kind of the dataset it commits.
    spec : type
        Message class of its spec.
    prepare : callable
        Checks a spec, fills in its defaults in place and estimates the cost. Runs in the server.
    run : str
        ``module:function``, loaded where the job runs. A job without tiles: ``run(context, spec)``
        writes to ``context.output``. One with tiles: ``load(spec, inputs)`` returns a `TiledJob`.
    tiled : bool
        Whether it has tiles that run on Ray.
    tiled_in_order : bool
        Whether it has tiles that run one after the other in a worker, without Ray.
    """

    name: str
    output_kind: str
    spec: type[Message]
    prepare: Callable[[Any, Inputs], JobEstimate]
    run: str
    tiled: bool = False
    tiled_in_order: bool = False


@dataclass(frozen=True)
class Service:
    """One service, found through the entry point group ``cryolattice.services``.

    Attributes
    ----------
    name : str
        `modeler`, `simulator` or `analyzer`.
    port : int
        Where it listens when it is served alone.
    full_name : str
        Name of its gRPC service.
    kinds : tuple of JobKind
        The jobs it runs.
    add_servicer : callable
        Adds its servicer to a server.
    readers : mapping
        By file role: ``module:function`` that reads and checks an uploaded file and writes its
        arrays: ``read(upload, output)`` with an `UploadedFile`.
    """

    name: str
    port: int
    full_name: str
    kinds: tuple[JobKind, ...]
    add_servicer: Callable[[grpc.aio.Server, Backend], None]
    readers: Mapping[int, str] = field(default_factory=dict)


@cache
def installed_services() -> Mapping[str, Service]:
    """Return the installed services by name."""
    found = entry_points(group="cryolattice.services")
    return {point.name: point.load() for point in sorted(found, key=lambda point: point.name)}


def find_kind(name: str, services: Iterable[Service]) -> tuple[Service, JobKind]:
    """Return the service that runs jobs of this kind, and the kind.

    Raises
    ------
    PreconditionError
        None of the services runs them.
    """
    for service in services:
        for kind in service.kinds:
            if kind.name == name:
                return service, kind
    raise PreconditionError(f"no service here runs {name} jobs: ask the service that does")


def load_function(path: str) -> Callable[..., Any]:
    """Return the function at ``module:function``."""
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function
