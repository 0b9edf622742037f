"""Every relative link of the documentation leads somewhere, and every page is led to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, ROOT, anchors, targets

_OUTSIDE = ("http://", "https://", "mailto:")


def _split(page: Path, target: str) -> tuple[Path, str]:
    path, _, anchor = target.partition("#")
    return (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in targets(page):
        if target.startswith(_OUTSIDE):
            continue
        path, anchor = _split(page, target)
        if not (path.exists() and path.is_relative_to(ROOT)):
            broken.append(f"{target}: no such file")
        elif anchor and anchor not in anchors(path):
            broken.append(f"{target}: no such heading")
    assert not broken


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {_split(index, target)[0] for target in targets(index)}
    assert {page for page in PAGES if page.is_relative_to(index.parent)} - {index} <= linked


def test_every_picture_is_shown() -> None:
    shown = {_split(page, target)[0] for page in PAGES for target in targets(page)}
    pictures = {path for path in (ROOT / "docs" / "images").iterdir() if path.is_file()}
    assert pictures <= shown
