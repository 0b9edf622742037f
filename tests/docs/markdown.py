"""The pages of the documentation: their code blocks, links and headings."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = ROOT / "docs" / "reference"

_COMMENT = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block; `output` is the text block that directly follows one of Python."""

    language: str
    source: str
    line: int
    remark: str
    output: str | None


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page; `remark` is the HTML comment right before."""
    found = []
    tokens = _tokens(page)
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if token.type != "fence" or token.map is None:
            continue
        comment = before is not None and before.type == "html_block"
        remark = _COMMENT.match(before.content) if before is not None and comment else None
        follows = after is not None and after.type == "fence" and after.info == "text"
        found.append(
            Block(
                language=token.info.strip(),
                source=token.content,
                line=token.map[0] + 1,
                remark=remark.group(1) if remark else "",
                output=after.content if after is not None and follows else None,
            )
        )
    return found


def _inline(page: Path) -> Iterator[Token]:
    for token in _tokens(page):
        yield from token.children or []


def targets(page: Path) -> list[str]:
    """Return where the links and pictures of a page point, HTML's ones included."""
    found = [
        str(token.attrGet("href") or token.attrGet("src"))
        for token in _inline(page)
        if token.type in {"link_open", "image"}
    ]
    for token in _tokens(page):
        if token.type == "html_block":
            found += re.findall(r'(?:src|srcset|href)="([^"]+)"', token.content)
    return found


@functools.cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    found: set[str] = set()
    tokens = _tokens(page)
    for opening, inline in itertools.pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = "".join(
            child.content
            for child in inline.children or []
            if child.type in {"text", "code_inline"}
        )
        slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        unique, number = slug, 0
        while unique in found:
            number += 1
            unique = f"{slug}-{number}"
        found.add(unique)
    return found
