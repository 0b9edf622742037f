"""Which ordering a micrograph shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from cryolattice.client import html
from cryolattice.client.datasets import Dataset
from cryolattice.client.results.result import (
    Position,
    Reported,
    picked,
    positions,
    sites_text,
)

_SHOWN = 10


@dataclass(frozen=True)
class SeenLattice:
    """The repeat that a micrograph shows.

    Attributes
    ----------
    a_angstrom, b_angstrom : float
        Of the superlattice where there is one.
    gamma_deg, rotation_deg : float
        Between the axes; of a against the picture's rows.
    supercell : (int, int)
        Of the parent cell along a and b.
    superlattice_snr : float
        Signal over noise of the superlattice spots.
    """

    a_angstrom: float
    b_angstrom: float
    gamma_deg: float
    rotation_deg: float
    supercell: tuple[int, int]
    superlattice_snr: float

    def __str__(self) -> str:
        return (
            f"a {self.a_angstrom:.3f} b {self.b_angstrom:.3f} Å, gamma {self.gamma_deg:.2f}°, "
            f"{self.supercell[0]} x {self.supercell[1]} of the parent"
        )


@dataclass(frozen=True)
class Lens:
    """The lens as fitted together with the crystal.

    Attributes
    ----------
    defocus_angstrom : float
        Mean of both axes; positive is under focus.
    astigmatism_angstrom : float
        Difference of the axes.
    astigmatism_angle_deg : float
        Of the greater defocus.
    """

    defocus_angstrom: float
    astigmatism_angstrom: float
    astigmatism_angle_deg: float

    def __str__(self) -> str:
        return (
            f"defocus {self.defocus_angstrom:.0f} Å, astigmatism {self.astigmatism_angstrom:.0f} "
            f"Å at {self.astigmatism_angle_deg:.0f}°"
        )


@dataclass(frozen=True)
class Equivalent:
    """An ordering that the view cannot tell from another.

    Attributes
    ----------
    ordering_id : str
    vacant_sites : tuple of (x, y, z)
        Units of the parent's axes, third along the beam.
    """

    ordering_id: str
    vacant_sites: tuple[Position, ...]


@dataclass(frozen=True)
class Candidate:
    """An ordering and how well it explains the micrograph.

    Attributes
    ----------
    ordering_id : str
    vacant_sites : tuple of (x, y, z)
        Units of the parent's axes, third along the beam.
    zone_axis : (int, int, int)
        Beam direction in the supercell's axes.
    thickness_angstrom : float
    probability : float
        Of its group of equivalents, 0 to 1.
    score : float
        Correlation of the averaged and the simulated cell.
    equivalents : tuple of Equivalent
        What this view cannot tell from it, itself among them.
    refined : bool
        False where only a screen looked at it: the probability is then the most it may be.
    """

    ordering_id: str
    vacant_sites: tuple[Position, ...]
    zone_axis: tuple[int, int, int]
    thickness_angstrom: float
    probability: float
    score: float
    equivalents: tuple[Equivalent, ...] = ()
    refined: bool = True

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read an entry of the ranking."""
        same = tuple(
            Equivalent(entry["ordering_id"], positions(entry["vacant_sites"]))
            for entry in document.get("equivalents", ())
        )
        sites = positions(document["vacant_sites"])
        return cls(**{**picked(cls, document), "vacant_sites": sites, "equivalents": same})


@dataclass(frozen=True)
class Confirmation:
    """What the best few candidates come to with another engine's waves.

    Attributes
    ----------
    engine : str
        And its version.
    candidates : int
    same_first : bool
        Whether the same candidate is first.
    score, chi2_per_dof, thickness_angstrom : float
        Of the best candidate, with these waves.
    dataset : str
        Name of their ranking.
    """

    engine: str
    candidates: int
    same_first: bool
    score: float
    chi2_per_dof: float
    thickness_angstrom: float
    dataset: str


