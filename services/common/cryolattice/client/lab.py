"""`Lab`: what a scientist asks, in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from cryolattice.client.connection import Connection
from cryolattice.client.datasets import Dataset, Datasets
from cryolattice.client.jobs import Job, Jobs
from cryolattice.client.progress import Follower, choose_follower
from cryolattice.client.results.doses import CriticalDoses
from cryolattice.client.results.identification import Identification
from cryolattice.client.results.orderings import Orderings
from cryolattice.client.results.reproduction import Reproduction
from cryolattice.client.results.simulation import Simulation
from cryolattice.settings import Settings
from cryolattice.workflows.dose import DoseOptions, dose_request, measure_dose
from cryolattice.workflows.identify import (
    B_LEVELS_ANGSTROM2,
    GREATEST_THICKNESS_ANGSTROM,
    IdentifyOptions,
    identify,
)
from cryolattice.workflows.models import build_models, models_question
from cryolattice.workflows.orderings import enumerate_orderings
from cryolattice.workflows.reproduce import reproduce
from cryolattice.workflows.simulate import SimulateOptions, simulate, sweep_request
from cryolattice.workflows.steps import AUTO_CLUSTERS, Answer, make_report

if TYPE_CHECKING:
    from cryolattice_api.common.v1.dataset_pb2 import DatasetRef

FilePath = Path | str
Clusters = str | dict[str, str]


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


class Lab:
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

    def __init__(self, connection: Connection, *, show_progress: bool = True) -> None:
        self.connection = connection
        self.show_progress = show_progress

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

    # questions

    def identify(
        self,
        micrograph: FilePath,
        parent: FilePath,
        supercell: tuple[int, int, int],
        *,
        dose_e_per_angstrom2: float | None = None,
        pixel_size_angstrom: float | None = None,
        energy_kev: float | None = None,
        cs_mm: float | None = None,
        signal: str | None = None,
        zone_axes: Literal["c", "all"] = "c",
        greatest_thickness_angstrom: float = GREATEST_THICKNESS_ANGSTROM,
        thickness_step_angstrom: float | None = None,
        clusters: Clusters = AUTO_CLUSTERS,
        b_levels_angstrom2: tuple[float, ...] = B_LEVELS_ANGSTROM2,
        out: FilePath | None = None,
    ) -> Identification:
        """Say which ordering of the parent crystal a micrograph shows, and how sure that is.

        Parameters
        ----------
        micrograph : path
            Image or movie: MRC, DM3, DM4, EMD, TIFF, HDF5, or SER with its EMI beside it.
        parent : path
            CIF of the parent crystal.
        supercell : (int, int, int)
            Parent cells along a, b and c.
        dose_e_per_angstrom2 : float, optional
            Of this image. Without it no damage is expected.
        pixel_size_angstrom, energy_kev, cs_mm : float, optional
            Instead of what the file says.
        signal : str, optional
            Which image of a file with several: its title, or its number from 1.
        zone_axes : "c" or "all"
            Views along c, or along every axis of the supercell.
        greatest_thickness_angstrom : float
            Thicknesses up to this are tried.
        thickness_step_angstrom : float, optional
            One period along the beam unless given.
        clusters : "auto", or dict of str to str
            Cluster ion by site label, such as ``{"N1": "NH2"}``; ``{}`` places none.
        b_levels_angstrom2 : tuple of float
            Debye-Waller factors of all atoms that are tried, angstrom^2.
        out : path, optional
            Folder for the report and its figures.

        Returns
        -------
        Identification

        Raises
        ------
        CryolatticeError
            What is wrong with the files or the options.
        """
        options = IdentifyOptions(
            pixel_size_angstrom=pixel_size_angstrom,
            dose_e_per_angstrom2=dose_e_per_angstrom2,
            energy_kev=energy_kev,
            cs_mm=cs_mm,
            signal=signal,
            zone_axes=zone_axes,
            greatest_thickness_angstrom=greatest_thickness_angstrom,
            thickness_step_angstrom=thickness_step_angstrom,
            clusters=clusters,
            b_levels_angstrom2=b_levels_angstrom2,
        )
        with self._waiting() as (connection, follow):
            answer = identify(
                connection,
                Path(micrograph),
                Path(parent),
                supercell,
                options,
                out=_path(out),
                follow=follow,
            )
        return Identification.from_document(
            answer.document,
            dataset=self._named(answer.document["dataset"]),
            models=self._at(answer.report.models),
            make_report=self._report_of(answer),
        )

    def dose(
        self,
        series: FilePath,
        dose_per_frame_e_per_angstrom2: float,
        *,
        pixel_size_per_angstrom: float | None = None,
        signal: str | None = None,
        lattice_angstrom: float | None = None,
        compare: FilePath | None = None,
        compare_dose_per_frame_e_per_angstrom2: float | None = None,
        out: FilePath | None = None,
    ) -> CriticalDoses:
        """Measure the critical dose of every spacing of a diffraction series.

        Parameters
        ----------
        series : path
            Stack of diffraction patterns, in any format that `identify` reads.
        dose_per_frame_e_per_angstrom2 : float
            Of each frame.
        pixel_size_per_angstrom : float, optional
            1/angstrom; the file's where absent.
        signal : str, optional
            Which stack of files with several: its title, or its number from 1.
        lattice_angstrom : float, optional
            A spacing that the crystal is known to have.
        compare : path, optional
            A second series, such as at room temperature.
        compare_dose_per_frame_e_per_angstrom2 : float, optional
            Of each frame of `compare`.
        out : path, optional
            Folder for the report and its figures.

        Returns
        -------
        CriticalDoses

        Raises
        ------
        CryolatticeError
            What is wrong with the files or the options.
        """
        options = DoseOptions(
            dose_per_frame_e_per_angstrom2=dose_per_frame_e_per_angstrom2,
            pixel_size_per_angstrom=pixel_size_per_angstrom,
            signal=signal,
            lattice_angstrom=lattice_angstrom,
            compare=_path(compare),
            compare_dose_per_frame_e_per_angstrom2=compare_dose_per_frame_e_per_angstrom2,
        )
        with self._waiting() as (connection, follow):
            answer = measure_dose(connection, Path(series), options, out=_path(out), follow=follow)
        return CriticalDoses.from_document(
            answer.document,
            dataset=self._at(answer.report.dose),
            make_report=self._report_of(answer),
        )

    def enumerate(
        self,
        parent: FilePath,
        supercell: tuple[int, int, int],
        *,
        out: FilePath | None = None,
    ) -> Orderings:
        """List every symmetry-inequivalent ordering of the partially occupied sites.

        Parameters
        ----------
        parent : path
            CIF of the parent crystal.
        supercell : (int, int, int)
            Parent cells along a, b and c.
        out : path, optional
            A new folder for one CIF each and ``orderings.json``.

        Returns
        -------
        Orderings

        Raises
        ------
        CryolatticeError
            What is wrong with the crystal or the supercell.
        """
        with self._waiting() as (connection, follow):
            document = enumerate_orderings(
                connection,
                Path(parent),
                supercell,
                out=_path(out),
                on_progress=follow.counter("orderings"),
            )
        return Orderings.from_document(document)

    def models(
        self,
        parent: FilePath,
        supercell: tuple[int, int, int],
        *,
        orderings: Sequence[str] = (),
        zone_axes: Literal["c", "all"] = "c",
        clusters: Clusters = AUTO_CLUSTERS,
    ) -> Dataset:
        """Build the structures of orderings; `Dataset.atoms` gives them to ASE.

        Parameters
        ----------
        parent : path
            CIF of the parent crystal.
        supercell : (int, int, int)
            Parent cells along a, b and c.
        orderings : sequence of str
            Only these ids; without them all, and the disordered crystal.
        zone_axes : "c" or "all"
            Views along c, or along every axis of the supercell.
        clusters : "auto", or dict of str to str
            Cluster ion by site label, such as ``{"N1": "NH2"}``; ``{}`` places none.

        Returns
        -------
        Dataset
            Of kind ``models``.

        Raises
        ------
        CryolatticeError
            What is wrong with the crystal or the options.
        """
        with self._waiting() as (connection, follow):
            question = models_question(
                connection,
                Path(parent),
                supercell,
                zone_axes=zone_axes,
                clusters=clusters,
                orderings=orderings,
            )
            ref = build_models(connection, question.spec, follow)
        return self._at(ref)

    def simulate(
        self,
        structure: FilePath,
        *,
        supercell: tuple[int, int, int] = (1, 1, 1),
        ordering: str | None = None,
        greatest_thickness_angstrom: float = GREATEST_THICKNESS_ANGSTROM,
        thickness_step_angstrom: float | None = None,
        energy_kev: float = 300.0,
        cs_mm: float = 2.7,
        defocus_angstrom: float = 0.0,
        clusters: Clusters = AUTO_CLUSTERS,
        out: FilePath | None = None,
    ) -> Simulation:
        """Simulate one crystal along c by multislice, over a series of thicknesses.

        Parameters
        ----------
        structure : path
            CIF.
        supercell : (int, int, int)
            Parent cells along a, b and c.
        ordering : str, optional
            Id of an ordering of the supercell; without it the crystal as its file gives it.
        greatest_thickness_angstrom : float
        thickness_step_angstrom : float, optional
            One period along c unless given.
        energy_kev : float
        cs_mm, defocus_angstrom : float
            Of the images of the report alone; positive defocus is under focus.
        clusters : "auto", or dict of str to str
            Cluster ion by site label; "auto" places none here.
        out : path, optional
            Folder for the images.

        Returns
        -------
        Simulation

        Raises
        ------
        CryolatticeError
            What is wrong with the file or the options.
        """
        options = SimulateOptions(
            supercell=supercell,
            ordering=ordering,
            greatest_thickness_angstrom=greatest_thickness_angstrom,
            thickness_step_angstrom=thickness_step_angstrom,
            energy_kev=energy_kev,
            cs_mm=cs_mm,
            defocus_angstrom=defocus_angstrom,
            clusters=clusters,
        )
        with self._waiting() as (connection, follow):
            answer = simulate(connection, Path(structure), options, out=_path(out), follow=follow)
        return Simulation(
            document=answer.document,
            beams=self._at(answer.report.beams),
            models=self._at(answer.report.models),
            make_report=self._report_of(answer),
        )

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
            answer = reproduce(connection, _path(data), out=_path(out), follow=follow)
        dataset = Dataset(self.connection, answer.document["dataset"])
        return Reproduction.from_document(answer.document, dataset)

    # work that is not waited for

    def submit_dose(
        self, series: FilePath, dose_per_frame_e_per_angstrom2: float, **options: Any
    ) -> Job:
        """Start what `dose` does, and return its job; arguments as there, without `out`."""
        options["compare"] = _path(options.get("compare"))
        asked = DoseOptions(dose_per_frame_e_per_angstrom2, **options)
        request = dose_request(self.connection, Path(series), asked)
        return self.submit(self.connection.analyzer.CreateDoseJob, request)

    def submit_simulation(self, structure: FilePath, **options: Any) -> Job:
        """Start the sweep of `simulate`, and return its job; arguments as there, without `out`.

        Its dataset holds the beams.
        """
        asked = SimulateOptions(**options)
        with self._waiting() as (connection, follow):
            request = sweep_request(connection, Path(structure), asked, follow)
        return self.submit(self.connection.simulator.CreateSweepJob, request)

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

    # what is there

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

    # parts

    @contextmanager
    def _waiting(self) -> Iterator[tuple[Connection, Follower]]:
        connection = self.connection.scoped()
        with choose_follower(quiet=not self.show_progress) as follow:
            try:
                yield connection, follow
            except KeyboardInterrupt:
                connection.cancel_active()
                raise

    def _full(self, name: str, collection: str) -> str:
        return name if "/" in name else f"{self.connection.parent}/{collection}/{name}"

    def _named(self, name: str) -> Dataset | None:
        return Dataset(self.connection, name) if name else None

    def _at(self, ref: DatasetRef) -> Dataset:
        return Dataset(self.connection, ref.name)

    def _report_of(self, answer: Answer) -> Callable[[], Dataset]:
        def draw() -> Dataset:
            with self._waiting() as (connection, follow):
                return self._at(make_report(connection, answer.report, follow))

        return draw


def _path(path: FilePath | None) -> Path | None:
    return None if path is None else Path(path)
