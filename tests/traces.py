"""A receiver of traces, as an OpenTelemetry collector is one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class Span:
    """One span and the part of the system that made it."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    linked_ids: tuple[str, ...]
    attributes: dict[str, Any]
    failed: bool


@dataclass
class TraceReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    address: str = ""
    _spans: list[Span] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make a process send its spans here, soon, however busy it is."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self.address}",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_BSP_EXPORT_TIMEOUT": "20000",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "10",
        }

    @property
    def spans(self) -> list[Span]:
        with self._lock:
            return list(self._spans)

    def Export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_spans:
            facts = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                found = [_span(facts["service.name"], span) for span in scope.spans]
                with self._lock:
                    self._spans += found
        return trace_service_pb2.ExportTraceServiceResponse()


def _span(service: str, span: Any) -> Span:
    attributes = {
        item.key: item.value.string_value or item.value.int_value for item in span.attributes
    }
    return Span(
        service=service,
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        linked_ids=tuple(link.span_id.hex() for link in span.links),
        attributes=attributes,
        failed=span.status.code == 2,
    )


@contextmanager
def trace_receiver() -> Iterator[TraceReceiver]:
    """Receive while the context lasts."""
    receiver = TraceReceiver()
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    port = server.add_insecure_port("127.0.0.1:0")
    receiver.address = f"127.0.0.1:{port}"
    server.start()
    yield receiver
    server.stop(None)
