"""HTML for notebooks: escaped, and readable on light and on dark pages."""

from __future__ import annotations

import re

from cryolattice.client import html

SHOWN = {
    "title": html.title("<a>", "<b>"),
    "facts": html.facts([("<a>", "<b>"), ("left out", "")]),
    "table": html.table(("<a>",), [("<b>",), (1,)]),
    "notes": html.notes(["<a>"]),
    "more": html.more("<a>", "inside"),
    "preformatted": html.preformatted("<a>"),
    "image": html.image(b"data", "image/png", '"<a>'),
    "bar": html.bar("<a>", 3, 4, "<b>"),
}


def test_text_is_escaped() -> None:
    for name, shown in SHOWN.items():
        assert "&lt;a&gt;" in shown, name
        assert not re.search(r"<[ab]>", shown), name
    assert "left out" not in SHOWN["facts"]


def test_only_colours_that_suit_every_page() -> None:
    for name, shown in SHOWN.items():
        assert not re.search(r"#[0-9a-f]{3}|\b(black|white)\b", shown), name
        assert "<script" not in shown
        assert "<style" not in shown, "notebooks that are not trusted drop it"


def test_a_bar_without_a_total_is_open() -> None:
    assert 'max="4" value="3"' in SHOWN["bar"]
    assert "value=" not in html.bar("models", 0, None, "")
    assert 'max="4" value="4"' in html.bar("models", 9, 4, "")
