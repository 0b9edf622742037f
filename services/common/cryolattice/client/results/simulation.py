"""A simulated crystal."""

from __future__ import annotations

from dataclasses import dataclass

from cryolattice.client import html
from cryolattice.client.datasets import Dataset
from cryolattice.client.results.result import Reported


@dataclass(frozen=True, kw_only=True)
class Simulation(Reported):
    """One crystal simulated over thickness.

    Attributes
    ----------
    beams : Dataset
        ``beams["psi"]``: Fourier coefficients of the exit waves (model, b_level, thickness, beam).
    models : Dataset
        The structure.
    """

    beams: Dataset
    models: Dataset

    def __repr__(self) -> str:
        return f"<Simulation: beams in {self.beams.name}>"

    def _repr_html_(self) -> str:
        return html.title("Simulation") + self.beams._repr_html_()
