"""What every command shares: the connection, progress and errors on standard error, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from cryolattice.client.connection import Connection
    from cryolattice.client.embedded import Expected
    from cryolattice.client.progress import Follower

console = Console()
errors = Console(stderr=True)

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="HOST:PORT",
        help="Use a deployment, not this machine; modeler=HOST:PORT,simulator=HOST:PORT,"
        "analyzer=HOST:PORT where its services have addresses of their own. "
        "Default: CRYOLATTICE_SERVER.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@contextmanager
def session(
    server: str | None, *, quiet: bool = False, expects: Expected = ""
) -> Iterator[tuple[Connection, Follower]]:
    """Connect for one command. An interrupt cancels the jobs that it waited for."""
    from cryolattice.client.connection import Connection  # noqa: PLC0415
    from cryolattice.client.progress import choose_follower  # noqa: PLC0415

    with Connection(server, expects=expects) as lab:
        try:
            with choose_follower(quiet=quiet) as follower:
                yield lab, follower
        except KeyboardInterrupt:
            for name in lab.cancel_active():
                errors.print(f"cancelled {name}; 'cryolattice jobs resume {name}' goes on with it")
            raise


def print_json(value: Any) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")
