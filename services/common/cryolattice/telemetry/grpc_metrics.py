"""Metrics of gRPC calls, under the names that dashboards for gRPC servers expect."""

from __future__ import annotations

import time
from collections.abc import Iterable

from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LABELS = ("grpc_type", "grpc_service", "grpc_method")
_SECONDS = (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
_UNKNOWN = ("unary", "unknown", "unknown")


class GrpcMetrics:
    """Counts the calls of one server.

    Parameters
    ----------
    registry : CollectorRegistry
        Where the metrics are registered.
    services : iterable of str
        Full names of services whose methods are shown before their first call.
    """

    def __init__(self, registry: CollectorRegistry, services: Iterable[str]) -> None:
        self.started = Counter(
            "grpc_server_started_total", "Calls begun.", _LABELS, registry=registry
        )
        self.handled = Counter(
            "grpc_server_handled_total",
            "Calls ended, by status code.",
            (*_LABELS, "grpc_code"),
            registry=registry,
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds",
            "Time from the begin of a call to its end; a stream lasts as long as it is open.",
            _LABELS,
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "grpc_server_in_flight", "Calls and streams open now.", _LABELS, registry=registry
        )
        self.received_messages = Counter(
            "grpc_server_msg_received_total", "Messages received.", _LABELS, registry=registry
        )
        self.sent_messages = Counter(
            "grpc_server_msg_sent_total", "Messages sent.", _LABELS, registry=registry
        )
        self.received_bytes = Counter(
            "grpc_server_msg_received_bytes_total",
            "Size of the messages received; of UploadFile, that of the uploads.",
            _LABELS,
            registry=registry,
        )
        self.sent_bytes = Counter(
            "grpc_server_msg_sent_bytes_total",
            "Size of the messages sent; of ReadObject, that of the downloads.",
            _LABELS,
            registry=registry,
        )
        pool = descriptor_pool.Default()
        for name in services:
            for method in pool.FindServiceByName(name).methods:
                kind = call_type(method.client_streaming, method.server_streaming)
                labels = (kind, name, method.name)
                self.started.labels(*labels)
                self.handled.labels(*labels, "OK")
                self.in_flight.labels(*labels)

    def refused(self) -> None:
        """Count a call of a method that nobody serves; its name is the caller's and no label."""
        self.started.labels(*_UNKNOWN).inc()
        self.handled.labels(*_UNKNOWN, "UNIMPLEMENTED").inc()


class CallMetrics:
    """Counts one call of a served method from its begin on."""

    def __init__(self, metrics: GrpcMetrics, kind: str, service: str, method: str) -> None:
        self._metrics = metrics
        self._labels = (kind, service, method)
        self._received = metrics.received_messages.labels(*self._labels)
        self._received_bytes = metrics.received_bytes.labels(*self._labels)
        self._sent = metrics.sent_messages.labels(*self._labels)
        self._sent_bytes = metrics.sent_bytes.labels(*self._labels)
        metrics.started.labels(*self._labels).inc()
        metrics.in_flight.labels(*self._labels).inc()
        self._began = time.perf_counter()

    def received(self, message: Message) -> None:
        """Count a message from the caller."""
        self._received.inc()
        self._received_bytes.inc(message.ByteSize())

    def sent(self, message: Message) -> None:
        """Count a message to the caller."""
        self._sent.inc()
        self._sent_bytes.inc(message.ByteSize())

    def ended(self, code: str) -> float:
        """Count the end; return the seconds that the call has taken."""
        seconds = time.perf_counter() - self._began
        self._metrics.seconds.labels(*self._labels).observe(seconds)
        self._metrics.handled.labels(*self._labels, code).inc()
        self._metrics.in_flight.labels(*self._labels).dec()
        return seconds


def call_type(request_streaming: bool, response_streaming: bool) -> str:
    """Return `unary`, `client_stream`, `server_stream` or `bidi_stream`."""
    if request_streaming and response_streaming:
        return "bidi_stream"
    if request_streaming:
        return "client_stream"
    return "server_stream" if response_streaming else "unary"
