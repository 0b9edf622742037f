"""Rendering the page from a template: no script, no outside reference, light and dark."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import jinja2


@dataclass(frozen=True)
class FigureOfReport:
    """A figure, its PNG and what it shows in words."""

    name: str
    png: bytes
    title: str
    caption: str
    wide: bool = False
    media_type: str = "image/png"

    @property
    def data_uri(self) -> str:
        """The picture inside the page."""
        return f"data:{self.media_type};base64," + base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class TableOfReport:
    """A table: headings, rows of text, and what it shows."""

    title: str
    headings: list[str]
    rows: list[list[str]]
    caption: str = ""


@dataclass
class Page:
    """What a report says, in reading order.

    Attributes
    ----------
    title : str
    answer : str
        The result in one line.
    explanation : str
        What it rests on, in a sentence or two.
    facts : list of (str, str)
        Key figures with their units.
    notes : list of str
        What was assumed or went wrong.
    figures, tables : list
        The evidence.
    provenance : list of dict
        The datasets: ``kind``, ``name``, ``manifest_sha256``, ``spec``.
    versions : dict of str to str
    """

    title: str
    answer: str = ""
    explanation: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: list[FigureOfReport] = field(default_factory=list)
    tables: list[TableOfReport] = field(default_factory=list)
    provenance: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def to_html(self) -> str:
        """Render the page."""
        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        source = files("cryolattice_analyzer.report").joinpath("page.html.j2").read_text("utf-8")
        return environment.from_string(source).render(page=self)
