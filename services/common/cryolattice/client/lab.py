"""`Lab`: what a scientist asks, in Python."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from cryolattice.client.connection import Connection
from cryolattice.client.datasets import Dataset, Datasets
from cryolattice.client.jobs import Job, Jobs
from cryolattice.client.questions.asking import FilePath, as_path
from cryolattice.client.questions.crystals import CrystalQuestions
from cryolattice.client.questions.dose import DoseQuestions
from cryolattice.client.questions.micrographs import MicrographQuestions
from cryolattice.client.questions.sweeps import SweepQuestions
from cryolattice.client.results.reproduction import Reproduction
from cryolattice.settings import Settings
from cryolattice.workflows.reproduce import reproduce


def connect(
    server: str | None = None, *, settings: Settings | None = None, show_progress: bool = True
) -> Lab:
    """Return a `Lab`, on a deployment or in this process.

    Parameters
    ----------
    server : str, optional
        ``HOST:PORT`` of a deployment, or
        ``modeler=HOST:PORT,simulator=HOST:PORT,analyzer=HOST:PORT``. Without it
        every installed service runs in this process, with its data under ``CRYOLATTICE_HOME``.
    settings : Settings, optional
        Instead of those of the environment.
    show_progress : bool
        Whether calls that wait show how far they are: bars in a notebook and on a terminal, else
        lines on standard error.

    Raises
    ------
    CryolatticeError
        The embedded server cannot be started.

    Examples
    --------
    >>> import cryolattice
    >>> with cryolattice.connect() as lab:
    ...     lab.jobs
    <Jobs: none>
    """
    return Lab(Connection(server, settings), show_progress=show_progress)


class Lab(MicrographQuestions, DoseQuestions, CrystalQuestions, SweepQuestions):
    """Asks questions of crystals and micrographs. Use it as a context manager, or close it.

    Calls wait for their answer; an interrupt (KeyboardInterrupt) cancels what they waited for.
    Lengths are in angstrom, doses in e/angstrom^2, energies in keV, angles in degrees. Errors are
    those of `cryolattice.errors`. A lab may be used by several threads.

    Parameters
    ----------
    connection : Connection
        As `connect` opens it.
    show_progress : bool
        Whether calls that wait show how far they are.

    Attributes
    ----------
    connection : Connection
        The protocol below: the services' stubs, messages in and messages out.
    show_progress : bool
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; embedded services end with it. May be called again."""
        self.connection.close()

    def __repr__(self) -> str:
        address = self.connection.address
        where = "this process" if address.startswith("unix:") else address
        state = "closed" if self.connection.closed else self.connection.parent
        return f"<Lab in {where}, {state}>"

    def reproduce(
        self, data: FilePath | None = None, *, out: FilePath | None = None
    ) -> Reproduction:
        """Make the figures of the paper on Na2NH2BH4 again, with the numbers under them.

        Parameters
        ----------
        data : path, optional
            Folder with the files of ``examples/na2nh2bh4``; that of the source checkout where
            absent.
        out : path, optional
            Folder for figures, movie, CIFs and report.

        Returns
        -------
        Reproduction

        Raises
        ------
        CryolatticeError
            A file is missing or wrong, or the micrograph shows no ordering.
        """
        with self._waiting() as (connection, follow):
            answer = reproduce(connection, as_path(data), out=as_path(out), follow=follow)
        dataset = Dataset(self.connection, answer.document["dataset"])
        return Reproduction.from_document(answer.document, dataset)

    @property
    def jobs(self) -> Jobs:
        """The jobs of the project, newest first."""
        return Jobs(self.connection, show_progress=self.show_progress)

    def job(self, name: str) -> Job:
        """Return a job by its name or id, whoever submitted it.

        Raises
        ------
        JobNotFoundError
            There is none of this name.
        """
        message = self.connection.get_job(self._full(name, "jobs"))
        return Job(self.connection, message, show_progress=self.show_progress)

    @property
    def datasets(self) -> Datasets:
        """The datasets of the project, newest first."""
        return Datasets(self.connection)

    def dataset(self, name: str) -> Dataset:
        """Return a dataset by its name or id.

        Raises
        ------
        DatasetNotFoundError
            There is none of this name.
        """
        full = self._full(name, "datasets")
        return Dataset(self.connection, full, self.connection.get_dataset(full))

    def _full(self, name: str, collection: str) -> str:
        return name if "/" in name else f"{self.connection.parent}/{collection}/{name}"
