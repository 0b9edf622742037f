"""A line between client and server that breaks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class CuttingProxy:
    """Hands bytes on between a port and a Unix-domain socket.

    A connection is cut when `cut_after_bytes` came from the client, the first `cuts` times.
    """

    to: str
    cuts: int
    cut_after_bytes: int = 1 << 20
    connections: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.to)
                most = self.cut_after_bytes if self.connections <= self.cuts else None
                for source, target, limit in ((client, server, most), (server, client, None)):
                    threading.Thread(target=_hand_on, args=(source, target, limit)).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _hand_on(source: socket.socket, target: socket.socket, limit: int | None) -> None:
    passed = 0
    with suppress(OSError):
        while data := source.recv(1 << 16):
            passed += len(data)
            if limit is not None and passed > limit:
                break
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting_proxy(to: str, cuts: int) -> Iterator[CuttingProxy]:
    """Run a proxy before the server at a path."""
    proxy = CuttingProxy(to, cuts)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
