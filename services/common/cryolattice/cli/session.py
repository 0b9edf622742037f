"""What every command shares: the connection, progress and errors on standard error, JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from cryolattice.client.lab import Lab
    from cryolattice_api.common.v1.job_pb2 import Job

console = Console()
errors = Console(stderr=True)

Server = Annotated[
    str | None,
    typer.Option("--server", metavar="HOST:PORT", help="Use a deployment, not this machine."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class _Rate(ProgressColumn):
    """Finished units per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


class Follower:
    """Shows jobs on standard error: progress bars on a terminal, else a line a step.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._lines = not quiet and not errors.is_terminal
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[message]}"),
            console=errors,
            disable=quiet or not errors.is_terminal,
        )

    def __call__(self, label: str) -> Callable[[Job], None]:
        """Return the callback that keeps the bar of one job."""
        row = self.progress.add_task(label, total=None, message="")
        begun = time.monotonic()
        said = ""

        def show(job: Job) -> None:
            nonlocal said
            if self._lines and job.state_message != said:
                said = job.state_message
                seconds = time.monotonic() - begun
                print(f"{label}: {said} ({seconds:.0f} s)", file=sys.stderr, flush=True)
            ended = bool(job.HasField("end_time"))
            total = job.progress.tile_count or (1 if ended else None)
            done = total if ended and total else job.progress.succeeded
            self.progress.update(row, total=total, completed=done or 0, message=job.state_message)

        return show


@contextmanager
def session(server: str | None, *, quiet: bool = False) -> Iterator[tuple[Lab, Follower]]:
    """Connect for one command. An interrupt cancels the jobs that it waited for."""
    from cryolattice.client.lab import connect  # noqa: PLC0415

    with connect(server) as lab:
        follower = Follower(quiet=quiet)
        try:
            with follower.progress:
                yield lab, follower
        except KeyboardInterrupt:
            for name in lab.cancel_active():
                errors.print(f"cancelled {name}; 'cryolattice jobs resume {name}' goes on with it")
            raise


def print_json(value: Any) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def message_dict(message: Message) -> dict[str, Any]:
    """Return a message in proto3 JSON with original field names."""
    from google.protobuf import json_format  # noqa: PLC0415

    import cryolattice_api.analyzer.v1.analyzer_pb2  # noqa: PLC0415 - names the types inside Any
    import cryolattice_api.modeler.v1.modeler_pb2  # noqa: PLC0415
    import cryolattice_api.simulator.v1.simulator_pb2  # noqa: F401, PLC0415

    found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found
