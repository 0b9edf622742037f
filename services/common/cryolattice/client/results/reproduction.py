"""The figures of the paper, made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from cryolattice.client import html
from cryolattice.client.datasets import Dataset
from cryolattice.client.results.result import Result, picked


@dataclass(frozen=True)
class Compared:
    """A number of the paper and the same found here.

    Attributes
    ----------
    quantity : str
    unit : str
    paper, found : float
        In `unit`.
    ci95 : (float, float) or None
        95 % interval of `found`.
    """

    quantity: str
    unit: str
    paper: float
    found: float
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class PaperFigure:
    """One figure of the dataset.

    Attributes
    ----------
    name : str
        Of its files, without ``.png`` and ``.pdf``.
    title, caption : str
    """

    name: str
    title: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Reproduction(Result):
    """Counterparts of the paper's figures and the numbers under them.

    Attributes
    ----------
    figures : tuple of PaperFigure
    comparison : tuple of Compared
    warnings : tuple of str
    dataset : Dataset
        Figures as PNG and PDF, movie, CIFs and ``report.html``; `Dataset.save_files` writes them.
    """

    figures: tuple[PaperFigure, ...]
    comparison: tuple[Compared, ...]
    warnings: tuple[str, ...]
    dataset: Dataset

    @classmethod
    def from_document(cls, document: dict[str, Any], dataset: Dataset) -> Self:
        """Read what the workflow returned."""
        return cls(
            document=document,
            figures=tuple(PaperFigure(**picked(PaperFigure, f)) for f in document["figures"]),
            comparison=tuple(Compared(**picked(Compared, row)) for row in document["comparison"]),
            warnings=tuple(document["warnings"]),
            dataset=dataset,
        )

    def __repr__(self) -> str:
        lines = [
            f"{row.quantity}: {row.found:.4g} {row.unit}, paper {row.paper:g}"
            for row in self.comparison
        ]
        return "\n".join([f"<Reproduction: {len(self.figures)} figures>", *lines])

    def _repr_html_(self) -> str:
        rows = [
            (row.quantity, f"{row.paper:g}", f"{row.found:.4g}", _interval(row.ci95), row.unit)
            for row in self.comparison
        ]
        shown = html.title("Compared with the paper")
        return (
            shown
            + html.table(("", "paper", "here", "95 %", "unit"), rows)
            + html.notes(self.warnings)
        )


def _interval(ci95: tuple[float, float] | None) -> str:
    return f"{ci95[0]:.3g} - {ci95[1]:.3g}" if ci95 else ""
