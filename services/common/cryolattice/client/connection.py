"""`Connection`: the protocol of the services, messages in and messages out."""

from __future__ import annotations

import atexit
import copy
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from cryolattice.client.calls import call, open_channel, stream
from cryolattice.client.companions import companions_of
from cryolattice.client.embedded import EmbeddedServer
from cryolattice.client.routing import RoutedChannel, service_of
from cryolattice.error_status import from_status
from cryolattice.errors import (
    JobCancelledError,
    JobNotActiveError,
    PreconditionError,
    ServerUnavailableError,
    UnreadableFileError,
)
from cryolattice.names import project_name
from cryolattice.settings import Settings
from cryolattice.store.manifest import MANIFEST_KEY
from cryolattice.store.reader import DatasetReader
from cryolattice.telemetry.tracing import configure_tracing
from cryolattice_api.analyzer.v1 import analyzer_pb2_grpc
from cryolattice_api.common.v1 import (
    dataset_pb2,
    dataset_service_pb2,
    dataset_service_pb2_grpc,
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
)
from cryolattice_api.modeler.v1 import modeler_pb2_grpc
from cryolattice_api.simulator.v1 import simulator_pb2_grpc

_TERMINAL = {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED}
_UPLOAD_SECONDS = 600.0
_PART_BYTES = 1 << 20
# how long a server that was there may be away, and how often it is looked for
_AWAY_SECONDS = 60.0
_RETRY_SECONDS = 1.0

OnJob = Callable[[job_pb2.Job], None]


_before_threads_end: Any = getattr(threading, "_register_atexit", atexit.register)


def _close(channel: grpc.Channel, embedded: EmbeddedServer | None) -> None:
    channel.close()
    if embedded is not None:
        embedded.close()


