"""Putting something around the handler of a method, whichever of its sides stream."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import grpc.aio
from google.protobuf.message import Message

_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class Traffic(Protocol):
    """Is told of the messages of one call."""

    def received(self, message: Message) -> None:
        """Take note of a message from the caller."""

    def sent(self, message: Message) -> None:
        """Take note of a message to the caller."""


# given the call's context: entered before the handler, left with how it ended
Around = Callable[[Any], AbstractAsyncContextManager[Traffic | None]]


async def _incoming(messages: AsyncIterator[Any], traffic: Traffic) -> AsyncIterator[Any]:
    async for message in messages:
        traffic.received(message)
        yield message


def wrap_handler(handler: Any, around: Around) -> Any:
    """Return the handler with `around` entered for as long as a call lasts."""
    side = "stream" if handler.request_streaming else "unary"
    name = f"{side}_{'stream' if handler.response_streaming else 'unary'}"
    behaviour = getattr(handler, name)

    def taken(request: Any, traffic: Traffic | None) -> Any:
        if traffic is None:
            return request
        if handler.request_streaming:
            return _incoming(request, traffic)
        traffic.received(request)
        return request

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        async with around(context) as traffic:
            async for response in behaviour(taken(request, traffic), context):
                if traffic is not None:
                    traffic.sent(response)
                yield response

    async def single(request: Any, context: Any) -> Any:
        async with around(context) as traffic:
            response = await behaviour(taken(request, traffic), context)
            if traffic is not None and response is not None:
                traffic.sent(response)
            return response

    # a handler may also send its stream through the context and return nothing
    yields = handler.response_streaming and inspect.isasyncgenfunction(behaviour)
    return handler._replace(**{name: stream if yields else single})


def ended_with(context: Any, error: BaseException | None) -> str:
    """Return the name of the status code of a call whose handler ended with `error` or well."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        left = context.time_remaining()
        return "CANCELLED" if left is None or left > 0 else "DEADLINE_EXCEEDED"
    if error is not None and not isinstance(error, grpc.aio.AbortError):
        return "UNKNOWN"
    # the context tells a code as it was set: by number or as the enumeration's member
    code = context.code() or 0
    return code.name if isinstance(code, grpc.StatusCode) else _CODES.get(code, "UNKNOWN")
