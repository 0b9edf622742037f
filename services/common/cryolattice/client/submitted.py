"""Questions whose answer takes several jobs, asked without waiting.

A question is asked again from its beginning whenever it is to go on: what was answered is there,
and the first job that is not ends the round. Nothing but the store need remember where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, override

from cryolattice.client.connection import Connection
from cryolattice.client.jobs import Job
from cryolattice.errors import JobNotActiveError
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.common.v1.dataset_service_pb2 import UploadHeader

if TYPE_CHECKING:
    from cryolattice.client.questions.asking import Asking


class _NotAnsweredError(Exception):
    def __init__(self, job: Job) -> None:
        self.job = job


class Steps(Connection):
    """A connection that begins jobs and waits for none.

    Parameters
    ----------
    connection : Connection
        Whose server is asked.
    show_progress : bool
        Whether the jobs show how far they are when they are waited for.
    """

    def __init__(self, connection: Connection, *, show_progress: bool) -> None:
        self.__dict__.update(vars(connection.scoped()))
        self._connection = connection
        self._show_progress = show_progress
        self._begun: dict[tuple[str, bytes], Job] = {}
        self._uploaded: dict[tuple[Path, bytes], DatasetRef] = {}

    @property
    def jobs(self) -> list[Job]:
        """Those that were begun, in order."""
        return list(self._begun.values())

    @override
    def run_job(
        self, create: Callable[..., Any], request: Any, on_job: object = None
    ) -> DatasetRef:
        """Return what a job made; begin it where it was not."""
        spec = request.spec.SerializeToString(deterministic=True)
        question = (type(request).__name__, spec)
        if question not in self._begun:
            message = self.submit_job(create, request)
            self._begun[question] = Job(
                self._connection, message, show_progress=self._show_progress
            )
        job = self._begun[question]
        if not job.ended:
            raise _NotAnsweredError(job)
        if job.error is not None:
            raise job.error
        return job.message.output

    @override
    def upload(self, path: Path, header: UploadHeader) -> DatasetRef:
        """Take a file up, once."""
        asked = (path, header.SerializeToString(deterministic=True))
        if asked not in self._uploaded:
            self._uploaded[asked] = super().upload(path, header)
        return self._uploaded[asked]


class Submitted[Answer]:
    """A question that takes several jobs. Each is begun as soon as somebody looks.

    The jobs run on the server, whatever becomes of this process. The next one is begun by `advance`
    or `wait`, here or by whoever asks the same again: what was answered until then costs nothing.

    Parameters
    ----------
    asker : Asking
        A lab of its own, through which `ask` asks.
    ask : callable
        Asks it.
    """

    def __init__[Asker: Asking](self, asker: Asker, ask: Callable[[Asker], Answer]) -> None:
        self._asker = asker
        self._ask: Callable[[Any], Answer] = ask
        self._steps = Steps(asker.connection, show_progress=asker.show_progress)
        self._answers: list[Answer] = []
        self._next: Job | None = None

    @property
    def jobs(self) -> list[Job]:
        """The jobs begun from here so far, in order."""
        return self._steps.jobs

    def advance(self) -> bool:
        """Begin the jobs that can be begun by now, and return whether the answer is there.

        Raises
        ------
        CryolatticeError
            What is wrong with the question, or why a job failed. Once that job is resumed it can go
            on.
        """
        return self._missing() is None

    def wait(self, timeout_seconds: float | None = None) -> Answer:
        """Wait for the answer. An interrupt (KeyboardInterrupt) cancels the jobs.

        Parameters
        ----------
        timeout_seconds : float, optional
            Wait no longer than this.

        Raises
        ------
        CryolatticeError
            As in `advance`.
        JobCancelledError
            A job was cancelled.
        TimeoutError
            It is not answered in time. Its jobs go on.
        """
        begun = time.monotonic()
        try:
            while (job := self._missing()) is not None:
                left = None
                if timeout_seconds is not None:
                    left = max(timeout_seconds - (time.monotonic() - begun), 0.0)
                try:
                    job.wait(left)
                except TimeoutError:
                    raise TimeoutError(
                        f"not answered in {timeout_seconds:g} s; {job.name} goes on"
                    ) from None
        except KeyboardInterrupt:
            self.cancel()
            raise
        return self._answers[0]

    def cancel(self) -> None:
        """Ask the jobs that have not ended to stop. What they have finished is kept."""
        for job in self.jobs:
            with suppress(JobNotActiveError):
                job.cancel()

    def _missing(self) -> Job | None:
        """Go as far as the answers reach; return the job whose answer comes next."""
        if self._answers:
            return None
        if self._next is not None and not self._next.ended:
            return self._next
        self._asker.steps = self._steps
        try:
            self._answers.append(self._ask(self._asker))
        except _NotAnsweredError as missing:
            self._next = missing.job
            return self._next
        finally:
            # whatever the answer is asked for later may wait
            self._asker.steps = None
        return None

    def __repr__(self) -> str:
        state = "answered" if self._answers else ", ".join(map(repr, self.jobs))
        return f"<Submitted: {state}>"