@dataclass(frozen=True)
class CascadeSteps:
    """How many candidates each step of a cascade looked at.

    Attributes
    ----------
    screened, refined : int
        Models that were simulated; those that project alike count once.
    dropped_probability : float
        The most that all candidates which the screen dropped may have together.
    confirmation : Confirmation or None
    screen_dataset : str
        Name of the screen's ranking.
    """

    screened: int
    refined: int
    dropped_probability: float
    confirmation: Confirmation | None
    screen_dataset: str

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read ``cascade`` of the answer."""
        found = document["confirmation"]
        confirmation = Confirmation(**picked(Confirmation, found)) if found else None
        return cls(**{**picked(cls, document), "confirmation": confirmation})


@dataclass(frozen=True, kw_only=True)
class Identification(Reported):
    """Which ordering a micrograph shows.

    Attributes
    ----------
    verdict : str
        ``ordered``, ``disordered`` or ``undetermined``.
    best : Candidate or None
    ranking : tuple of Candidate
        Best first.
    lattice : SeenLattice or None
    ctf : Lens or None
    candidates_searched : int
    cascade : CascadeSteps or None
        None where all candidates were ranked alike.
    warnings : tuple of str
        What was assumed, and what makes the answer less sure.
    dataset : Dataset or None
        The ranking, or the lattice where nothing was ranked.
    models : Dataset
        The structures that were tried; ``models.atoms(best.ordering_id)`` for ASE.
    """

    verdict: Literal["ordered", "disordered", "undetermined"]
    best: Candidate | None
    ranking: tuple[Candidate, ...]
    lattice: SeenLattice | None
    ctf: Lens | None
    candidates_searched: int
    cascade: CascadeSteps | None
    warnings: tuple[str, ...]
    dataset: Dataset | None
    models: Dataset

    @classmethod
    def from_document(cls, document: dict[str, Any], **parts: Any) -> Self:
        """Read what the workflow returned; `parts` are the attributes that need a connection."""
        lattice, lens, best = document["lattice"], document["ctf"], document["best"]
        cascade = document["cascade"]
        return cls(
            document=document,
            verdict=document["verdict"],
            best=Candidate.from_document(best) if best else None,
            ranking=tuple(Candidate.from_document(row) for row in document["ranking"]),
            lattice=SeenLattice(**picked(SeenLattice, lattice)) if lattice else None,
            ctf=Lens(**picked(Lens, lens)) if lens else None,
            candidates_searched=document["candidates_searched"],
            cascade=CascadeSteps.from_document(cascade) if cascade else None,
            warnings=tuple(document["warnings"]),
            **parts,
        )

    def __repr__(self) -> str:
        if self.best is None:
            reasons = "; ".join(self.warnings)
            return f"<Identification: {self.verdict}: {reasons}>"
        return (
            f"<Identification: {self.verdict}, {self.best.ordering_id} at "
            f"{self.best.thickness_angstrom:.1f} Å, probability {self.best.probability:.3f}>"
        )

    def _repr_html_(self) -> str:
        best = self.best
        rows = [("lattice", str(self.lattice or "")), ("lens", str(self.ctf or ""))]
        if best is not None:
            others = [same.ordering_id for same in best.equivalents]
            rows[:0] = [
                ("ordering", best.ordering_id),
                ("vacant sites", sites_text(best.vacant_sites)),
                ("thickness", f"{best.thickness_angstrom:.1f} Å"),
                ("probability", f"{best.probability:.3f}"),
                ("same in this view", ", ".join(i for i in others if i != best.ordering_id)),
            ]
        shown = html.title(self.verdict.capitalize(), f"{self.candidates_searched} candidates")
        shown += html.facts(rows)
        if self.ranking:
            shown += html.table(
                ("ordering", "thickness (Å)", "score", "probability"),
                [
                    (
                        row.ordering_id,
                        f"{row.thickness_angstrom:.1f}",
                        f"{row.score:.4f}",
                        f"{row.probability:.4f}",
                    )
                    for row in self.ranking[:_SHOWN]
                ],
            )
        return shown + html.notes(self.warnings)
