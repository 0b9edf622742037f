"""The fits behind a ranking, read back from its dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf import json_format
from numpy.typing import NDArray

from cryolattice_analyzer.jobs.rank import RankTiles
from cryolattice_analyzer.ranking.candidate_beams import lattice_operations
from cryolattice_analyzer.ranking.candidate_fit import CandidateFit
from cryolattice_analyzer.ranking.cell_model import SHIFT_U, SHIFT_V
from cryolattice_analyzer.ranking.imaging_conditions import ViewCell
from cryolattice_api.analyzer.v1 import analyzer_pb2

if TYPE_CHECKING:
    from cryolattice.jobs.kinds import Inputs
    from cryolattice.store.reader import DatasetReader


@dataclass(frozen=True)
class RankedFits:
    """The fits of the best candidate and of the next one.

    Attributes
    ----------
    best : tuple of CandidateFit
        With each Debye-Waller factor tried, the answer's own first.
    second : CandidateFit, optional
    cell : ViewCell
        The parent's ideal plane cell.
    supercell : tuple of int
        Of the averaged cell.
    """

    best: tuple[CandidateFit, ...]
    second: CandidateFit | None
    cell: ViewCell
    supercell: tuple[int, int]

    def places(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where positions of the model lie in the averaged cell.

        Parameters
        ----------
        positions : ndarray, shape (n, 2)
            In units of the parent's a and b, as modelled.

        Returns
        -------
        ndarray, shape (n, 2)
            Fractions of the averaged cell's a and b.
        """
        fit = self.best[0]
        operations = lattice_operations(
            self.cell.a_angstrom, self.cell.b_angstrom, self.cell.gamma_deg
        )
        turned = positions @ operations[int(fit.operation[0])].T
        shift = fit.parameters[0, [SHIFT_U, SHIFT_V]]
        return np.asarray((turned / np.asarray(self.supercell) + shift) % 1.0)


def read_ranked_fits(reader: DatasetReader, ranking: dict[str, Any], inputs: Inputs) -> RankedFits:
    """Read the fits of the first two of a ranking."""
    spec = json_format.ParseDict(reader.manifest.spec, analyzer_pb2.RankSpec())
    tiles = RankTiles(spec, inputs)
    arrays: dict[str, NDArray[Any]] = {}

    def read(name: str, start: int, stop: int) -> NDArray[Any]:
        if name not in arrays:
            arrays[name] = reader.array(name)
        return arrays[name][start:stop]

    base = tiles.base_fits(read)

    def fits_of(row: dict[str, Any]) -> tuple[CandidateFit, ...]:
        index = next(
            i
            for i, record in enumerate(tiles.records)
            if (record["ordering_id"], record["zone_axis"])
            == (row["ordering_id"], row["zone_axis"])
        )
        found = [(float(tiles.b_levels[tiles.base_level]), base[index])]
        for offset, level in enumerate(tiles.other_levels):
            fit = tiles.block(3 + offset, read)[index]
            if fit is not None:
                found.append((float(tiles.b_levels[level]), fit))
        found.sort(key=lambda pair: abs(pair[0] - row["b_angstrom2"]))
        return tuple(fit for _, fit in found)

    rows = [row for row in ranking["ranking"] if row.get("refined", True) or tiles.screen]
    return RankedFits(
        best=fits_of(rows[0]),
        second=fits_of(rows[1])[0] if len(rows) > 1 else None,
        cell=tiles.cell,
        supercell=tiles.observation.supercell,
    )
