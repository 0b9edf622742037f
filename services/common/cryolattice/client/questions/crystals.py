"""Questions of crystals: their orderings, structures and what they would look like."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from cryolattice.client.datasets import Dataset
from cryolattice.client.jobs import Job
from cryolattice.client.questions.asking import Asking, Clusters, FilePath, as_path
from cryolattice.client.results.orderings import Orderings
from cryolattice.client.results.simulation import Simulation
from cryolattice.client.results.views import Views
from cryolattice.local_files import require_folder
from cryolattice.workflows.models import (
    ModelOptions,
    build_models,
    models_question,
    save_models,
)
from cryolattice.workflows.orderings import (
    EnumerateOptions,
    SupercellSize,
    enumerate_orderings,
    orderings_request,
)
from cryolattice.workflows.simulate import simulate, sweep_question
from cryolattice.workflows.simulate_options import SimulateOptions
from cryolattice.workflows.steps import AUTO_CLUSTERS
from cryolattice.workflows.transforms import Steps
from cryolattice.workflows.view_lists import compare_views


class CrystalQuestions(Asking):
    """Questions of crystals."""

    def enumerate(
        self,
        parent: FilePath,
        supercell: SupercellSize | None = None,
        *,
        up_to_index: int | None = None,
        limit: int | None = None,
        sample: int | None = None,
        seed: int = 0,
        out: FilePath | None = None,
        cif_symmetry: Literal["p1", "found"] = "p1",
    ) -> Orderings:
        """List every symmetry-inequivalent ordering of the partially occupied sites.

        Parameters
        ----------
        parent : path
            CIF of the parent crystal.
        supercell : (int, int, int), or three rows of three ints, optional
            Parent cells along a, b and c, or the supercell's axes in units of the parent's.
        up_to_index : int, optional
            Instead: every inequivalent supercell of up to so many primitive cells, each with the
            orderings that no smaller one holds.
        limit : int, optional
            Refuse more classes than this; 100,000 unless given.
        sample : int, optional
            Draw so many classes at random instead, all equally likely.
        seed : int
            Of the sample.
        out : path, optional
            A new folder for one CIF each, ``orderings.json``, and a contact sheet of all.
        cif_symmetry : "p1" or "found"
            CIFs list every atom, or the asymmetric unit in the space group that is found.

        Returns
        -------
        Orderings

        Raises
        ------
        CryolatticeError
            What is wrong with the crystal or the options.
        """
        options = EnumerateOptions(
            supercell=supercell,
            up_to_index=up_to_index,
            limit=limit,
            sample=sample,
            seed=seed,
            cif_symmetry=cif_symmetry,
        )
        with self._waiting() as (connection, follow):
            document = enumerate_orderings(
                connection,
                Path(parent),
                options,
                out=as_path(out),
                on_progress=follow.counter("orderings"),
                on_page=follow.counter("contact sheet") if out is not None else None,
            )
        return Orderings.from_document(document)

    def views(
        self,
        parent: FilePath,
        supercell: SupercellSize,
        zone_axes: str = "c",
        *,
        k_max_per_angstrom: float = 0.0,
    ) -> Views:
        """List what the orderings look like along the beam, and which of them look alike.

        Parameters
        ----------
        parent : path
            CIF of the parent crystal.
        supercell : (int, int, int), or three rows of three ints
            Parent cells along a, b and c, or the supercell's axes in units of the parent's.
        zone_axes : str
            ``"c"``, with the axes that the supercell's symmetry makes equal to it; ``"all"`` axes
            of the supercell; ``"low-index"`` for every direction with indices of at most 1 that has
            a lattice plane across it; or directions such as ``"1 1 0"`` or ``"1,1,0; 1,1,1"``, each
            with those equal to it.
        k_max_per_angstrom : float
            Add kinematic structure factors up to this spatial frequency; 0 for none.

        Returns
        -------
        Views

        Raises
        ------
        CryolatticeError
            What is wrong with the crystal, the supercell or the directions.
        """
        with self._waiting() as (connection, follow):
            document = compare_views(
                connection,
                Path(parent),
                supercell,
                along=zone_axes,
                k_max_per_angstrom=k_max_per_angstrom,
                on_progress=follow.counter("views"),
            )
        return Views.from_document(document)

    def count_orderings(
        self,
        parent: FilePath,
        supercell: SupercellSize | None = None,
        *,
        up_to_index: int | None = None,
    ) -> dict[str, Any]:
        """Count orderings and their classes exactly, without listing them.

        Parameters
        ----------
        parent, supercell, up_to_index
            As for `enumerate`.

        Returns
        -------
        dict
            ``total``, ``classes``; with `up_to_index` also ``superlattices``
            [{index, axes, total, classes}], orderings that repeat in a smaller one included.

        Raises
        ------
        CryolatticeError
            What is wrong with the crystal or the supercell.
        """
        options = EnumerateOptions(supercell=supercell, up_to_index=up_to_index, count_only=True)
        with self._waiting() as (connection, _):
            return enumerate_orderings(connection, Path(parent), options)

    def submit_enumeration(self, parent: FilePath, supercell: SupercellSize) -> Job:
        """Start to write every inequivalent ordering into a dataset, and return the job.

        For as many as 100 million classes: the job goes on where it was when it is interrupted
        and resumed. Its dataset, of kind ``orderings``, holds arrays rather than a list.

        Parameters
        ----------
        parent, supercell
            As for `enumerate`.

        Returns
        -------
        Job

        Raises
        ------
        CryolatticeError
            What is wrong with the crystal or the supercell.
        """
        request = orderings_request(Path(parent), supercell)
        return self.submit(self.connection.modeler.CreateOrderingsJob, request)

    def models(
        self,
        parent: FilePath,
        supercell: SupercellSize | None = None,
        *,
        orderings: Sequence[str] = (),
        zone_axes: str = "c",
        clusters: Clusters = AUTO_CLUSTERS,
        transforms: FilePath | Steps = (),
        hydrogens: Literal["mean", "random", "none"] | None = None,
        seed: int = 0,
        as_given: bool = False,
        pbcm_rivals: bool = False,
        out: FilePath | None = None,
        file_format: Literal["cif", "cif-found", "poscar", "extxyz"] = "cif",
    ) -> Dataset:
        """Build the structures of orderings; `Dataset.atoms` gives them to ASE.

        Parameters
        ----------
        parent : path
            CIF of the parent crystal.
        supercell : (int, int, int), or three rows of three ints
            Parent cells along a, b and c, or the supercell's axes in units of the parent's.
        orderings : sequence of str
            Only these ids; without them all, and the disordered crystal.
        zone_axes : str
            Along what the beam goes, as in `views`.
        clusters : "auto", or dict of str to str
            Cluster ion by site label, such as ``{"N1": "NH2"}``; ``{}`` places none.
        transforms : path, or sequence of dict
            What is done to each model, step after step, such as ``{"strain": {"xx": 0.01}}``; or a
            YAML file with these ``steps``.
        hydrogens : "mean", "random" or "none", optional
            Of cluster ions: their mean over all orientations unless given.
        seed : int
            Of the random orientations.
        as_given : bool
            The crystal as its file gives it, instead of its orderings.
        pbcm_rivals : bool
            Instead of a supercell: the orthorhombic rivals of a cubic parent.
        out : path, optional
            Folder for a file of each model and a picture of all.
        file_format : "cif", "cif-found", "poscar" or "extxyz"
            Of the files.

        Returns
        -------
        Dataset
            Of kind ``models``.

        Raises
        ------
        CryolatticeError
            What is wrong with the crystal or the options.
        """
        require_folder(as_path(out))
        with self._waiting() as (connection, follow):
            question = models_question(
                connection,
                Path(parent),
                supercell,
                zone_axes=zone_axes,
                clusters=clusters,
                orderings=orderings,
                options=ModelOptions(
                    hydrogens=hydrogens,
                    seed=seed,
                    transforms=Path(transforms)
                    if isinstance(transforms, str | PathLike)
                    else transforms,
                    as_given=as_given,
                    pbcm_rivals=pbcm_rivals,
                ),
            )
            ref = build_models(connection, question.spec, follow)
            if out is not None:
                save_models(connection, ref, Path(out), file_format)
        return self._at(ref)

    def simulate(
        self,
        structure: FilePath,
        *,
        out: FilePath | None = None,
        file_format: Literal["mrc", "tiff", "zarr"] | None = None,
        **options: Any,
    ) -> Simulation:
        """Simulate a structure by multislice: images and diffraction patterns over thickness.

        Parameters
        ----------
        structure : path
            CIF, POSCAR, XYZ, PDB, or another text file that ASE reads.
        out : path, optional
            Folder for the report with its figures.
        file_format : "mrc", "tiff" or "zarr", optional
            Also write images and diffraction patterns there.
        **options
            The attributes of `cryolattice.workflows.simulate_options.SimulateOptions`, such as
            ``zone_axis=(1, 1, 0)``, ``thicknesses_angstrom=[50, 100]``, ``defocus_angstrom``,
            ``dose_e_per_angstrom2`` and ``seed``.

        Returns
        -------
        Simulation

        Raises
        ------
        CryolatticeError
            What is wrong with the file or the options.
        """
        asked = SimulateOptions(**options)
        with self._waiting() as (connection, follow):
            answer = simulate(
                connection,
                Path(structure),
                asked,
                out=as_path(out),
                file_format=file_format,
                follow=follow,
            )
        return Simulation(
            document=answer.document,
            beams=self._at(answer.report.beams),
            images=self._at(answer.report.images),
            models=self._at(answer.report.models),
            warnings=tuple(answer.document["warnings"]),
            make_report=self._report_of(answer),
        )

    def submit_simulation(self, structure: FilePath, **options: Any) -> Job:
        """Start the sweep of `simulate`, and return its job; arguments as there, without files.

        Its dataset holds the beams.
        """
        asked = SimulateOptions(**options)
        with self._waiting() as (connection, follow):
            question = sweep_question(connection, Path(structure), asked, follow)
        return self.submit(self.connection.simulator.CreateSweepJob, question.request)
