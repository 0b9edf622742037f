"""Everything that is known of one micrograph, gathered from its datasets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.imaging.average import AveragedCell
from cryolattice_analyzer.jobs.stored import (
    StoredLattice,
    StoredMicrograph,
    load_average,
    load_ctf,
    load_lattice,
    load_micrograph,
)
from cryolattice_analyzer.lens.ctf import CtfFit
from cryolattice_analyzer.ranking.homometry import homometric_to
from cryolattice_analyzer.ranking.thickness_range import ThicknessRange, thickness_range
from cryolattice_analyzer.report.projected_cell import Models
from cryolattice_analyzer.report.ranked_fits import RankedFits, read_ranked_fits

if TYPE_CHECKING:
    from cryolattice.jobs.kinds import Inputs
    from cryolattice.store.reader import DatasetReader


@dataclass(frozen=True)
class Ranked:
    """What a ranking rests on and what follows from it.

    Attributes
    ----------
    ranking : dict
        As in the command's JSON.
    models : Models
    average : AveragedCell
    fits : RankedFits
    thickness : ThicknessRange
        Of the best candidate.
    model_image : ndarray, shape (m, m)
        The best model's image of the averaged cell.
    homometric : list of str
        Other candidates whose diffraction pattern is the best one's.
    """

    ranking: dict[str, Any]
    models: Models
    average: AveragedCell
    fits: RankedFits
    thickness: ThicknessRange
    model_image: NDArray[np.float64]
    homometric: list[str]

    @property
    def best(self) -> dict[str, Any]:
        """The first of the ranking."""
        best: dict[str, Any] = self.ranking["best"]
        return best


@dataclass(frozen=True)
class Findings:
    """What the datasets of one identification hold; None is what there was not.

    Attributes
    ----------
    image : StoredMicrograph
    models : Models
    lattice : StoredLattice
    no_lattice : str
        Why no lattice was found; empty otherwise.
    ctf : CtfFit
        Of the film's rings.
    average : AveragedCell
    ranked : Ranked
    """

    image: StoredMicrograph
    models: Models | None
    lattice: StoredLattice | None
    no_lattice: str
    ctf: CtfFit | None
    average: AveragedCell | None
    ranked: Ranked | None


def gather(readers: dict[str, DatasetReader], inputs: Inputs) -> Findings:
    """Read what there is."""
    lattice, no_lattice = None, ""
    if "lattice" in readers:
        lattice = load_lattice(readers["lattice"])
        if lattice is None:
            no_lattice = readers["lattice"].json("lattice.json")["reason"]
    return Findings(
        image=load_micrograph(readers["micrograph"]),
        models=Models(readers["models"]) if "models" in readers else None,
        lattice=lattice,
        no_lattice=no_lattice,
        ctf=load_ctf(readers["ctf"]) if "ctf" in readers else None,
        average=load_average(readers["average"]) if "average" in readers else None,
        ranked=_ranked(readers, inputs) if "ranking" in readers else None,
    )


def _ranked(readers: dict[str, DatasetReader], inputs: Inputs) -> Ranked:
    reader = readers["ranking"]
    ranking = reader.json("ranking.json")
    models = Models(readers["models"])
    fits = read_ranked_fits(reader, ranking, inputs)
    return Ranked(
        ranking=ranking,
        models=models,
        average=load_average(readers["average"]),
        fits=fits,
        thickness=thickness_range(fits.best),
        model_image=reader.array("best_image"),
        homometric=_homometric(models, ranking["best"], fits),
    )


def _homometric(models: Models, best: dict[str, Any], fits: RankedFits) -> list[str]:
    """Name the orderings that a diffraction pattern could not tell from the best, an image can."""
    reference = models.index(best["ordering_id"], best["zone_axis"])
    if reference is None or not best["vacant_sites"]:
        return []
    same = {entry["ordering_id"] for entry in best["equivalents"]}
    others = [
        i
        for i, record in enumerate(models.records)
        if record["zone_axis"] == best["zone_axis"] and record["ordering_id"] not in same
    ]

    def scatterers(index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        atoms = models.atoms(index)
        return atoms.position[:, :2], atoms.power

    cell = (fits.cell.a_angstrom, fits.cell.b_angstrom, fits.cell.gamma_deg)
    found = homometric_to(
        scatterers(reference), [scatterers(i) for i in others], cell, fits.supercell
    )
    return [models.records[others[i]]["ordering_id"] for i in found]
