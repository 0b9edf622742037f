"""Counts, times and logs every call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import structlog

from cryolattice.server.handlers import ended_with, wrap_handler
from cryolattice.telemetry.grpc_metrics import CallMetrics, GrpcMetrics, call_type

log = structlog.get_logger()

_OURS = {"INTERNAL", "UNKNOWN", "DATA_LOSS"}
# one dataset is hundreds of objects
_FREQUENT = {"ReadObject"}


class ObserveInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Counts, times and logs every call.

    Parameters
    ----------
    metrics : GrpcMetrics
        What it counts with.
    """

    def __init__(self, metrics: GrpcMetrics) -> None:
        self._metrics = metrics

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handler of one method."""
        handler = await continuation(handler_call_details)
        if handler is None:
            self._metrics.refused()
            return None
        service, method = handler_call_details.method.removeprefix("/").split("/", 1)
        kind = call_type(handler.request_streaming, handler.response_streaming)

        @asynccontextmanager
        async def observed(context: Any) -> AsyncIterator[CallMetrics]:
            call = CallMetrics(self._metrics, kind, service, method)
            error: BaseException | None = None
            try:
                yield call
            except BaseException as caught:
                error = caught
                raise
            finally:
                code = ended_with(context, error)
                _log(service, method, code, call.ended(code), context.peer())

        return wrap_handler(handler, observed)


def _log(service: str, method: str, code: str, seconds: float, peer: str) -> None:
    # probes ask all the time
    quiet = code == "OK" and (service.startswith("grpc.") or method in _FREQUENT)
    write = log.error if code in _OURS else log.debug if quiet else log.info
    write(
        "request",
        method=f"{service}/{method}",
        code=code,
        duration_ms=round(1000 * seconds, 2),
        peer=peer,
    )
