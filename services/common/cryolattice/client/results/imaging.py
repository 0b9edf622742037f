"""What one micrograph shows: its lens, lattice and averaged cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from cryolattice.client import html
from cryolattice.client.datasets import Dataset
from cryolattice.client.results.result import Reported, picked

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Ctf(Reported):
    """The lens, from the rings of an amorphous film. None where no rings are found.

    Attributes
    ----------
    found : bool
    defocus_u_angstrom, defocus_v_angstrom : float or None
        Along the axes of the astigmatism; positive is under focus.
    angle_deg : float or None
        Of U, in CTFFIND's convention.
    fit_resolution_angstrom : float or None
        Smallest spacing of the rings that are fitted well.
    ci95 : dict of str to (float, float), or None
        95 % intervals.
    amplitude_contrast, energy_kev, cs_mm : float
        As used.
    warnings : tuple of str
    dataset : Dataset
    """

    found: bool
    defocus_u_angstrom: float | None
    defocus_v_angstrom: float | None
    angle_deg: float | None
    fit_resolution_angstrom: float | None
    ci95: dict[str, tuple[float, float]] | None
    amplitude_contrast: float
    energy_kev: float
    cs_mm: float
    warnings: tuple[str, ...]
    dataset: Dataset

    @classmethod
    def from_document(cls, document: dict[str, Any], **parts: Any) -> Self:
        """Read what the workflow returned; `parts` are the attributes that need a connection."""
        ci95 = document["ci95"]
        intervals = {name: (low, high) for name, (low, high) in ci95.items()} if ci95 else None
        values = {**picked(cls, document), "ci95": intervals, **parts}
        return cls(**{**values, "document": document})

    def __repr__(self) -> str:
        return f"<Ctf: {self._said()}>"

    def _said(self) -> str:
        if not self.found:
            return "no rings of an amorphous film"
        return (
            f"defocus {self.defocus_u_angstrom:.0f} and {self.defocus_v_angstrom:.0f} Å, "
            f"U at {self.angle_deg:.1f}°, rings to {self.fit_resolution_angstrom:.1f} Å"
        )

    def _repr_html_(self) -> str:
        rows = [
            (name, f"{getattr(self, name):.5g}", f"{low:.5g} - {high:.5g}")
            for name, (low, high) in (self.ci95 or {}).items()
            if getattr(self, name, None) is not None
        ]
        shown = html.title("Contrast transfer", self._said())
        return (
            shown
            + (html.table(("", "fitted", "95 %"), rows) if rows else "")
            + html.notes(self.warnings)
        )


@dataclass(frozen=True)
class Lattice:
    """A lattice in a micrograph.

    Attributes
    ----------
    a_angstrom, b_angstrom : float
        Of the superlattice where there is one.
    gamma_deg, rotation_deg : float
        Between the axes; of a from the picture's x towards y (downwards).
    spots : int
        Reflections that stand out.
    superlattice : (int, int) or None
        Repeat in parent cells.
    mismatch_percent : float or None
        Against the parent's cell.
    """

    a_angstrom: float
    b_angstrom: float
    gamma_deg: float
    rotation_deg: float
    spots: int
    superlattice: tuple[int, int] | None
    mismatch_percent: float | None = None

    def __str__(self) -> str:
        m, n = self.superlattice or (1, 1)
        return (
            f"a {self.a_angstrom:.3f} b {self.b_angstrom:.3f} Å, gamma {self.gamma_deg:.2f}°, "
            f"repeat {m} x {n}, {self.spots} spots"
        )


@dataclass(frozen=True, kw_only=True)
class Lattices(Reported):
    """The lattices of a micrograph.

    Attributes
    ----------
    found : bool
    lattices : tuple of Lattice
        Most certain first.
    superlattice_snr : float or None
        Strength of the superlattice reflections over their background, sigma.
    reason : str or None
        Why there is none.
    warnings : tuple of str
    dataset : Dataset
    """

    found: bool
    lattices: tuple[Lattice, ...]
    superlattice_snr: float | None
    reason: str | None
    warnings: tuple[str, ...]
    dataset: Dataset

    @classmethod
    def from_document(cls, document: dict[str, Any], **parts: Any) -> Self:
        """Read what the workflow returned; `parts` are the attributes that need a connection."""
        lattices = tuple(Lattice(**picked(Lattice, row)) for row in document["lattices"])
        values = {**picked(cls, document), "lattices": lattices, **parts}
        return cls(**{**values, "document": document})

    def __repr__(self) -> str:
        said = "; ".join(map(str, self.lattices)) if self.found else f"none: {self.reason}"
        return f"<Lattices: {said}>"

    def _repr_html_(self) -> str:
        rows = [
            (
                f"{row.a_angstrom:.3f}",
                f"{row.b_angstrom:.3f}",
                f"{row.gamma_deg:.2f}",
                f"{row.rotation_deg:.2f}",
                row.spots,
                "{} x {}".format(*row.superlattice) if row.superlattice else "",
                "" if row.mismatch_percent is None else f"{row.mismatch_percent:.2f}",
            )
            for row in self.lattices
        ]
        headings = (
            "a (Å)",
            "b (Å)",
            "gamma (°)",
            "rotation (°)",
            "spots",
            "repeat",
            "mismatch (%)",
        )
        shown = html.title("Lattice", "" if self.found else f"none: {self.reason}")
        return shown + (html.table(headings, rows) if rows else "") + html.notes(self.warnings)


@dataclass(frozen=True)
class Cell:
    """A cell in the plane of a micrograph.

    Attributes
    ----------
    a_angstrom, b_angstrom, gamma_deg, rotation_deg : float
    supercell : (int, int)
        In parent cells.
    """

    a_angstrom: float
    b_angstrom: float
    gamma_deg: float
    rotation_deg: float
    supercell: tuple[int, int]


@dataclass(frozen=True)
class Reflection:
    """A Fourier coefficient of the averaged cell.

    Attributes
    ----------
    h, k : int
        Of the averaged cell.
    d_angstrom : float
    amplitude, standard_error : float
        Relative to the mean intensity.
    phase_deg : float
    snr : float
        Amplitude over standard error.
    """

    h: int
    k: int
    d_angstrom: float
    amplitude: float
    phase_deg: float
    standard_error: float
    snr: float


@dataclass(frozen=True, kw_only=True)
class AveragedCell(Reported):
    """The averaged unit cell of a micrograph. None or empty where there is no lattice.

    Attributes
    ----------
    found : bool
    cell : Cell or None
    cells : float or None
        How many were averaged.
    area_angstrom2 : float or None
        Of the crystal.
    mean_counts : float or None
        Electrons a pixel.
    image_standard_error : float or None
        Of the averaged image, relative to its mean.
    reflections : tuple of Reflection
        One of each Friedel pair, strongest first.
    warnings : tuple of str
    dataset : Dataset
        ``dataset["image"]`` is the averaged cell.
    """

    found: bool
    cell: Cell | None
    cells: float | None
    area_angstrom2: float | None
    mean_counts: float | None
    image_standard_error: float | None
    reflections: tuple[Reflection, ...]
    warnings: tuple[str, ...]
    dataset: Dataset

    @classmethod
    def from_document(cls, document: dict[str, Any], **parts: Any) -> Self:
        """Read what the workflow returned; `parts` are the attributes that need a connection."""
        cell = document["cell"]
        read = {
            "cell": Cell(**picked(Cell, cell)) if cell else None,
            "reflections": tuple(
                Reflection(**picked(Reflection, row)) for row in document["reflections"]
            ),
        }
        return cls(**{**picked(cls, document), **read, **parts, "document": document})

    def __repr__(self) -> str:
        return f"<AveragedCell: {self._said()}>"

    def _said(self) -> str:
        if self.cell is None:
            return "no lattice"
        return (
            f"{self.cells:.0f} cells of {self.cell.a_angstrom:.3f} x {self.cell.b_angstrom:.3f} Å, "
            f"standard error {100 * (self.image_standard_error or 0):.2g} % of the mean"
        )

    def _repr_html_(self) -> str:
        rows = [
            (row.h, row.k, f"{row.d_angstrom:.3f}", f"{row.amplitude:.4f}", f"{row.snr:.1f}")
            for row in self.reflections[:_SHOWN]
        ]
        shown = html.title("Averaged cell", self._said())
        shown += html.table(("h", "k", "d (Å)", "amplitude", "snr"), rows) if rows else ""
        return shown + html.notes(self.warnings)
