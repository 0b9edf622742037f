"""One channel to a deployment whose services listen at addresses of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import grpc

from cryolattice.errors import InvalidInputError

SERVICES = ("modeler", "simulator", "analyzer")
# every service has the jobs and the datasets; the analyzer also reads what is uploaded
_SHARED = "analyzer"
_PACKAGE = re.compile(r"cryolattice_api\.(\w+)\.v1\.")
_FORM = "write HOST:PORT, or modeler=HOST:PORT,simulator=HOST:PORT,analyzer=HOST:PORT"


def parse_addresses(server: str) -> dict[str, str]:
    """Return the address of each service.

    Parameters
    ----------
    server : str
        ``modeler=HOST:PORT,simulator=HOST:PORT,analyzer=HOST:PORT``, in any order.

    Raises
    ------
    InvalidInputError
        A service is unknown, named twice, or has no address.
    """
    addresses: dict[str, str] = {}
    for part in server.split(","):
        service, _, address = (text.strip() for text in part.partition("="))
        if service not in SERVICES or not address or service in addresses:
            raise InvalidInputError(f"server is {server!r}: {_FORM}", field="server")
        addresses[service] = address
    missing = [service for service in SERVICES if service not in addresses]
    if missing:
        raise InvalidInputError(
            f"server is {server!r}, without an address of the {' and the '.join(missing)}: {_FORM}",
            field="server",
        )
    return addresses


def service_of(name: str) -> str:
    """Return the service in whose package a method or message type is.

    ``/cryolattice_api.modeler.v1.ModelerService/CountOrderings`` is the modeler's; what belongs to
    every service goes to the analyzer.
    """
    found = _PACKAGE.search(name)
    return found[1] if found and found[1] in SERVICES else _SHARED


class RoutedChannel(grpc.Channel):
    """Sends each call to the service that its method belongs to.

    Parameters
    ----------
    channels : mapping of str to grpc.Channel
        By service.
    """

    def __init__(self, channels: Mapping[str, grpc.Channel]) -> None:
        self.channels = channels

    def _of(self, method: str) -> grpc.Channel:
        return self.channels[service_of(method)]

    def unary_unary(self, method: str, *given: Any, **named: Any) -> Any:
        """Return the callable of one method; so do the next three."""
        return self._of(method).unary_unary(method, *given, **named)

    def unary_stream(self, method: str, *given: Any, **named: Any) -> Any:  # noqa: D102
        return self._of(method).unary_stream(method, *given, **named)

    def stream_unary(self, method: str, *given: Any, **named: Any) -> Any:  # noqa: D102
        return self._of(method).stream_unary(method, *given, **named)

    def stream_stream(self, method: str, *given: Any, **named: Any) -> Any:  # noqa: D102
        return self._of(method).stream_stream(method, *given, **named)

    def subscribe(
        self, callback: Callable[[grpc.ChannelConnectivity], None], try_to_connect: bool = False
    ) -> None:
        """Tell the callback of each connection's state."""
        for channel in self.channels.values():
            channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        """Tell it no more."""
        for channel in self.channels.values():
            channel.unsubscribe(callback)

    def close(self) -> None:
        """Close every connection."""
        for channel in self.channels.values():
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
