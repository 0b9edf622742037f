"""Rendering a page from its parts: no script, no outside reference, light, dark and on paper."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

import jinja2
from markupsafe import Markup

from cryolattice_analyzer.report.cell_drawing import LegendEntry
from cryolattice_analyzer.report.provenance import Provenance

Tone = Literal["sure", "open", "plain"]
_PICTURE_PIXELS = 1400
_PICTURE_QUALITY = 88


@dataclass(frozen=True)
class FigureOfReport:
    """A figure.

    Attributes
    ----------
    name : str
        Of its file.
    png : bytes
    title : str
    look : str
        What to look at.
    alt : str
        What it shows, for those who cannot see it.
    wide : bool
        Over the whole width of the page.
    media_type : str
        Of `png` where that is no PNG, such as a movie.
    """

    name: str
    png: bytes
    title: str
    look: str
    alt: str
    wide: bool = False
    media_type: str = "image/png"

    @property
    def data_uri(self) -> str:
        """The picture inside the page, a fifth of the file's size; movies as they are."""
        if self.media_type != "image/png":
            return f"data:{self.media_type};base64," + base64.b64encode(self.png).decode()
        from PIL import Image  # noqa: PLC0415

        picture = Image.open(io.BytesIO(self.png)).convert("RGB")
        picture.thumbnail((_PICTURE_PIXELS, 4 * _PICTURE_PIXELS), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=_PICTURE_QUALITY, method=4)
        return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


@dataclass(frozen=True)
class TableOfReport:
    """A table; the first cell of a row names it.

    Attributes
    ----------
    title : str
    headings : list of str
    rows : list of list of str
    caption : str
    numbers : int
        So many of the last columns are numbers, set to the right.
    marked : int
        So many of the first rows are the answer.
    wide : bool
        Over the whole width of the page.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    caption: str = ""
    numbers: int = 0
    marked: int = 0
    wide: bool = True


@dataclass(frozen=True)
class Answer:
    """One question of the first screen.

    Attributes
    ----------
    question : str
    value : str
        The answer in a few words.
    details : list of str
        What it rests on, a short sentence each.
    scale : Markup
        A small drawing of the number.
    """

    question: str
    value: str
    details: list[str] = field(default_factory=list)
    scale: Markup | None = None


@dataclass(frozen=True)
class Picture:
    """The picture of the first screen."""

    svg: Markup
    caption: str = ""
    legend: list[LegendEntry] = field(default_factory=list)


@dataclass(frozen=True)
class DrawingsOfReport:
    """Pictures side by side, each with its name and a line under it."""

    title: str
    drawings: list[tuple[Markup, tuple[str, str]]]
    look: str


Item = FigureOfReport | TableOfReport | DrawingsOfReport


@dataclass(frozen=True)
class Section:
    """A part of the page below the first screen; `items` are drawn in order."""

    title: str
    intro: str = ""
    items: list[Item] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """Id of the section in the page."""
        return self.title.lower().replace(" ", "-")


@dataclass
class Page:
    """What a report says, in reading order.

    Attributes
    ----------
    title : str
        Of the document.
    kicker : str
        What was analysed.
    verdict, tone : str
        One word and whether it is an answer.
    headline : str
        The result in one line.
    lead : str
        In a sentence.
    picture : Picture, optional
    answers : list of Answer
        The first screen.
    notes : list of str
        What was assumed or is uncertain.
    sections : list of Section
        The evidence.
    terms : list of (str, str)
        Words that need a sentence.
    provenance : Provenance, optional
        How every number was made.
    data : dict
        The result for programs.
    """

    title: str
    kicker: str = ""
    verdict: str = ""
    tone: Tone = "plain"
    headline: str = ""
    lead: str = ""
    picture: Picture | None = None
    answers: list[Answer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    terms: list[tuple[str, str]] = field(default_factory=list)
    provenance: Provenance | None = None
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def figures(self) -> list[FigureOfReport]:
        """All figures."""
        return [
            item
            for section in self.sections
            for item in section.items
            if isinstance(item, FigureOfReport)
        ]

    @property
    def data_json(self) -> bytes:
        """The result for programs, as JSON."""
        return (json.dumps(self.data, indent=1) + "\n").encode()

    def to_html(self) -> str:
        """Render the page."""
        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        here = files("cryolattice_analyzer.report")
        source = here.joinpath("page.html.j2").read_text("utf-8")
        return environment.from_string(source).render(
            page=self,
            style=Markup(here.joinpath("page.css").read_text("utf-8")),  # noqa: S704
            data_uri="data:application/json;base64," + base64.b64encode(self.data_json).decode(),
        )
