"""Pictures of a dataset, as bytes that a notebook shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryolattice.client import html

MEDIA_TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes
    ----------
    name : str
        File name.
    data : bytes
        The file: PNG or SVG.
    """

    name: str
    data: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        """``image/png`` or ``image/svg+xml``."""
        return MEDIA_TYPES[Path(self.name).suffix]

    def save(self, path: Path | str) -> Path:
        """Write the picture into a file and return its path."""
        path = Path(path)
        path.write_bytes(self.data)
        return path

    def to_html(self) -> str:
        """Return an ``<img>`` that carries the picture."""
        return html.image(self.data, self.media_type, self.name)

    def _repr_html_(self) -> str:
        return self.to_html()
