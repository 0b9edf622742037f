"""What a ranking takes over from the screen that went before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cryolattice_analyzer.ranking.screening import least_chi2_if_refined
from cryolattice_analyzer.ranking.verdict import Unfitted

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

# ordering and direction of the beam: what names a candidate in a ranking
Name = tuple[str, tuple[int, ...]]


def name_of(entry: dict[str, Any]) -> Name:
    """Return what names a candidate, of a record of the models or an entry of a ranking."""
    return entry["ordering_id"], tuple(entry["zone_axis"])


@dataclass(frozen=True)
class Screen:
    """The answer of a screen.

    Attributes
    ----------
    kept, dropped : list of dict
        Entries of its ranking.
    candidates_searched : int
    """

    kept: list[dict[str, Any]]
    dropped: list[dict[str, Any]]
    candidates_searched: int

    def unfitted(self, refined: dict[Name, float], freedom: int) -> Unfitted:
        """Bound what the dropped may still be worth.

        Parameters
        ----------
        refined : dict
            Least chi2 of each refined candidate.
        freedom : int
            Degrees of freedom of a fit.
        """
        pairs = [(entry, refined.get(name_of(entry))) for entry in self.kept]
        found = [(entry["chi2_per_dof"] * freedom, chi2) for entry, chi2 in pairs if chi2]
        screened, thorough = np.array(found).T
        dropped = freedom * np.array([entry["chi2_per_dof"] for entry in self.dropped])
        return Unfitted(
            least_chi2_if_refined(dropped, screened, thorough),
            np.array([float(len(entry["equivalents"])) for entry in self.dropped]),
        )


def read_screen(reader: DatasetReader, records: list[dict[str, Any]]) -> Screen:
    """Read a screen's ranking of the models that `records` describe."""
    found = reader.json("ranking.json")
    kept = set(found["kept"])
    names = {name_of(record) for record in records if record["model_id"] in kept}
    entries = found["ranking"]
    return Screen(
        kept=[entry for entry in entries if name_of(entry) in names],
        dropped=[entry for entry in entries if name_of(entry) not in names],
        candidates_searched=found["candidates_searched"],
    )
