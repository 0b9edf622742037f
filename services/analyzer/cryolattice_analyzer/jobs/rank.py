"""The rank job: every model against the averaged cell, one candidate a tile, in four rounds.

1. The lens is searched near what the film's rings say or hint at.
2. Where that leaves every candidate unexplained, it is searched over its whole range; for those
   near the best also where the rings are only hints.
3. After a search over the whole range, all candidates are tried near the lens of the best.
4. Candidates that are near the best are fitted with the other Debye-Waller factors.

A screen goes through the same rounds with fewer explanations of each candidate. Where the beams
hold only some of the models, those that project alike stand behind the one that was simulated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice.jobs.kinds import Inputs, ReadPart, Round
from cryolattice.store.arrays import ArraySpec
from cryolattice_analyzer.jobs.kinds import rank_peak_bytes
from cryolattice_analyzer.jobs.rank_result import (
    FIT_ARRAYS,
    MODES,
    fit_to_rows,
    rows_to_fit,
    write_ranking,
)
from cryolattice_analyzer.jobs.rank_screen import read_screen
from cryolattice_analyzer.jobs.stored import load_average, load_ctf, load_micrograph
from cryolattice_analyzer.ranking.candidate_beams import CandidateBeams
from cryolattice_analyzer.ranking.candidate_fit import QUICK, THOROUGH, CandidateFit, fit_candidate
from cryolattice_analyzer.ranking.imaging_conditions import Imaging, ViewCell
from cryolattice_analyzer.ranking.lens_search import LensStart
from cryolattice_analyzer.ranking.lens_starts import (
    GLOBAL_TRIGGER,
    HINT_TRIGGER,
    hinted_starts,
    needs_global_search,
    refined_starts,
    wide_starts,
)
from cryolattice_analyzer.ranking.ranking import merge_fits, observe
from cryolattice_analyzer.ranking.screening import is_near
from cryolattice_api.analyzer.v1 import analyzer_pb2

if TYPE_CHECKING:
    from cryolattice.store.writer import DatasetWriter

_RINGS, _ANYWHERE, _REFINED, _LEVELS = range(4)
# A fit takes a third of a second: tiles hold about a second of work, and a round eight or more.
_CANDIDATES_PER_TILE = 3
_SCREENED_PER_TILE = 24
_TILES_AT_LEAST = 8
_SAME_CELL = 0.005


class RankTiles:
    """The tiles of one ranking. Rows of its arrays are candidates, round after round."""

    attributes: Mapping[str, Any] = {}

    def __init__(self, spec: analyzer_pb2.RankSpec, inputs: Inputs) -> None:
        average = inputs.open(spec.average, "average", field="average")
        self.average = load_average(average)
        self.observation = observe(self.average)
        image = load_micrograph(inputs.open(spec.micrograph, "micrograph", field="micrograph"))
        self.imaging = Imaging(
            energy_kev=image.energy_kev,
            cs_mm=image.cs_mm,
            focal_spread_angstrom=spec.focal_spread_angstrom,
            dose_e_per_angstrom2=image.dose_e_per_angstrom2,
        )
        self.ctf = load_ctf(inputs.open(spec.ctf, "ctf", field="ctf")) if spec.ctf.name else None
        records = inputs.open(spec.models, "models", field="models").json("models.json")
        self.cell, of_view = _view_of(records, self.average.direct, self.average.supercell)
        self.left_out = len(records) - len(of_view)
        beams = inputs.open(spec.beams, "beams", field="beams")
        self._psi = beams.array("psi")
        self._orders = beams.array("h"), beams.array("k"), beams.array("beam_count")
        self._thickness = beams.array("thickness")
        self.b_levels: NDArray[np.float64] = beams.array("b_level")
        row_of = {int(place): row for row, place in enumerate(beams.array("model"))}
        held = [i for i in of_view if i in row_of]
        if not held:
            raise InvalidInputError(
                "beams hold none of the models in this view: simulate them", field="beams"
            )
        seen = [records[i] for i in of_view]
        self.records = [records[i] for i in held]
        self._rows = [row_of[i] for i in held]
        self.behind = _behind(self.records, seen)
        self.screen = spec.screen
        self.screened = (
            read_screen(inputs.open(spec.screened, "ranking", field="screened"), seen)
            if spec.screened.name
            else None
        )
        self.worker_peak_bytes = rank_peak_bytes(spec, inputs)
        self.base_level = 0
        self._blocks: dict[int, list[CandidateFit | None]] = {}

    @property
    def _tile_length(self) -> int:
        most = _SCREENED_PER_TILE if self.screen else _CANDIDATES_PER_TILE
        return min(most, math.ceil(len(self.records) / _TILES_AT_LEAST))

    @property
    def _stride(self) -> int:
        """Rows of a block: the candidates, filled up to whole tiles."""
        return math.ceil(len(self.records) / self._tile_length) * self._tile_length

    @property
    def other_levels(self) -> list[int]:
        """Debye-Waller levels of the last round."""
        return [i for i in range(len(self.b_levels)) if i != self.base_level]

    @property
    def rounds(self) -> list[Round]:
        """Tiles of the four rounds."""
        stride, length = self._stride, self._tile_length
        blocks = 3 + len(self.other_levels)
        tiles = [
            [(start, start + length) for start in range(first, first + stride, length)]
            for first in range(0, blocks * stride, stride)
        ]
        return [*map(Round, tiles[:3]), Round([tile for block in tiles[3:] for tile in block])]

    @property
    def arrays(self) -> list[ArraySpec]:
        """One row for each candidate and round."""
        rows = (3 + len(self.other_levels)) * self._stride
        length = self._tile_length
        sizes = {"mode": MODES, "parameter": 8, "coefficient": len(self.observation.hk)}
        return [
            ArraySpec(
                name,
                (rows, *(sizes[dim] for dim in dims)),
                ("fit", *dims),
                dtype,
                units,
                chunks=(length, *(sizes[dim] for dim in dims)),
            )
            for name, dims, dtype, units in FIT_ARRAYS
        ]

    def candidate(self, index: int, level: int) -> CandidateBeams:
        """Return the beams of a candidate at one Debye-Waller level."""
        row = self._rows[index]
        h, k, counts = self._orders
        count = int(counts[row])
        across, along, _ = self.records[index]["view_supercell"]
        return CandidateBeams(
            hk=np.stack([h[row, :count], k[row, :count]], axis=1).astype(np.int64),
            psi=self._psi[row, level, :, :count],
            thickness_angstrom=self._thickness,
            repeats=(across, along),
        )

    def compute(self, start: int, stop: int, earlier: ReadPart) -> Mapping[str, NDArray[Any]]:
        """Fit the candidates of the rows from start to stop."""
        rows = [
            fit_to_rows(self._fit(*divmod(row, self._stride), earlier), len(self.observation.hk))
            for row in range(start, stop)
        ]
        return {name: np.stack([row[name] for row in rows]) for name, *_ in FIT_ARRAYS}

    def _fit(self, block: int, index: int, earlier: ReadPart) -> CandidateFit | None:
        if index >= len(self.records):
            return None
        starts = self._starts(block, index, earlier)
        if not starts:
            return None
        level = self.base_level if block < _LEVELS else self.other_levels[block - _LEVELS]
        beams = self.candidate(index, level)
        effort = QUICK if self.screen else THOROUGH
        return fit_candidate(
            self.observation, beams, self.cell, self.imaging, starts, effort=effort
        )

    def _starts(self, block: int, index: int, earlier: ReadPart) -> list[LensStart]:
        """Lenses to start from; none where this round has nothing to add."""
        hints = hinted_starts(self.ctf)
        if block == _RINGS:
            return hints
        first = [fit for fit in self.block(_RINGS, earlier) if fit]
        sure = self.ctf is not None and self.ctf.found
        trigger = GLOBAL_TRIGGER if sure else HINT_TRIGGER
        unexplained = needs_global_search(first, chi2_per_dof=trigger)
        if block == _ANYWHERE:
            # faint rings may name a lens that only happens to do: the best are tried with others
            wanted = unexplained or (not sure and _is_near(first, index))
            return wide_starts(self.ctf) if wanted else []
        if block == _REFINED:
            found = [fit for fit in self.block(_ANYWHERE, earlier) if fit]
            return refined_starts(found) if unexplained else []
        fits = self.base_fits(earlier)
        return refined_starts([fits[index]]) if _is_near(fits, index) else []

    def block(self, block: int, read: ReadPart) -> list[CandidateFit | None]:
        """Return the fits of one block of rows, of a round that has ended."""
        if block in self._blocks:
            return self._blocks[block]
        count, first = len(self.records), block * self._stride
        parts = {name: read(name, first, first + count) for name, *_ in FIT_ARRAYS}
        self._blocks[block] = [
            rows_to_fit({name: values[i] for name, values in parts.items()}) for i in range(count)
        ]
        return self._blocks[block]

    def base_fits(self, read: ReadPart) -> list[CandidateFit]:
        """Return each candidate's best fits at the base level, over the first three rounds."""
        blocks = [self.block(block, read) for block in (_RINGS, _ANYWHERE, _REFINED)]
        merged = []
        for fits in zip(*blocks, strict=True):
            present = [fit for fit in fits if fit is not None]
            best = present[0]
            for other in present[1:]:
                best = merge_fits(best, other)
            merged.append(best)
        return merged

    def finish(self, output: DatasetWriter) -> None:
        """Judge all candidates and write the answer."""
        write_ranking(self, output)


