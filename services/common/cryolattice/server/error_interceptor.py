"""Turns errors into statuses with details, in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import structlog
from grpc_status import rpc_status

from cryolattice.error_status import to_status
from cryolattice.errors import CryolatticeError, InternalError
from cryolattice.server.handlers import wrap_handler

log = structlog.get_logger()


class ErrorInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Answers a `CryolatticeError` with its code and details, anything else with INTERNAL."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handler of one method."""
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None or not method.startswith("/cryolattice_api."):
            return handler

        @asynccontextmanager
        async def answered(context: Any) -> AsyncIterator[None]:
            try:
                yield
            except grpc.aio.AbortError:
                raise
            except Exception as caught:
                error = caught
                if not isinstance(error, CryolatticeError):
                    log.exception("request failed", method=method)
                    error = InternalError(
                        f"{type(error).__name__}: {error}. This is a defect: please report it"
                    )
                await context.abort_with_status(rpc_status.to_status(to_status(error)))

        return wrap_handler(handler, answered)
