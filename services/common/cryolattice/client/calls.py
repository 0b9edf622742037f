"""Calling a server: channels, and its errors restored as ours."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from grpc_status import rpc_status

from cryolattice.client.routing import RoutedChannel, parse_addresses
from cryolattice.client.service_config import service_config
from cryolattice.error_status import from_status
from cryolattice.errors import (
    CryolatticeError,
    InternalError,
    InvalidInputError,
    LimitExceededError,
    PreconditionError,
    ServerUnavailableError,
)
from cryolattice.telemetry.tracing import tracing

SERVICES_REMEDY = (
    "install cryolattice-modeler, cryolattice-simulator and cryolattice-analyzer, or name the "
    "HOST:PORT of a deployment"
)
_LARGEST_RESPONSE = 64 << 20
_LOOK_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.1


def open_channel(server: str) -> grpc.Channel:
    """Return a channel that retries while the server is away for a moment.

    `server` is one address, or one for each service as `parse_addresses` reads them.

    Raises
    ------
    InvalidInputError
        It is neither.
    """
    if not {":", "="} & set(server):
        raise InvalidInputError(
            f"server is {server!r}: write HOST:PORT, such as {server}:50051", field="server"
        )
    if "=" not in server or server.startswith("unix:"):
        return _open_channel(server)
    addresses = parse_addresses(server)
    return RoutedChannel({name: _open_channel(address) for name, address in addresses.items()})


def _open_channel(address: str) -> grpc.Channel:
    channel = grpc.insecure_channel(
        address,
        options=[
            ("grpc.service_config", service_config()),
            ("grpc.enable_http_proxy", 0),
            # a page of jobs holds the crystal of each
            ("grpc.max_receive_message_length", _LARGEST_RESPONSE),
        ],
    )
    if not tracing():
        return channel
    from cryolattice.client.tracing_interceptor import TracingInterceptor  # noqa: PLC0415

    return grpc.intercept_channel(channel, TracingInterceptor())


def require_server(address: str) -> None:
    """Look for a server: one that was there is waited for when it is away, a wrong address is not.

    Raises
    ------
    ServerUnavailableError
        For a second nothing has listened there, or at any of several addresses.
    """
    several = "=" in address and not address.startswith("unix:")
    places = list(parse_addresses(address).values()) if several else [address]
    deadline = time.monotonic() + _LOOK_SECONDS
    while not any(_listens(place) for place in places):
        if time.monotonic() > deadline:
            raise _nobody(address)
        time.sleep(_LOOK_AGAIN_SECONDS)


def _listens(address: str) -> bool:
    """Whether something takes connections; True where only a call can find out."""
    host, _, port = address.rpartition(":")
    try:
        if host == "unix":
            with socket.socket(socket.AF_UNIX) as local:
                local.settimeout(_LOOK_SECONDS)
                local.connect(port)
        elif port.isdecimal():
            socket.create_connection((host.strip("[]"), int(port)), _LOOK_SECONDS).close()
    except TimeoutError:
        # far or busy
        return True
    except (OSError, OverflowError):
        return False
    return True


def _nobody(which: str) -> ServerUnavailableError:
    return ServerUnavailableError(
        f"no Cryolattice server answers at {which}: start one with 'cryolattice serve all', "
        "or leave --server out to work on this machine"
    )


def restored(error: grpc.RpcError, address: str) -> CryolatticeError:
    """Return the error that the server raised, or what kept the call from it."""
    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    details = (error.details() if isinstance(error, grpc.Call) else "") or ""
    status = rpc_status.from_call(error) if isinstance(error, grpc.Call) else None
    if status is not None:
        return from_status(status)
    if code == grpc.StatusCode.UNAVAILABLE:
        # of several addresses the details name the one that failed
        return _nobody(f"{address} ({details})" if "=" in address else address)
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return ServerUnavailableError(
            f"the server at {address} did not answer in time", metadata={"code": code.name}
        )
    if code == grpc.StatusCode.UNIMPLEMENTED:
        return _not_served(address, details)
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return LimitExceededError(
            f"the request is too large for the server at {address}: {details}"
        )
    return InternalError(f"the call failed with {code.name}: {details}")


def _not_served(address: str, details: str) -> CryolatticeError:
    if address.startswith("unix:"):
        return PreconditionError(
            f"no service that is installed here offers this: {SERVICES_REMEDY}", field="server"
        )
    return InvalidInputError(
        f"the server at {address} does not serve this: {details}. Ask the service that does, "
        "or one started with 'cryolattice serve all'",
        field="server",
    )


def call[Response](address: str, method: Callable[..., Response], request: object) -> Response:
    """Make a unary call; the channel's service config has its deadline and retries.

    Raises
    ------
    CryolatticeError
        What the server raised.
    """
    try:
        return method(request)
    except grpc.RpcError as error:
        raise restored(error, address) from None


def stream(
    address: str, method: Callable[..., Any], request: object, timeout: float | None = None
) -> Iterator[Any]:
    """Make a call that answers with a stream; `timeout` in seconds is that of the whole stream.

    Raises
    ------
    CryolatticeError
        What the server raised.
    """
    responses = method(request, timeout=timeout)
    try:
        yield from responses
    except grpc.RpcError as error:
        raise restored(error, address) from None
    finally:
        responses.cancel()
