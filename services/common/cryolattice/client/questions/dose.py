"""Questions of diffraction series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryolattice.client.jobs import Job
from cryolattice.client.questions.asking import Asking, FilePath, as_path
from cryolattice.client.results.doses import CriticalDoses
from cryolattice.workflows.dose import DoseOptions, dose_request, measure_dose


class DoseQuestions(Asking):
    """Questions of diffraction series."""

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
            compare=as_path(compare),
            compare_dose_per_frame_e_per_angstrom2=compare_dose_per_frame_e_per_angstrom2,
        )
        with self._waiting() as (connection, follow):
            answer = measure_dose(
                connection, Path(series), options, out=as_path(out), follow=follow
            )
        return CriticalDoses.from_document(
            answer.document,
            dataset=self._at(answer.report.dose),
            make_report=self._report_of(answer),
        )

    def submit_dose(
        self, series: FilePath, dose_per_frame_e_per_angstrom2: float, **options: Any
    ) -> Job:
        """Start what `dose` does, and return its job; arguments as there, without `out`."""
        options["compare"] = as_path(options.get("compare"))
        asked = DoseOptions(dose_per_frame_e_per_angstrom2, **options)
        request = dose_request(self.connection, Path(series), asked)
        return self.submit(self.connection.analyzer.CreateDoseJob, request)
