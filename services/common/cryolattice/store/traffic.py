"""How much this process has asked of the store."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

Operation = Literal["get", "head", "put", "list", "delete"]
OPERATIONS: tuple[Operation, ...] = ("get", "head", "put", "list", "delete")


@dataclass(frozen=True)
class TrafficCount:
    """Requests by operation, and the bytes that they carried."""

    operations: dict[Operation, int]
    read_bytes: int
    written_bytes: int

    def __sub__(self, earlier: TrafficCount) -> TrafficCount:
        return TrafficCount(
            {name: n - earlier.operations[name] for name, n in self.operations.items()},
            self.read_bytes - earlier.read_bytes,
            self.written_bytes - earlier.written_bytes,
        )


class Traffic:
    """Counts what goes to and from the store. Several threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._operations = dict.fromkeys(OPERATIONS, 0)
        self._read_bytes = 0
        self._written_bytes = 0

    def request(self, operation: Operation) -> None:
        """Count a request."""
        with self._lock:
            self._operations[operation] += 1

    def carried(self, *, read_bytes: int = 0, written_bytes: int = 0) -> None:
        """Count the bytes that a request carried."""
        with self._lock:
            self._read_bytes += read_bytes
            self._written_bytes += written_bytes

    def count(self) -> TrafficCount:
        """Return the counts since the process began."""
        with self._lock:
            return TrafficCount(dict(self._operations), self._read_bytes, self._written_bytes)


TRAFFIC = Traffic()
