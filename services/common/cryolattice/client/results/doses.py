"""Critical doses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from cryolattice.client import html
from cryolattice.client.datasets import Dataset
from cryolattice.client.results.result import Reported, picked


@dataclass(frozen=True)
class CriticalDose:
    """How fast the reflections of one spacing fade.

    Attributes
    ----------
    d_angstrom : float
        Spacing.
    spots : int
    critical_dose_e_per_angstrom2 : float
        At which the intensity has fallen to 1/e.
    ci95 : (float, float)
        95 % interval, e/angstrom^2.
    model : str
        Of the decay.
    """

    d_angstrom: float
    spots: int
    critical_dose_e_per_angstrom2: float
    ci95: tuple[float, float]
    model: str


@dataclass(frozen=True)
class Improvement:
    """Ratio of the critical doses of two series at one spacing.

    Attributes
    ----------
    d_angstrom : float
    factor : float
        First over second series.
    ci95 : (float, float)
    """

    d_angstrom: float
    factor: float
    ci95: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class CriticalDoses(Reported):
    """Critical doses of one diffraction series, or of two and their ratio.

    Attributes
    ----------
    reflections : tuple of CriticalDose
        Largest spacing first.
    compare : tuple of CriticalDose
        Of the second series; empty without one.
    improvement : tuple of Improvement
        First over second series, at their common spacings.
    warnings : tuple of str
    dataset : Dataset
        Intensities and fitted curves.
    """

    reflections: tuple[CriticalDose, ...]
    compare: tuple[CriticalDose, ...]
    improvement: tuple[Improvement, ...]
    warnings: tuple[str, ...]
    dataset: Dataset

    @classmethod
    def from_document(cls, document: dict[str, Any], **parts: Any) -> Self:
        """Read what the workflow returned; `parts` are the attributes that need a connection."""

        def doses(name: str) -> tuple[CriticalDose, ...]:
            rows = document.get(name, ())
            return tuple(CriticalDose(**picked(CriticalDose, row)) for row in rows)

        return cls(
            document=document,
            reflections=doses("reflections"),
            compare=doses("compare"),
            improvement=tuple(
                Improvement(**picked(Improvement, row)) for row in document.get("improvement", ())
            ),
            warnings=tuple(document["warnings"]),
            **parts,
        )

    def __repr__(self) -> str:
        lines = [_dose_line(row) for row in self.reflections]
        lines += [f"{row.d_angstrom:.3f} Å: {row.factor:.2f} times" for row in self.improvement]
        return "\n".join(["<CriticalDoses>", *lines])

    def _repr_html_(self) -> str:
        shown = html.title("Critical doses", "e/Å²") + _dose_table(self.reflections)
        if self.compare:
            shown += html.title("Second series", "e/Å²") + _dose_table(self.compare)
        if self.improvement:
            rows = [
                (f"{row.d_angstrom:.3f}", f"{row.factor:.2f}", _interval(row.ci95))
                for row in self.improvement
            ]
            shown += html.title("First over second") + html.table(("d (Å)", "factor", "95 %"), rows)
        return shown + html.notes(self.warnings)


def _interval(ci95: tuple[float, float]) -> str:
    return f"{ci95[0]:.2f} - {ci95[1]:.2f}"


def _dose_line(row: CriticalDose) -> str:
    dose = row.critical_dose_e_per_angstrom2
    return f"{row.d_angstrom:.3f} Å: {dose:.2f} e/Å² ({_interval(row.ci95)}), {row.spots} spots"


def _dose_table(rows: tuple[CriticalDose, ...]) -> str:
    return html.table(
        ("d (Å)", "spots", "critical dose", "95 %", "model"),
        [
            (
                f"{row.d_angstrom:.3f}",
                row.spots,
                f"{row.critical_dose_e_per_angstrom2:.2f}",
                _interval(row.ci95),
                row.model,
            )
            for row in rows
        ],
    )
