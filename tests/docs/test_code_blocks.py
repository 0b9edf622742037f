"""The code of every page runs, top to bottom, in a folder of its own with the examples.

``console`` and ``bash`` blocks are commands (see `tests.docs.shell`), ``python`` blocks of a page
share their names, and a ``text`` block directly after one is what it prints. Other languages are
not run, nor is a block below ``<!-- not run: why -->``. ``localhost:50051`` is a server of the
session.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.docs.markdown import GENERATED, PAGES, ROOT, Block, blocks
from tests.docs.shell import Command, commands, compare, execute

# one worker runs what needs a sweep, so that it is computed once
pytestmark = pytest.mark.xdist_group("ray")

_RUN = {"console", "bash", "python"}
_NOT_RUN = "not run: "
_BESIDE = ("examples", "protos", "third_party", "buf.yaml", ".venv")
_SERVER = "localhost:50051"
_WITH_CODE = [
    page
    for page in PAGES
    if not page.is_relative_to(GENERATED) and any(block.language in _RUN for block in blocks(page))
]


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    """``cryolattice serve all`` on a free port, with the data of the embedded commands."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    log = home / "serve.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "cryolattice", "serve", "all", "--port", address[10:]],
            env={**os.environ, "CRYOLATTICE_HOME": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + 60
    while "serving" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "the server did not start in 60 s"
        time.sleep(0.1)
    yield address
    process.send_signal(signal.SIGTERM)
    process.wait(30)


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
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
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
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        if block.language not in _RUN or block.remark.startswith(_NOT_RUN):
            continue
        address = request.getfixturevalue("server") if _SERVER in block.source else ""
        source = block.source.replace(_SERVER, address) if address else block.source
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