class Connection:
    """A server's stubs, and what every caller does with them. Close it, or use it as a context.

    Parameters
    ----------
    server : str, optional
        ``HOST:PORT`` of a deployment, or addresses as `routing.parse_addresses` reads them; without
        it that of the settings, and without either every installed service runs in this process,
        with its data where the settings say.
    settings : Settings, optional
        Instead of those of the environment.

    Attributes
    ----------
    address : str
        Of the server.
    parent : str
        ``projects/PROJECT``, in which jobs and datasets are named.
    modeler, simulator, analyzer : stubs
        Of the three services, to be called through `call`, `stream` and `run_job`.

    Raises
    ------
    CryolatticeError
        The embedded server cannot be started.
    """

    def __init__(self, server: str | None = None, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        server = server or self.settings.server
        configure_tracing("cryolattice-client")
        embedded = None if server else EmbeddedServer(self.settings)
        self.address = server or (embedded.address if embedded else "")
        self.parent = project_name(self.settings.project)
        channel = open_channel(self.address)
        self.modeler = modeler_pb2_grpc.ModelerServiceStub(channel)
        self.simulator = simulator_pb2_grpc.SimulatorServiceStub(channel)
        self.analyzer = analyzer_pb2_grpc.AnalyzerServiceStub(channel)
        self._channel = channel
        self._jobs = job_service_pb2_grpc.JobServiceStub(channel)
        self._datasets = dataset_service_pb2_grpc.DatasetServiceStub(channel)
        self._active: set[str] = set()
        self._owner: Connection | None = None
        self._lock = threading.Lock()
        # also runs when the connection is forgotten, at the latest when the interpreter ends
        self._closing = weakref.finalize(self, _close, channel, embedded)
        if embedded is not None:
            # its server works with threads, which atexit and with it weakref come too late for
            _before_threads_end(self._closing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return not self._closing.alive

    def close(self) -> None:
        """Close the connection; the embedded server ends with it. May be called again."""
        self._closing()

    def scoped(self) -> Connection:
        """Return the same connection with jobs of its own to wait for and to cancel.

        Calls from several threads then do not cancel each other's.
        """
        scope = copy.copy(self)
        scope._owner = self  # whose channel must stay open
        scope._active = set()
        return scope

    def call(self, method: Callable[..., Any], request: Message) -> Any:
        """Make a unary call of one of the stubs; errors are those of `cryolattice.errors`."""
        self._require_open()
        return call(self.address, method, request)

    def stream(self, method: Callable[..., Any], request: Message) -> Iterator[Any]:
        """Make a streaming call of one of the stubs."""
        self._require_open()
        return stream(self.address, method, request)

    def _require_open(self) -> None:
        if self.closed:
            raise PreconditionError("this connection is closed: connect again")

    # jobs

    def get_job(self, name: str) -> job_pb2.Job:
        """Return a job."""
        request = job_service_pb2.GetJobRequest(name=name)
        job: job_pb2.Job = self.call(self._jobs.GetJob, request).job
        return job

    def list_jobs(self, limit: int = 100, filter_text: str = "") -> list[job_pb2.Job]:
        """Return the newest jobs of the project, or of those that a filter chooses."""
        request = job_service_pb2.ListJobsRequest(
            parent=self.parent, page_size=limit, filter=filter_text
        )
        return list(self.call(self._jobs.ListJobs, request).jobs)

    def cancel_job(self, name: str) -> job_pb2.Job:
        """Ask a job to stop."""
        request = job_service_pb2.CancelJobRequest(name=name)
        job: job_pb2.Job = self.call(self._jobs.CancelJob, request).job
        return job

    def resume_job(self, name: str) -> job_pb2.Job:
        """Run a failed, cancelled or abandoned job again."""
        request = job_service_pb2.ResumeJobRequest(name=name)
        jobs = self._jobs
        if isinstance(self._channel, RoutedChannel):
            # every service can tell of a job, only its own can run it
            service = service_of(self.get_job(name).spec.type_url)
            jobs = job_service_pb2_grpc.JobServiceStub(self._channel.channels[service])
        job: job_pb2.Job = self.call(jobs.ResumeJob, request).job
        return job

    def delete_job(self, name: str) -> None:
        """Forget an ended job; its dataset stays."""
        self.call(self._jobs.DeleteJob, job_service_pb2.DeleteJobRequest(name=name))

    def watch_job(self, name: str, timeout_seconds: float | None = None) -> Iterator[job_pb2.Job]:
        """Yield the job now and after every change, until it has ended.

        A server that goes away meanwhile is waited for, and no change is missed.

        Raises
        ------
        TimeoutError
            The job has not ended in time. It goes on.
        ServerUnavailableError
            There is no server, or it has been away for too long.
        """
        self._require_open()
        begun = time.monotonic()
        request = job_service_pb2.WatchJobRequest(name=name)
        away_since: float | None = None
        while True:
            left = None
            if timeout_seconds is not None:
                left = max(timeout_seconds - (time.monotonic() - begun), 0.0)
            try:
                for response in stream(self.address, self._jobs.WatchJob, request, left):
                    request.after_event_id, away_since = response.event_id, None
                    yield response.job
                return
            except ServerUnavailableError as error:
                if error.metadata.get("code") == "DEADLINE_EXCEEDED":
                    raise TimeoutError(f"{name} has not ended in {timeout_seconds:g} s") from None
                away_since = away_since or time.monotonic()
                if not request.after_event_id or time.monotonic() - away_since > _AWAY_SECONDS:
                    raise
                time.sleep(_RETRY_SECONDS)

    def run_job(
        self, create: Callable[..., Any], request: Any, on_job: OnJob | None = None
    ) -> dataset_pb2.DatasetRef:
        """Create a job, wait for it and return its dataset.

        Parameters
        ----------
        create : callable
            A ``Create...Job`` method of one of the stubs.
        request : Message
            Its request; project and request id are filled in.
        on_job : callable, optional
            Is called with the job after every change.

        Raises
        ------
        CryolatticeError
            Why the job was refused or failed.
        JobCancelledError
            Somebody cancelled it.
        """
        return self.wait_for(self.submit_job(create, request), on_job)

    def submit_job(self, create: Callable[..., Any], request: Any) -> job_pb2.Job:
        """Create a job and return it at once; arguments as for `run_job`."""
        request.parent = self.parent
        request.request_id = str(uuid4())
        job: job_pb2.Job = self.call(create, request).job
        return job

    def wait_for(
        self,
        job: job_pb2.Job,
        on_job: OnJob | None = None,
        timeout_seconds: float | None = None,
    ) -> dataset_pb2.DatasetRef:
        """Wait for a job and return its dataset; errors as in `run_job` and `watch_job`."""
        with self._lock:
            self._active.add(job.name)
        try:
            for changed in self.watch_job(job.name, timeout_seconds):
                job = changed
                if on_job is not None:
                    on_job(job)
        finally:
            if job.state in _TERMINAL:
                with self._lock:
                    self._active.discard(job.name)
        if job.state == job_pb2.JOB_STATE_FAILED:
            raise from_status(job.error)
        if job.state != job_pb2.JOB_STATE_SUCCEEDED:
            raise JobCancelledError(f"{job.name}: {job.state_message}", metadata={"job": job.name})
        return job.output

    def cancel_active(self) -> list[str]:
        """Cancel the jobs that this client is waiting for; return their names."""
        with self._lock:
            names = sorted(self._active)
        cancelled = []
        for name in names:
            try:
                self.cancel_job(name)
                cancelled.append(name)
            except JobNotActiveError:
                continue
        return cancelled

    # datasets

    def list_datasets(self, kind: str = "", limit: int = 100) -> list[dataset_pb2.Dataset]:
        """Return the newest datasets of the project."""
        request = dataset_service_pb2.ListDatasetsRequest(
            parent=self.parent, kind=kind, page_size=limit
        )
        return list(self.call(self._datasets.ListDatasets, request).datasets)

    def get_dataset(self, name: str) -> dataset_pb2.Dataset:
        """Return what is known of a dataset."""
        request = dataset_service_pb2.GetDatasetRequest(name=name)
        dataset: dataset_pb2.Dataset = self.call(self._datasets.GetDataset, request).dataset
        return dataset

    def verify_dataset(self, name: str) -> dataset_service_pb2.VerifyDatasetResponse:
        """Have every object of a dataset hashed again."""
        request = dataset_service_pb2.VerifyDatasetRequest(name=name)
        response: dataset_service_pb2.VerifyDatasetResponse = self.call(
            self._datasets.VerifyDataset, request
        )
        return response

    def collect_garbage(
        self, older_than_seconds: float, *, remove: bool
    ) -> dataset_service_pb2.CollectGarbageResponse:
        """List what no committed dataset and no job needs; with `remove`, remove it."""
        request = dataset_service_pb2.CollectGarbageRequest(remove=remove)
        request.older_than.FromTimedelta(timedelta(seconds=older_than_seconds))
        response: dataset_service_pb2.CollectGarbageResponse = call(
            self.address, self._datasets.CollectGarbage, request, _UPLOAD_SECONDS
        )
        return response

    def open(self, name: str, manifest_sha256: str = "") -> DatasetReader:
        """Open a dataset; its arrays and files come through the server and are verified here."""

        def fetch(key: str) -> bytes:
            request = dataset_service_pb2.ReadObjectRequest(name=name, key=key)
            parts = self.stream(self._datasets.ReadObject, request)
            return b"".join(part.data for part in parts)

        return DatasetReader(fetch(MANIFEST_KEY), fetch, manifest_sha256)

    def open_ref(self, ref: dataset_pb2.DatasetRef) -> DatasetReader:
        """Open the dataset that a job returned."""
        return self.open(ref.name, ref.manifest_sha256)

    def upload(
        self, path: Path, header: dataset_service_pb2.UploadHeader
    ) -> dataset_pb2.DatasetRef:
        """Take a file up, and the companions that lie beside it (`companions_of`).

        Parameters
        ----------
        path : Path
            The file.
        header : UploadHeader
            Its role and calibration; project and file name are filled in.

        Raises
        ------
        UnreadableFileError
            The file cannot be opened.
        CryolatticeError
            What the server found wrong with it.
        """
        header.parent = self.parent
        header.file_name = path.name
        with ExitStack() as stack:
            files = [stack.enter_context(_opened(one)) for one in (path, *companions_of(path))]

            def parts() -> Iterator[dataset_service_pb2.UploadFileRequest]:
                yield dataset_service_pb2.UploadFileRequest(header=header)
                for index, file in enumerate(files):
                    if index:
                        companion = dataset_service_pb2.CompanionHeader(
                            file_name=Path(file.name).name
                        )
                        yield dataset_service_pb2.UploadFileRequest(companion=companion)
                    while data := file.read(_PART_BYTES):
                        yield dataset_service_pb2.UploadFileRequest(data=data)

            response = call(self.address, self._datasets.UploadFile, parts(), _UPLOAD_SECONDS)
        dataset = response.dataset
        return dataset_pb2.DatasetRef(
            name=dataset.name,
            kind=dataset.kind,
            uri=dataset.uri,
            manifest_sha256=dataset.manifest_sha256,
        )


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UnreadableFileError(
            f"cannot open {path}: {error.strerror or error}", field="file"
        ) from error
