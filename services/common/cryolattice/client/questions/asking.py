"""What every question needs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cryolattice.client.connection import Connection
from cryolattice.client.datasets import Dataset
from cryolattice.client.jobs import Job
from cryolattice.client.progress import Follower, choose_follower
from cryolattice.client.submitted import Steps, Submitted
from cryolattice.workflows.steps import Answer, make_report

if TYPE_CHECKING:
    from cryolattice_api.common.v1.dataset_pb2 import DatasetRef

FilePath = Path | str
Clusters = str | dict[str, str]


class Asking:
    """A connection to ask through.

    Parameters
    ----------
    connection : Connection
        The protocol below: the services' stubs, messages in and messages out.
    show_progress : bool
        Whether calls that wait show how far they are.
    """

    def __init__(self, connection: Connection, *, show_progress: bool = True) -> None:
        self.connection = connection
        self.show_progress = show_progress
        # through which a question is asked that is not waited for
        self.steps: Steps | None = None

    def submit(self, create: Callable[..., Any], request: Any) -> Job:
        """Create a job of any kind and return it at once.

        Parameters
        ----------
        create : callable
            A ``Create...Job`` method of ``connection.modeler``, ``.simulator`` or ``.analyzer``.
        request : Message
            Its request; project and request id are filled in.

        Raises
        ------
        CryolatticeError
            What is wrong with the request.
        """
        message = self.connection.submit_job(create, request)
        return Job(self.connection, message, show_progress=self.show_progress)

    def _submitted[Answer](self, ask: Callable[[Self], Answer]) -> Submitted[Answer]:
        submitted = Submitted(copy.copy(self), ask)
        submitted.advance()
        return submitted

    @contextmanager
    def _waiting(self) -> Iterator[tuple[Connection, Follower]]:
        connection = self.steps or self.connection.scoped()
        with choose_follower(quiet=self.steps is not None or not self.show_progress) as follow:
            try:
                yield connection, follow
            except KeyboardInterrupt:
                connection.cancel_active()
                raise

    def _at(self, ref: DatasetRef) -> Dataset:
        return Dataset(self.connection, ref.name)

    def _dataset_of(self, answer: Answer) -> Dataset | None:
        name = answer.document["dataset"]
        return Dataset(self.connection, name) if name else None

    def _report_of(self, answer: Answer) -> Callable[[], Dataset]:
        def draw() -> Dataset:
            with self._waiting() as (connection, follow):
                return self._at(make_report(connection, answer.report, follow))

        return draw


def as_path(path: FilePath | None) -> Path | None:
    """Return the path of a file that may be left out."""
    return None if path is None else Path(path)