def _is_near(fits: list[CandidateFit], index: int) -> bool:
    """Whether a candidate is so near the best one that its last refinements matter."""
    best = min(float(fit.chi2.min()) for fit in fits)
    return is_near(float(fits[index].chi2.min()), best)


def _behind(held: list[dict[str, Any]], seen: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """List, for each model with beams, those without that project alike."""
    first = {record["projection_key"]: i for i, record in reversed(list(enumerate(held)))}
    names = {record["model_id"] for record in held}
    behind: list[list[dict[str, Any]]] = [[] for _ in held]
    for record in seen:
        if record["model_id"] not in names and record["projection_key"] in first:
            behind[first[record["projection_key"]]].append(record)
    return behind


def _view_of(
    records: list[dict[str, Any]], direct: NDArray[np.float64], supercell: tuple[int, int]
) -> tuple[ViewCell, list[int]]:
    """Return the parent's ideal plane cell that the average shows, and the models of that view."""
    seen = np.linalg.norm(direct, axis=1) / np.asarray(supercell)
    cells = [record["plane_cell"] for record in records]
    misfit = [
        abs(math.log(cell["a_angstrom"] / seen[0])) + abs(math.log(cell["b_angstrom"] / seen[1]))
        for cell in cells
    ]
    chosen = cells[int(np.argmin(misfit))]
    kept = [
        i
        for i, cell in enumerate(cells)
        if math.isclose(cell["a_angstrom"], chosen["a_angstrom"], rel_tol=_SAME_CELL)
        and math.isclose(cell["b_angstrom"], chosen["b_angstrom"], rel_tol=_SAME_CELL)
        and all(n % m == 0 for m, n in zip(records[i]["view_supercell"], supercell, strict=False))
    ]
    return ViewCell(chosen["a_angstrom"], chosen["b_angstrom"], chosen["gamma_deg"]), kept
