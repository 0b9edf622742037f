"""What every call of a server goes through, while the connection is open."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from cryolattice.client.calls import call, require_server, stream
from cryolattice.errors import PreconditionError
from cryolattice_api.common.v1 import dataset_service_pb2_grpc, job_service_pb2_grpc


class Calling:
    """A server that can be called.

    Attributes
    ----------
    address : str
        Of the server.
    parent : str
        ``projects/PROJECT``, in which jobs and datasets are named.
    """

    address: str
    parent: str
    _channel: grpc.Channel
    _jobs: job_service_pb2_grpc.JobServiceStub
    _datasets: dataset_service_pb2_grpc.DatasetServiceStub
    _found: bool
    _closing: weakref.finalize[..., Any]
    _active: set[str]
    _lock: threading.Lock

    @property
    def closed(self) -> bool:
        """Whether the connection was closed."""
        return not self._closing.alive

    def call(self, method: Callable[..., Any], request: Message) -> Any:
        """Make a unary call of one of the stubs; errors are those of `cryolattice.errors`.

        One that creates a job gets a request id where it has none: tried again, it makes one job.
        """
        self._require_server()
        return call(self.address, method, _repeatable(request))

    def stream(self, method: Callable[..., Any], request: Message) -> Iterator[Any]:
        """Make a streaming call of one of the stubs."""
        self._require_server()
        return stream(self.address, method, request)

    def _require_server(self) -> None:
        if self.closed:
            raise PreconditionError("this connection is closed: connect again")
        if not self._found:
            require_server(self.address)
            self._found = True


def _repeatable(request: Message) -> Message:
    if getattr(request, "request_id", None) != "":
        return request
    named = type(request)()
    named.CopyFrom(request)
    named.request_id = str(uuid4())  # type: ignore[attr-defined]
    return named
