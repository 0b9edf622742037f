"""A simulated crystal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryolattice.client import html
from cryolattice.client.datasets import Dataset
from cryolattice.client.image_files import save_images
from cryolattice.client.results.result import Reported


@dataclass(frozen=True, kw_only=True)
class Simulation(Reported):
    """One crystal simulated over thickness.

    Attributes
    ----------
    beams : Dataset
        ``beams["psi"]``: Fourier coefficients of the exit waves (model, b_level, thickness, beam).
    images : Dataset
        ``images["image"]`` (thickness, defocus, y, x) and ``images["pattern"]`` (thickness, ky,
        kx).
    models : Dataset
        The structure.
    warnings : tuple of str
        What was assumed.
    """

    beams: Dataset
    images: Dataset
    models: Dataset
    warnings: tuple[str, ...] = ()

    def save_images(
        self, out: Path | str, file_format: Literal["mrc", "tiff", "zarr"] = "mrc"
    ) -> list[Path]:
        """Write images and patterns as files with the size of a pixel in them; see `images`."""
        return save_images(self.images.reader, Path(out), file_format)

    def __repr__(self) -> str:
        return f"<Simulation: beams in {self.beams.name}, images in {self.images.name}>"

    def _repr_html_(self) -> str:
        return html.title("Simulation") + self.images._repr_html_()
