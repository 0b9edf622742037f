"""What the figures after a paper show, gathered from the datasets and brought into one setting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.dose.critical_dose import DoseResult
from cryolattice_analyzer.figures.pattern_figures import MeasuredSeries
from cryolattice_analyzer.figures.simulated_crystal import SimulatedCrystal
from cryolattice_analyzer.figures.simulation_figures import image_of
from cryolattice_analyzer.imaging.average import AveragedCell, cell_image
from cryolattice_analyzer.imaging.registration import Placement, in_model_setting, place_model
from cryolattice_analyzer.jobs.dose import load_dose
from cryolattice_analyzer.jobs.simulated import load_crystal, load_measured
from cryolattice_analyzer.jobs.stored import (
    StoredLattice,
    StoredMicrograph,
    load_average,
    load_lattice,
    load_micrograph,
)
from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.ranking.candidate_beams import lattice_operations

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader


@dataclass(frozen=True)
class CellPair:
    """The averaged cell and the best model's image of it, rows along b, columns along a.

    Attributes
    ----------
    average, model : ndarray, shape (m, m)
        Over the mean.
    """

    average: NDArray[np.float64]
    model: NDArray[np.float64]


@dataclass(frozen=True)
class PaperEvidence:
    """Everything the figures show.

    Attributes
    ----------
    image : StoredMicrograph
    lattice : StoredLattice
    average : AveragedCell
    ranking : dict
        As in ``ranking.json``.
    lens : Lens
        As refined in the ranking.
    thickness_angstrom : float
        Of the best model.
    pristine, ordered : SimulatedCrystal
        The parent with its mean occupancies, and the best ordering, in one supercell.
    potentials : (ndarray, ndarray)
        Projected, V angstrom, of `pristine` and `ordered`; rows along b.
    cells : CellPair
        In the setting of `ordered`.
    doses : list of DoseResult
    series : list of MeasuredSeries
    """

    image: StoredMicrograph
    lattice: StoredLattice
    average: AveragedCell
    ranking: dict[str, Any]
    lens: Lens
    thickness_angstrom: float
    pristine: SimulatedCrystal
    ordered: SimulatedCrystal
    potentials: tuple[NDArray[np.float64], NDArray[np.float64]]
    cells: CellPair
    doses: list[DoseResult]
    series: list[MeasuredSeries]

    @property
    def direct(self) -> NDArray[np.float64]:
        """Rows a and b of the simulated cell in (x, y), angstrom."""
        return np.diag(self.ordered.lengths_angstrom)


def gather(
    readers: dict[str, DatasetReader], series: list[tuple[DatasetReader, str]]
) -> PaperEvidence:
    """Read the datasets.

    Parameters
    ----------
    readers : dict of str to DatasetReader
        By kind: micrograph, lattice, average, models, beams, ranking, dose, potential.
    series : list of (DatasetReader, str)
        The diffraction series of the dose analysis and their labels.

    Raises
    ------
    InvalidInputError
        The micrograph shows no ordering, or datasets do not belong together.
    """
    image = load_micrograph(readers["micrograph"])
    lattice = load_lattice(readers["lattice"])
    ranking = readers["ranking"].json("ranking.json")
    best = ranking["best"]
    if lattice is None or best["ordering_id"] == "disordered":
        raise InvalidInputError(
            "the micrograph shows no ordering: the paper's figures need one that does",
            field="ranking",
        )
    records = readers["models"].json("models.json")
    rows = {(r["ordering_id"], tuple(r["zone_axis"])): i for i, r in enumerate(records)}
    axis = tuple(best["zone_axis"])
    row = rows[best["ordering_id"], axis]
    if ("disordered", axis) not in rows:
        raise InvalidInputError("the models lack the disordered parent", field="models")
    pristine, ordered = (
        load_crystal(readers["models"], readers["beams"], i, best["b_angstrom2"])
        for i in (rows["disordered", axis], row)
    )
    average = load_average(readers["average"])
    if average.supercell != ordered.repeats:
        raise InvalidInputError(
            f"the averaged cell holds {average.supercell} parent cells, the best ordering "
            f"{ordered.repeats}: average the ordering's own cell",
            field="average",
        )
    ctf = ranking["ctf"]
    half = ctf["astigmatism_angstrom"] / 2
    mean = ctf["defocus_angstrom"]
    lens = Lens.from_uv(mean + half, mean - half, ctf["astigmatism_angle_deg"])
    operations = lattice_operations(**records[row]["plane_cell"])
    plane = ordered.plane(best["thickness_angstrom"])
    placement = place_model(
        np.stack([average.h, average.k], axis=1),
        average.coefficients,
        image_of(ordered, plane, Lens(mean), image.cs_mm),
        operations,
    )
    model = _coefficients(readers["ranking"].array("best_image"), average)
    results = load_dose(readers["dose"])
    return PaperEvidence(
        image=image,
        lattice=lattice,
        average=average,
        ranking=ranking,
        lens=lens,
        thickness_angstrom=float(ordered.thicknesses_angstrom[plane]),
        pristine=pristine,
        ordered=ordered,
        potentials=_potentials(readers["potential"], pristine, ordered),
        cells=_in_setting([average.coefficients, model], average, placement),
        doses=[
            replace(result, name=label) for result, (_, label) in zip(results, series, strict=True)
        ],
        series=[
            load_measured(reader, result, label)
            for result, (reader, label) in zip(results, series, strict=True)
        ],
    )


def _coefficients(image: NDArray[np.float64], average: AveragedCell) -> NDArray[np.complex128]:
    """Coefficients of an image of one cell at the orders of an average."""
    spectrum = scipy.fft.fft2(image, norm="forward")
    rows, columns = image.shape
    return np.asarray(spectrum[average.k % rows, average.h % columns] / spectrum[0, 0].real)


def _in_setting(
    pair: list[NDArray[np.complex128]], average: AveragedCell, placement: Placement
) -> CellPair:
    hk = np.stack([average.h, average.k], axis=1)
    first, second = (
        cell_image(*in_model_setting(hk, values, placement), len(average.image)) for values in pair
    )
    return CellPair(first, second)


def _potentials(
    reader: DatasetReader, *crystals: SimulatedCrystal
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    names = reader.json("potential.json")["model_ids"]
    missing = [crystal.name for crystal in crystals if crystal.name not in names]
    if missing:
        raise InvalidInputError(
            f"the potential of model {missing[0]} is not among {', '.join(names)}",
            field="paper.potential",
        )
    values = reader.array("potential").astype(np.float64)
    first, second = (values[names.index(crystal.name)] for crystal in crystals)
    return first, second
