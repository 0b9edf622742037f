"""How the processes that work on jobs are told apart, and know the server that they end with."""

from __future__ import annotations

import socket

# set for the children of a server, which end with it
PARENT_VARIABLE = "CRYOLATTICE_PARENT_PID"


def owner_prefix(process_id: int) -> str:
    """Return how the owners of leases begin whose work this machine's process does."""
    return f"{socket.gethostname()}-{process_id}-"
