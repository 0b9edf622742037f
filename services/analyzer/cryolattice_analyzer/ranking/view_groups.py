"""Which candidates a view cannot tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.ranking.candidate_beams import (
    SAME_WAVE,
    CandidateBeams,
    best_overlap,
    distinct_settings,
    lattice_operations,
    on_supercell,
)
from cryolattice_analyzer.ranking.imaging_conditions import ViewCell


def view_groups(
    candidates: Sequence[CandidateBeams], cell: ViewCell, supercell: tuple[int, int]
) -> list[int]:
    """Give the same number to all candidates that look alike in this view.

    Two look alike when their waves agree at half and at full thickness, apart from a turn or mirror
    of the lattice and a shift.
    """
    operations = lattice_operations(cell.a_angstrom, cell.b_angstrom, cell.gamma_deg)
    labels: list[int] = []
    firsts: list[int] = []
    powers = [
        np.sort(np.abs(c.psi[-1][~np.all(c.hk == 0, axis=1)]))[::-1][:64].astype(np.float64)
        for c in candidates
    ]
    for index, candidate in enumerate(candidates):
        label = -1
        for first in firsts:
            size = min(len(powers[first]), len(powers[index]))
            a, b = powers[first][:size], powers[index][:size]
            # Sorted moduli do not change with turn or shift: most pairs differ already here.
            if float(np.linalg.norm(a - b)) > 0.03 * float(np.linalg.norm(a)):
                continue
            if _look_alike(candidates[first], candidate, operations, supercell):
                label = labels[first]
                break
        if label < 0:
            label = len(firsts)
            firsts.append(index)
        labels.append(label)
    return labels


def _look_alike(
    first: CandidateBeams,
    second: CandidateBeams,
    operations: list[NDArray[np.int64]],
    supercell: tuple[int, int],
) -> bool:
    orders = on_supercell(first, supercell, operations[0])
    if orders is None or len(first.psi) != len(second.psi):
        return False
    return any(
        all(
            best_overlap(orders, first.psi[plane], turned, second.psi[plane]) >= SAME_WAVE
            for plane in (len(first.psi) // 2, len(first.psi) - 1)
        )
        for _, turned in distinct_settings(second, supercell, operations)
    )
