"""How the numbers found compare with those of the paper whose figures are drawn again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cryolattice_analyzer.dose.critical_dose import DoseRow, compare
from cryolattice_analyzer.figures.pattern_figures import (
    spot_spacings,
)
from cryolattice_analyzer.report.paper_evidence import PaperEvidence


@dataclass(frozen=True)
class Compared:
    """A number of the paper and the same found here.

    Attributes
    ----------
    quantity, unit : str
    paper, found : float
    ci95 : (float, float), optional
    """

    quantity: str
    unit: str
    paper: float
    found: float
    ci95: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        row: dict[str, Any] = dict(vars(self))
        row["ci95"] = list(self.ci95) if self.ci95 else None
        return row


def compared_with_paper(evidence: PaperEvidence) -> list[Compared]:
    """Return the numbers that the paper gives beside those found here."""
    (lattice,) = evidence.lattice.summary["lattices"]
    cold, warm = evidence.doses
    spots = spot_spacings(evidence.pristine, evidence.thickness_angstrom)
    rows = [
        Compared("repeat of the ordered crystal", "Å", 9.4, lattice["a_angstrom"]),
        Compared("largest spacing of the pristine pattern", "Å", 4.7, float(spots[0])),
        Compared("thickness", "Å", 169.2, evidence.ranking["best"]["thickness_angstrom"]),
    ]
    for result, spacing, paper in ((cold, 4.7, 29.0), (cold, 2.1, 17.0), (warm, 2.1, 2.7)):
        row = _nearest(result.rows, spacing)
        rows.append(
            Compared(
                f"critical dose at {result.name}, {spacing:g} Å",
                "e/Å²",
                paper,
                row.critical_dose_e_per_angstrom2,
                (row.ci95_low, row.ci95_high),
            )
        )
    gain = min(compare(cold.rows, warm.rows), key=lambda row: abs(row.d_angstrom - 2.1))
    name = f"gain of {cold.name} over {warm.name}"
    return [*rows, Compared(name, "times", 6.0, gain.factor, (gain.ci95_low, gain.ci95_high))]


def _nearest(rows: tuple[DoseRow, ...], spacing_angstrom: float) -> DoseRow:
    return min(rows, key=lambda row: abs(row.d_angstrom - spacing_angstrom))


def summary_lines(evidence: PaperEvidence) -> tuple[str, str]:
    """Return what was found, in one line, and what it rests on."""
    (lattice,) = evidence.lattice.summary["lattices"]
    best = evidence.ranking["best"]
    gain = compared_with_paper(evidence)[-1]
    probability = "above 0.999" if best["probability"] > 0.999 else f"{best['probability']:.3f}"
    answer = (
        f"Na vacancies order in a {lattice['a_angstrom']:.1f} Å cell; cold, reflections last "
        f"{gain.found:.1f} times longer"
    )
    why = (
        f"Ordering {best['ordering_id']}, {best['thickness_angstrom']:.1f} Å thick, probability "
        f"{probability}. Counterparts of the figures of Janicek et al., Nano Letters "
        "2024, 10.1021/acs.nanolett.4c01996; what stands for which panel is taken from its "
        "abstract. Each figure lies beside this page as PNG and PDF, with the movie and both "
        "structures as CIF."
    )
    return answer, why


def spread(values: tuple[float, float] | None) -> str:
    """Write a 95 % interval."""
    return f"{values[0]:.3g} to {values[1]:.3g}" if values else ""


def rounded(value: float) -> str:
    """Write three digits, more above a thousand."""
    return f"{value:.4g}" if value >= 100 else f"{np.round(value, 2):g}"
