"""Jobs as objects: submitted, watched, cancelled, and found again by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from cryolattice.client import html
from cryolattice.client.datasets import Dataset
from cryolattice.client.listing import Listing
from cryolattice.client.progress import choose_follower
from cryolattice.error_status import from_status
from cryolattice.errors import CryolatticeError, JobCancelledError
from cryolattice.messages import message_dict
from cryolattice_api.common.v1 import job_pb2

if TYPE_CHECKING:
    from cryolattice.client.connection import Connection

_ENDED = {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED}


@dataclass(frozen=True)
class Progress:
    """How far a job is, in tiles; a job without tiles counts its steps.

    Attributes
    ----------
    done, total : int
        `total` is 0 while it is not known.
    failed : int
    reused : int
        Of `done`, those that an earlier run had finished.
    """

    done: int
    total: int
    failed: int = 0
    reused: int = 0

    @property
    def fraction(self) -> float:
        """Share that is done, 0 to 1."""
        return self.done / self.total if self.total else 0.0

    def __str__(self) -> str:
        reused = f" ({self.reused} reused)" if self.reused else ""
        return f"{self.done}/{self.total}{reused}" if self.total else ""


class Job:
    """A job on the server. Until it has ended, each attribute is asked for anew.

    Parameters
    ----------
    connection : Connection
    message : Job message
        What was last known of it.
    show_progress : bool
        Whether `wait` shows how far it is.
    """

    def __init__(
        self, connection: Connection, message: job_pb2.Job, *, show_progress: bool = True
    ) -> None:
        self._connection = connection
        self._show_progress = show_progress
        self._message = message

    @property
    def message(self) -> job_pb2.Job:
        """The job as the protocol has it."""
        if self._message.state not in _ENDED:
            self.refresh()
        return self._message

    @property
    def name(self) -> str:
        """``projects/PROJECT/jobs/ID``: find the job by it from any process."""
        return self._message.name

    @property
    def kind(self) -> str:
        """What it does: ``models``, ``sweep``, ``rank``, ..."""
        return self._message.kind

    @property
    def state(self) -> str:
        """``QUEUED``, ``WAITING_FOR_RESOURCES``, ``RUNNING``, ... or one of the three ends.

        The ends are ``SUCCEEDED``, ``FAILED`` and ``CANCELLED``.
        """
        return _state(self.message)

    @property
    def state_message(self) -> str:
        """Why it is in this state."""
        return self.message.state_message

    @property
    def ended(self) -> bool:
        """Whether it has succeeded, failed or been cancelled."""
        return self.message.state in _ENDED

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return _progress(self.message)

    @property
    def create_time(self) -> datetime:
        """When it was created."""
        return self._message.create_time.ToDatetime(tzinfo=UTC)

    @property
    def end_time(self) -> datetime | None:
        """When it ended."""
        message = self.message
        return message.end_time.ToDatetime(tzinfo=UTC) if message.HasField("end_time") else None

    @property
    def error(self) -> CryolatticeError | None:
        """Why it failed or that it was cancelled."""
        message = self.message
        if message.state == job_pb2.JOB_STATE_CANCELLED:
            return JobCancelledError(f"{self.name}: {message.state_message}")
        return from_status(message.error) if message.HasField("error") else None

    @property
    def dataset(self) -> Dataset | None:
        """What it made; None before it has succeeded."""
        message = self.message
        return Dataset(self._connection, message.output.name) if message.output.name else None

    def refresh(self) -> Self:
        """Ask the server for the present state."""
        self._message = self._connection.get_job(self.name)
        return self

    def watch(self) -> Iterator[Job]:
        """Yield this job now and after every change, until it has ended."""
        for message in self._connection.watch_job(self.name):
            self._message = message
            yield self

    def wait(self, timeout_seconds: float | None = None) -> Dataset:
        """Wait until the job has ended and return its dataset.

        An interrupt (KeyboardInterrupt) cancels the job.

        Parameters
        ----------
        timeout_seconds : float, optional
            Wait no longer than this.

        Raises
        ------
        CryolatticeError
            Why it failed.
        JobCancelledError
            It was cancelled.
        TimeoutError
            It has not ended in time. It goes on.
        """
        scope = self._connection.scoped()
        with choose_follower(quiet=not self._show_progress) as follow:
            show = follow(self.kind)

            def on_job(message: job_pb2.Job) -> None:
                self._message = message
                show(message)

            try:
                ref = scope.wait_for(self._message, on_job, timeout_seconds)
            except KeyboardInterrupt:
                scope.cancel_active()
                raise
        return Dataset(self._connection, ref.name)

    def cancel(self) -> Self:
        """Ask the job to stop. What it has finished is kept for a `resume`.

        Raises
        ------
        JobNotActiveError
            It has ended already.
        """
        self._message = self._connection.cancel_job(self.name)
        return self

    def resume(self) -> Self:
        """Run a failed, cancelled or abandoned job again; finished tiles are reused.

        Raises
        ------
        JobNotActiveError
            It is running, or has succeeded.
        """
        self._message = self._connection.resume_job(self.name)
        return self

    def delete(self) -> None:
        """Forget the job, once it has ended; its dataset stays."""
        self._connection.delete_job(self.name)

    def to_dict(self) -> dict[str, Any]:
        """Return the job as ``cryolattice jobs show --json`` prints it."""
        return message_dict(self.message)

    def __repr__(self) -> str:
        message = self.message
        parts = (self.kind, _state(message), str(_progress(message)), message.state_message)
        return f"<Job {_id(message)}: {', '.join(part for part in parts if part)}>"

    def _repr_html_(self) -> str:
        message = self.message
        return html.title(f"Job {_id(message)}", self.kind) + html.facts(
            [
                ("state", _state(message)),
                ("", message.state_message),
                ("progress", str(_progress(message))),
                ("created", _time(message.create_time.ToDatetime())),
                ("dataset", message.output.name),
            ]
        )


class Jobs(Listing[Job]):
    """The jobs of the project, newest first. Iterate over them, or show them as a table."""

    _headings = ("id", "kind", "state", "progress", "created", "")

    def __init__(self, connection: Connection, *, show_progress: bool = True) -> None:
        self._connection = connection
        self._show_progress = show_progress

    def newest(self, limit: int = 20, filter_text: str = "", order_by: str = "") -> list[Job]:
        """Return the newest jobs, at most `limit` (up to 1000), or the first of another order.

        Parameters
        ----------
        limit : int
        filter_text : str, optional
            Comparisons joined by AND, such as ``'state = FAILED AND labels.sample = "A3"'``, of
            state, kind, create_time and labels.
        order_by : str, optional
            Fields of create_time, update_time, kind and state joined by commas, each with
            ``" desc"`` where the greatest comes first, such as ``"kind, create_time desc"``.

        Raises
        ------
        InvalidInputError
            The filter or the order cannot be read.
        """
        return [
            Job(self._connection, message, show_progress=self._show_progress)
            for message in self._connection.list_jobs(limit, filter_text, order_by)
        ]

    def _row(self, item: Job) -> tuple[str, ...]:
        message = item._message  # as listed: a table asks once
        return (
            _id(message),
            message.kind,
            _state(message),
            str(_progress(message)),
            _time(message.create_time.ToDatetime()),
            message.state_message,
        )


def _id(message: job_pb2.Job) -> str:
    return message.name.rsplit("/", 1)[-1]


def _state(message: job_pb2.Job) -> str:
    return job_pb2.JobState.Name(message.state).removeprefix("JOB_STATE_")


def _progress(message: job_pb2.Job) -> Progress:
    told = message.progress
    return Progress(told.succeeded, told.tile_count, told.failed, told.reused)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
