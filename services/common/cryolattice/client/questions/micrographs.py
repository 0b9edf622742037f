"""Questions of micrographs: their ordering, lens, lattice and averaged cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from cryolattice.client.questions.asking import Asking, Clusters, FilePath, as_path
from cryolattice.client.results.identification import Identification
from cryolattice.client.results.imaging import AveragedCell, Ctf, Lattices
from cryolattice.client.submitted import Submitted
from cryolattice.workflows.average import AverageOptions, average_cell
from cryolattice.workflows.cascade import Cascade
from cryolattice.workflows.ctf import CtfOptions, measure_ctf
from cryolattice.workflows.identify import (
    B_LEVELS_ANGSTROM2,
    GREATEST_THICKNESS_ANGSTROM,
    IdentifyOptions,
    identify,
)
from cryolattice.workflows.images import ImageOptions
from cryolattice.workflows.lattice import LatticeOptions, find_lattice
from cryolattice.workflows.steps import AUTO_CLUSTERS


class MicrographQuestions(Asking):
    """Questions of micrographs."""

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
        cascade: Cascade = "auto",
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
        cascade : "auto", "on" or "off"
            Screen all candidates, refine the best tenth, confirm the best few with abTEM; by
            default where there are 200 or more.
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
            cascade=cascade,
        )
        with self._waiting() as (connection, follow):
            answer = identify(
                connection,
                Path(micrograph),
                Path(parent),
                supercell,
                options,
                out=as_path(out),
                follow=follow,
            )
        return Identification.from_document(
            answer.document,
            dataset=self._dataset_of(answer),
            models=self._at(answer.report.models),
            make_report=self._report_of(answer),
        )

    def ctf(
        self,
        image: FilePath,
        *,
        pixel_size_angstrom: float | None = None,
        energy_kev: float | None = None,
        cs_mm: float | None = None,
        signal: str | None = None,
        power_spectrum: bool = False,
        parent: FilePath | None = None,
        amplitude_contrast: float | None = None,
        defocus_range_angstrom: tuple[float, float] | None = None,
        resolution_angstrom: tuple[float, float] | None = None,
        out: FilePath | None = None,
    ) -> Ctf:
        """Fit defocus and astigmatism to the rings of a micrograph's amorphous film.

        Parameters
        ----------
        image : path
            Micrograph, or power spectrum.
        pixel_size_angstrom, energy_kev, cs_mm : float, optional
            Instead of what the file says.
        signal : str, optional
            Which image of a file with several: its title, or its number from 1.
        power_spectrum : bool
            The file holds a power spectrum, zero frequency in the middle; the pixel size is that
            of the image it was made from.
        parent : path, optional
            CIF of the crystal in the micrograph, to tell it from the film.
        amplitude_contrast : float, optional
            0 to 1; 0.07 unless given.
        defocus_range_angstrom : (float, float), optional
            300 to 30000 unless given.
        resolution_angstrom : (float, float), optional
            Largest and smallest spacing of the rings that are fitted; chosen from the rings
            unless given.
        out : path, optional
            Folder for the report and its figures.

        Returns
        -------
        Ctf

        Raises
        ------
        CryolatticeError
            What is wrong with the file or the options.
        """
        options = CtfOptions(
            image=ImageOptions(pixel_size_angstrom, energy_kev, cs_mm, signal),
            power_spectrum=power_spectrum,
            parent=as_path(parent),
            amplitude_contrast=amplitude_contrast,
            defocus_range_angstrom=defocus_range_angstrom,
            resolution_angstrom=resolution_angstrom,
        )
        with self._waiting() as (connection, follow):
            answer = measure_ctf(connection, Path(image), options, out=as_path(out), follow=follow)
        return Ctf.from_document(
            answer.document,
            dataset=self._dataset_of(answer),
            make_report=self._report_of(answer),
        )

    def lattice(
        self,
        micrograph: FilePath,
        *,
        parent: FilePath | None = None,
        zone_axes: Literal["c", "all"] = "c",
        supercell: tuple[int, int] | None = None,
        pixel_size_angstrom: float | None = None,
        signal: str | None = None,
        out: FilePath | None = None,
    ) -> Lattices:
        """Find the lattice and superlattice of a micrograph.

        Parameters
        ----------
        micrograph : path
        parent : path, optional
            CIF of the parent crystal; without it any lattice is looked for.
        zone_axes : "c" or "all"
            Views of the parent along c, or along each of its axes.
        supercell : (int, int), optional
            Greatest repeat of the cell to look for along a and b; 2 and 2 unless given.
        pixel_size_angstrom : float, optional
            Instead of what the file says.
        signal : str, optional
            Which image of a file with several: its title, or its number from 1.
        out : path, optional
            Folder for the report and its figures.

        Returns
        -------
        Lattices

        Raises
        ------
        CryolatticeError
            What is wrong with the files or the options.
        """
        image = ImageOptions(pixel_size_angstrom=pixel_size_angstrom, signal=signal)
        options = LatticeOptions(image, as_path(parent), zone_axes, supercell)
        with self._waiting() as (connection, follow):
            answer = find_lattice(
                connection, Path(micrograph), options, out=as_path(out), follow=follow
            )
        return Lattices.from_document(
            answer.document,
            dataset=self._dataset_of(answer),
            make_report=self._report_of(answer),
        )

    def average(
        self,
        micrograph: FilePath,
        *,
        parent: FilePath | None = None,
        zone_axes: Literal["c", "all"] = "c",
        supercell: tuple[int, int] | None = None,
        g_max_per_angstrom: float | None = None,
        pixel_size_angstrom: float | None = None,
        signal: str | None = None,
        out: FilePath | None = None,
    ) -> AveragedCell:
        """Average the unit cells of a micrograph.

        Parameters
        ----------
        micrograph : path
        parent : path, optional
            CIF of the parent crystal; without it any lattice is looked for.
        zone_axes : "c" or "all"
            Views of the parent along c, or along each of its axes.
        supercell : (int, int), optional
            Cell to average, in parent cells; the repeat that is seen unless given.
        g_max_per_angstrom : float, optional
            Greatest spatial frequency, 1/angstrom; 0.7, or what the pixels carry.
        pixel_size_angstrom : float, optional
            Instead of what the file says.
        signal : str, optional
            Which image of a file with several: its title, or its number from 1.
        out : path, optional
            Folder for the report and its figures.

        Returns
        -------
        AveragedCell

        Raises
        ------
        CryolatticeError
            What is wrong with the files or the options.
        """
        image = ImageOptions(pixel_size_angstrom=pixel_size_angstrom, signal=signal)
        lattice = LatticeOptions(image, as_path(parent), zone_axes, supercell)
        options = AverageOptions(lattice, g_max_per_angstrom)
        with self._waiting() as (connection, follow):
            answer = average_cell(
                connection, Path(micrograph), options, out=as_path(out), follow=follow
            )
        return AveragedCell.from_document(
            answer.document,
            dataset=self._dataset_of(answer),
            make_report=self._report_of(answer),
        )

    def submit_identification(
        self,
        micrograph: FilePath,
        parent: FilePath,
        supercell: tuple[int, int, int],
        **options: Any,
    ) -> Submitted[Identification]:
        """Start what `identify` does, and return at once; arguments as there.

        Everything is checked and the micrograph taken up first. So it is with `submit_ctf`,
        `submit_lattice` and `submit_average`.
        """
        return self._submitted(lambda lab: lab.identify(micrograph, parent, supercell, **options))

    def submit_ctf(self, image: FilePath, **options: Any) -> Submitted[Ctf]:
        """Start what `ctf` does, and return at once; arguments as there."""
        return self._submitted(lambda lab: lab.ctf(image, **options))

    def submit_lattice(self, micrograph: FilePath, **options: Any) -> Submitted[Lattices]:
        """Start what `lattice` does, and return at once; arguments as there."""
        return self._submitted(lambda lab: lab.lattice(micrograph, **options))

    def submit_average(self, micrograph: FilePath, **options: Any) -> Submitted[AveragedCell]:
        """Start what `average` does, and return at once; arguments as there."""
        return self._submitted(lambda lab: lab.average(micrograph, **options))
