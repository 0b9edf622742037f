"""Waiting for what happens elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(holds: Callable[[], object], told: Callable[[], object] = lambda: "") -> None:
    """Wait until something holds, a minute at most; `told` is shown if it never does."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)
