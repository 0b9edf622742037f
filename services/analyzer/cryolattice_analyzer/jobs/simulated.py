"""Simulated crystals and measured series out of their datasets, as the figures need them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cryolattice_analyzer.dose.critical_dose import DoseResult
from cryolattice_analyzer.figures.pattern_figures import MeasuredSeries
from cryolattice_analyzer.figures.simulated_crystal import SimulatedCrystal

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader


def load_crystal(
    models: DatasetReader, beams: DatasetReader, index: int, b_angstrom2: float = 0.0
) -> SimulatedCrystal:
    """Read one model and its beams.

    Parameters
    ----------
    models, beams : DatasetReader
        The beams were simulated from the models.
    index : int
        Of the model.
    b_angstrom2 : float
        The nearest Debye-Waller factor that was simulated is taken.
    """
    record = models.json("models.json")[index]
    start, stop = list(pairwise(models.array("atom_start")))[index]
    cell = models.array("cell")[index]
    a, b = float(cell[0, 0]), float(cell[1, 1])
    repeats = int(record["view_supercell"][0]), int(record["view_supercell"][1])
    vacant = np.reshape(np.asarray(record["vacant_sites"], dtype=float), (-1, 3))
    arrays = beams.to_xarray()
    level = int(np.argmin(np.abs(arrays.b_level.values - b_angstrom2)))
    # beams of a selection of models say which they are
    row = int(np.flatnonzero(arrays.model.values == index)[0])
    count = int(arrays.beam_count[row])
    return SimulatedCrystal(
        name=record["model_id"],
        lengths_angstrom=(a, b),
        repeats=repeats,
        numbers=models.array("number")[start:stop],
        xy_angstrom=models.array("position")[start:stop, :2],
        occupancies=models.array("occupancy")[start:stop],
        vacant_xy_angstrom=vacant[:, :2] * np.array([a / repeats[0], b / repeats[1]]),
        h=arrays.h.values[row, :count].astype(np.int64),
        k=arrays.k.values[row, :count].astype(np.int64),
        psi=arrays.psi[row, level, :, :count].values,
        thicknesses_angstrom=arrays.thickness.values,
        energy_kev=float(arrays.psi.attrs["energy_kev"]),
    )


def load_measured(series: DatasetReader, result: DoseResult, label: str) -> MeasuredSeries:
    """Read the frames of a diffraction series with the lattice that its dose analysis found.

    Parameters
    ----------
    series : DatasetReader
        A `diffraction_series` dataset.
    result : DoseResult
        Of the same series.
    label : str
        What the figures call it.
    """
    return MeasuredSeries(
        label=label,
        frames=series.array("frames"),
        origins_px=result.lattice.origin_px + result.drift_px,
        basis_px=result.lattice.basis_px,
        pixel_size_per_angstrom=result.pixel_size_per_angstrom,
        dose_per_frame_e_per_angstrom2=result.dose_per_frame_e_per_angstrom2,
    )
