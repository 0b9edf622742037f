"""The checker of the documentation finds what is wrong with a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.markdown import anchors, blocks, targets
from tests.docs.shell import Command, commands, execute


def test_a_block_is_split_into_commands_and_outputs() -> None:
    found = commands("$ echo one \\\n    two\none two\n\nthree\n$ true\n")
    assert found == [Command("echo one \\\n    two", "one two\n\nthree"), Command("true", "")]
    with pytest.raises(ValueError, match="begins with"):
        commands("echo one\n")


@pytest.mark.parametrize("expected", ["", "one   two", "one...", "...\ntwo"])
def test_right_output_passes(expected: str, tmp_path: Path) -> None:
    execute(Command("echo one; echo two", expected), tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo one", "two"),
        ("false", ""),
        ("echo one | false", "..."),
        ("cryolattice enumerate none.cif --supercell 1 1 1", ""),
        ("cryolattice enumerate none.cif --supercell 1 1 1", "error: something else"),
        ("echo 'error: not really'", "error: not really"),
    ],
)
def test_wrong_output_or_code_fails(text: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        execute(Command(text, expected), tmp_path)


def test_a_refusal_that_the_page_shows_passes(tmp_path: Path) -> None:
    text = "cryolattice enumerate none.cif --supercell 1 1 1"
    execute(Command(text, "error: cannot open none.cif: ..."), tmp_path)


def test_pages_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `name`: here\n\n[a](b.md#c) ![d](e.png)\n\n# A `name`: here\n\n"
        "<!-- not run: why -->\n```console\n$ x\n```\n```python\ny\n```\n```text\nz\n```\n"
    )
    assert targets(page) == ["b.md#c", "e.png"]
    assert anchors(page) == {"a-name-here", "a-name-here-1"}
    console, python, text = blocks(page)
    assert (console.remark, console.source, console.output) == ("not run: why", "$ x\n", None)
    assert (python.source, python.output, text.language) == ("y\n", "z\n", "text")
