"""Who waits is told: bars on a terminal and in a notebook, else a line a step."""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, override

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cryolattice.client.html import bar

if TYPE_CHECKING:
    from cryolattice_api.common.v1.job_pb2 import Job

_NOTEBOOK_SECONDS = 0.2


class Follower(ABC):
    """Shows how far work is. Use it as a context; call it with a label for each job."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.finish()

    def __call__(self, label: str, candidates: int | None = None) -> Callable[[Job], None]:
        """Return what is to be called with each change of the job `label`.

        With a number of candidates, these are counted instead of the tiles that hold them.
        """
        row = self.add(label)

        def show(job: Job) -> None:
            ended = bool(job.HasField("end_time"))
            total = job.progress.tile_count or (1 if ended else None)
            done = total if ended and total else job.progress.succeeded
            if candidates and total:
                done, total = round(candidates * done / total), candidates
            self.update(row, done or 0, total, job.state_message)

        return show

    def counter(self, label: str) -> Callable[[int, int | None], None]:
        """Return what is to be called with how many of how many (None: unknown) are done."""
        row = self.add(label)
        return lambda done, total: self.update(row, done, total, "")

    @abstractmethod
    def add(self, label: str) -> int:
        """Add a row."""

    @abstractmethod
    def update(self, row: int, done: int, total: int | None, message: str) -> None:
        """Show the state of a row."""

    def finish(self) -> None:  # noqa: B027 - most displays need no end
        """Show the last state."""


class Silent(Follower):
    """Shows nothing."""

    @override
    def add(self, label: str) -> int:
        return 0

    @override
    def update(self, row: int, done: int, total: int | None, message: str) -> None:
        return


class Lines(Follower):
    """Prints a line a step on standard error, for logs."""

    def __init__(self) -> None:
        self._labels: list[str] = []
        self._said: dict[int, str] = {}
        self._begun: list[float] = []

    @override
    def add(self, label: str) -> int:
        self._labels.append(label)
        self._begun.append(time.monotonic())
        return len(self._labels) - 1

    @override
    def update(self, row: int, done: int, total: int | None, message: str) -> None:
        if message and message != self._said.get(row):
            self._said[row] = message
            seconds = time.monotonic() - self._begun[row]
            print(f"{self._labels[row]}: {message} ({seconds:.0f} s)", file=sys.stderr, flush=True)


class _Rate(ProgressColumn):
    """Finished units per second."""

    @override
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


class TerminalBars(Follower):
    """Bars on a terminal's standard error."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[message]}"),
            console=console,
        )

    @override
    def __enter__(self) -> Self:
        self._progress.start()
        return self

    @override
    def add(self, label: str) -> int:
        return int(self._progress.add_task(label, total=None, message=""))

    @override
    def update(self, row: int, done: int, total: int | None, message: str) -> None:
        self._progress.update(TaskID(row), total=total, completed=done, message=message)

    @override
    def finish(self) -> None:
        self._progress.stop()


class NotebookBars(Follower):
    """Bars below a notebook's cell, as plain HTML: no widgets need be installed."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, int, int | None, str]] = []
        self._begun: list[float] = []
        self._handle: Any = None
        self._shown = 0.0
        self._lock = threading.Lock()

    @override
    def add(self, label: str) -> int:
        with self._lock:
            self._rows.append((label, 0, None, ""))
            self._begun.append(time.monotonic())
            self._show()
            return len(self._rows) - 1

    @override
    def update(self, row: int, done: int, total: int | None, message: str) -> None:
        with self._lock:
            seconds = time.monotonic() - self._begun[row]
            count = f"{done}/{total}  " if total else ""
            text = f"{count}{seconds:.0f} s  {message}"
            self._rows[row] = (self._rows[row][0], done, total, text)
            if time.monotonic() - self._shown > _NOTEBOOK_SECONDS:
                self._show()

    @override
    def finish(self) -> None:
        with self._lock:
            if self._rows:
                self._show()

    def _show(self) -> None:
        display = import_module("IPython.display")
        rows = "".join(bar(*row) for row in self._rows)
        shown = display.HTML(f'<table style="border-collapse:collapse">{rows}</table>')
        if self._handle is None:
            self._handle = display.display(shown, display_id=True)
        else:
            self._handle.update(shown)
        self._shown = time.monotonic()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def choose_follower(*, quiet: bool = False) -> Follower:
    """Return the display that suits where the process runs."""
    if quiet:
        return Silent()
    if in_notebook():
        return NotebookBars()
    console = Console(stderr=True)
    return TerminalBars(console) if console.is_terminal else Lines()
