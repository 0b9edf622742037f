"""HTML that notebooks show: escaped, without scripts, in the colours of the page around it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

# notebooks that are not trusted drop style sheets, so the styles stand where they act; the colours
# are those of the text, or a grey that is seen on light and on dark pages
_LINE = "1px solid rgba(128,128,128,0.4)"
_CELL = "text-align:left;padding:2px 14px 2px 0;vertical-align:top;background:none;color:inherit"
_FAINT = "opacity:0.7;font-weight:normal"


def title(text: str, remark: str = "") -> str:
    """Return a heading with a fainter remark behind it."""
    behind = f' <span style="{_FAINT}">{escape(remark)}</span>' if remark else ""
    return f'<div style="font-weight:bold;margin:4px 0">{escape(text)}{behind}</div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return labels and what is said of each; rows without text are left out."""
    body = "".join(
        f'<tr style="background:none"><th style="{_CELL};{_FAINT}">{escape(label)}</th>'
        f'<td style="{_CELL}">{escape(text)}</td></tr>'
        for label, text in rows
        if text
    )
    return f'<table style="border-collapse:collapse;margin:0 0 6px 0">{body}</table>'


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table."""
    head = "".join(f'<th style="{_CELL};border-bottom:{_LINE}">{escape(h)}</th>' for h in headings)
    body = "".join(f'<tr style="background:none">{_cells(row)}</tr>' for row in rows)
    return (
        '<table style="border-collapse:collapse;margin:0 0 6px 0">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cells(row: Sequence[object]) -> str:
    *short, last = (escape(str(value)) for value in row)
    kept = "".join(f'<td style="{_CELL};white-space:nowrap">{text}</td>' for text in short)
    return f'{kept}<td style="{_CELL}">{last}</td>'


def notes(texts: Iterable[str]) -> str:
    """Return remarks, one a line."""
    return "".join(f'<div style="{_FAINT}">note: {escape(text)}</div>' for text in texts)


def more(summary: str, inside: str) -> str:
    """Return HTML that is folded away until it is asked for."""
    return f'<details><summary style="{_FAINT}">{escape(summary)}</summary>{inside}</details>'


def preformatted(text: str) -> str:
    """Return text as it stands."""
    return f'<pre style="background:none;margin:0">{escape(text)}</pre>'


def image(data: bytes, media_type: str, name: str) -> str:
    """Return a picture that carries its own data."""
    encoded = base64.b64encode(data).decode()
    return (
        f'<img src="data:{media_type};base64,{encoded}" alt="{escape(name, quote=True)}" '
        f'title="{escape(name, quote=True)}" style="max-width:min(100%,640px)">'
    )


def bar(label: str, done: int, total: int | None, text: str) -> str:
    """Return a row of a progress display."""
    measure = f'max="{total}" value="{min(done, total)}"' if total else ""
    return (
        f'<tr style="background:none"><td style="{_CELL}">{escape(label)}</td>'
        f'<td style="{_CELL}"><progress {measure} style="width:12em"></progress></td>'
        f'<td style="{_CELL};{_FAINT}">{escape(text)}</td></tr>'
    )
