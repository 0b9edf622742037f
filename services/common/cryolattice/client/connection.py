"""`Connection`: the protocol of the services, messages in and messages out."""

from __future__ import annotations

import atexit
import copy
import threading
import weakref
from types import TracebackType
from typing import Any, Self

import grpc

from cryolattice.client.calls import open_channel
from cryolattice.client.dataset_calls import DatasetCalls
from cryolattice.client.embedded import EmbeddedServer, Expected
from cryolattice.client.job_calls import JobCalls
from cryolattice.names import project_name
from cryolattice.settings import Settings
from cryolattice.telemetry.tracing import configure_tracing
from cryolattice_api.analyzer.v1 import analyzer_pb2_grpc
from cryolattice_api.common.v1 import dataset_service_pb2_grpc, job_service_pb2_grpc
from cryolattice_api.modeler.v1 import modeler_pb2_grpc
from cryolattice_api.simulator.v1 import simulator_pb2_grpc

# Python has no public hook that runs while threads still work
_before_threads_end: Any = getattr(threading, "_register_atexit", atexit.register)


def _close(channel: grpc.Channel, embedded: EmbeddedServer | None) -> None:
    channel.close()
    if embedded is not None:
        embedded.close()


class Connection(JobCalls, DatasetCalls):
    """A server's stubs, and what every caller does with them. Close it, or use it as a context.

    Parameters
    ----------
    server : str, optional
        ``HOST:PORT`` of a deployment, or addresses as `routing.parse_addresses` reads them; without
        it that of the settings, and without either every installed service runs in this process,
        with its data where the settings say.
    settings : Settings, optional
        Instead of those of the environment.
    expects : {"", "job", "tiles"}
        What an embedded server is to have ready, as `EmbeddedServer` takes it.

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

    def __init__(
        self,
        server: str | None = None,
        settings: Settings | None = None,
        *,
        expects: Expected = "",
    ) -> None:
        self.settings = settings or Settings()
        server = server or self.settings.server
        configure_tracing("cryolattice-client")
        embedded = None if server else EmbeddedServer(self.settings, expects)
        self.address = server or (embedded.address if embedded else "")
        self.parent = project_name(self.settings.project)
        channel = open_channel(self.address)
        self.modeler = modeler_pb2_grpc.ModelerServiceStub(channel)
        self.simulator = simulator_pb2_grpc.SimulatorServiceStub(channel)
        self.analyzer = analyzer_pb2_grpc.AnalyzerServiceStub(channel)
        self._channel = channel
        self._found = embedded is not None
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
