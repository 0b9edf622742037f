"""Turns errors into statuses with details, in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc.aio
import structlog
from grpc_status import rpc_status

from cryolattice.error_status import to_status
from cryolattice.errors import CryolatticeError, InternalError

log = structlog.get_logger()


async def _abort(context: Any, error: Exception, method: str) -> NoReturn:
    if not isinstance(error, CryolatticeError):
        log.exception("request failed", method=method)
        error = InternalError(
            f"{type(error).__name__}: {error}. This is a defect: please report it"
        )
    await context.abort_with_status(rpc_status.to_status(to_status(error)))
    raise error  # not reached: the abort raises


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
        if handler.response_streaming:
            inner = handler.unary_stream

            async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
                try:
                    async for response in inner(request, context):
                        yield response
                except Exception as error:
                    await _abort(context, error, method)

            return handler._replace(unary_stream=stream)
        name = "stream_unary" if handler.request_streaming else "unary_unary"
        behaviour = getattr(handler, name)

        async def unary(request: Any, context: Any) -> Any:
            try:
                return await behaviour(request, context)
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                await _abort(context, error, method)

        return handler._replace(**{name: unary})
