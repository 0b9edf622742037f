"""Spans of the calls that a client makes."""

from __future__ import annotations

from typing import Any, NamedTuple

import grpc
from opentelemetry.trace import SpanKind, use_span

from cryolattice.telemetry.tracing import current_traceparent, end_call, start_call


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: Any
    compression: Any


class TracingInterceptor(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[type-arg]
    grpc.UnaryStreamClientInterceptor,  # type: ignore[type-arg]
    grpc.StreamUnaryClientInterceptor,  # type: ignore[type-arg]
):
    """Makes a span of each call and sends its trace context along."""

    def _intercept(self, continuation: Any, details: Any, request: Any) -> Any:
        span = start_call(details.method.removeprefix("/"), SpanKind.CLIENT)
        with use_span(span, end_on_exit=False):
            sent = ("traceparent", current_traceparent())
        # a stream is read after this returns: the span ends with the call, not with this function
        call = continuation(
            _Details(
                details.method,
                details.timeout,
                [*(details.metadata or ()), sent],
                details.credentials,
                details.wait_for_ready,
                details.compression,
            ),
            request,
        )

        def ended(call: Any) -> None:
            code = call.code()
            name = code.name if isinstance(code, grpc.StatusCode) else "UNKNOWN"
            end_call(span, name, failed=name not in {"OK", "CANCELLED"})

        call.add_done_callback(ended)
        return call

    intercept_unary_unary = _intercept  # type: ignore[assignment]
    intercept_unary_stream = _intercept  # type: ignore[assignment]
    intercept_stream_unary = _intercept  # type: ignore[assignment]
