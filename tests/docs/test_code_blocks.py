"""The code of every page runs, top to bottom, in a folder of its own with the examples.

``console`` and ``bash`` blocks are commands (see `tests.docs.shell`), ``python`` blocks of a page
share their names, and a ``text`` block directly after one is what it prints. Other languages are
not run, nor is a block below ``<!-- not run: why -->``. The first page runs embedded, the others
on a server of the session, whose addresses are their ``localhost:50051`` and ``localhost:9090``.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.docs.markdown import GENERATED, PAGES, ROOT, Block, blocks
from tests.docs.shell import Command, commands, compare, execute

# one worker runs what asks for the examples' answers, so that each is computed once
pytestmark = pytest.mark.xdist_group("home")

_RUN = {"console", "bash", "python"}
_NOT_RUN = "not run: "
_BESIDE = ("examples", "protos", "third_party", "buf.yaml", ".venv")
_WITH_CODE = [
    page
    for page in PAGES
    if not page.is_relative_to(GENERATED) and any(block.language in _RUN for block in blocks(page))
]


def _run(block: Block, names: dict[str, Any], folder: Path) -> None:
    if block.language == "python":
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.source, "block", "exec"), names)
        if block.output is not None:
            compare(block.output, printed.getvalue())
    elif block.language == "bash":
        execute(Command(block.source, ""), folder)
    else:
        for command in commands(block.source):
            execute(command, folder)


@pytest.mark.parametrize("page", _WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_runs(
    page: Path,
    home: Path,
    addresses: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in _BESIDE:
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "CRYOLATTICE_HOME": str(home),
        "COLUMNS": "100",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "disabled",
    }.items():
        monkeypatch.setenv(name, value)
    if page.name != "README.md":
        # warm, which saves each command the start of the embedded services
        monkeypatch.setenv("CRYOLATTICE_SERVER", addresses["localhost:50051"])
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        if block.language not in _RUN or block.remark.startswith(_NOT_RUN):
            continue
        source = block.source
        for written, found in addresses.items():
            source = source.replace(written, found)
        try:
            _run(replace(block, source=source), names, tmp_path)
        except Exception as error:
            error.add_note(f"in the block at {page.relative_to(ROOT)}:{block.line}")
            raise


@pytest.mark.parametrize("page", _WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_not_run_says_why(page: Path) -> None:
    silent = [
        block.line
        for block in blocks(page)
        if block.remark.startswith("not run") and len(block.remark) <= len(_NOT_RUN)
    ]
    assert not silent
