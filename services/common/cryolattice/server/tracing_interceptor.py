"""Spans of the calls that a server answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from opentelemetry.context import attach
from opentelemetry.trace import SpanKind, set_span_in_context

from cryolattice.server.handlers import ended_with, wrap_handler
from cryolattice.telemetry.tracing import SERVER_FAULTS, end_call, remote_context, start_call


class TracingInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Makes a span of each call of our own services, below that of its caller."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handler of one method."""
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method.removeprefix("/")
        if handler is None or not method.startswith("cryolattice_api."):
            return handler

        @asynccontextmanager
        async def traced(context: Any) -> AsyncIterator[None]:
            metadata = dict(context.invocation_metadata() or ())
            caller = remote_context(str(metadata.get("traceparent", "")))
            span = start_call(method, SpanKind.SERVER, caller)
            # the task that handles the call ends with it: there is nobody to give it back to
            attach(set_span_in_context(span))
            error: BaseException | None = None
            try:
                yield
            except BaseException as caught:
                error = caught
                raise
            finally:
                code = ended_with(context, error)
                end_call(span, code, failed=code in SERVER_FAULTS)

        return wrap_handler(handler, traced)
