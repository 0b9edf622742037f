"""Runs the console blocks of a page as a reader would, and compares what is printed.

A line that begins with ``$`` is a command; the lines below are its output, where ``...`` stands
for anything and white space does not count. Without such lines the output is not compared. A
command succeeds, unless the output shown begins with ``error:``: then it fails with exit code 2.
"""

from __future__ import annotations

import doctest
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from cryolattice.cli import session
from tests.commands import Outcome, run_here

_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_SHELL_SYNTAX = set("|&;<>()$`*?~!\n")
_TIMEOUT_SECONDS = 280


@dataclass(frozen=True)
class Command:
    """One command of a console block and the output that the page shows."""

    text: str
    expected: str


def commands(source: str) -> list[Command]:
    """Split a console block into its commands."""
    found: list[tuple[list[str], list[str]]] = []
    for line in source.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif found and not found[-1][1] and found[-1][0][-1].endswith("\\"):
            found[-1][0].append(line)
        elif found:
            found[-1][1].append(line)
        else:
            raise ValueError(f"a console block begins with '$ ', not with {line!r}")
    return [Command("\n".join(text), "\n".join(output).strip()) for text, output in found]


def compare(expected: str, printed: str) -> None:
    """Fail where what was printed is not what the page shows."""
    # doctest takes a leading ellipsis for a continuation prompt only when parsing, not here
    example = doctest.Example(source="", want=expected.strip() + "\n")
    checker = doctest.OutputChecker()
    if not checker.check_output(example.want, printed.strip() + "\n", _FLAGS):
        raise AssertionError(checker.output_difference(example, printed, _FLAGS))


def execute(command: Command, folder: Path) -> None:
    """Run a command in `folder` and compare; our own run in this process."""
    line = command.text.replace("\\\n", " ")
    words = shlex.split(line)
    plain = "--help" not in words and not _SHELL_SYNTAX & set(line)
    if words[0] == "cryolattice" and plain:
        done = _in_process(words[1:])
    else:
        done = _in_shell(command.text, folder)
    fails = command.expected.startswith("error:")
    if done.code != (2 if fails else 0):
        raise AssertionError(f"'{command.text}' ended with {done.code}:\n{done.out}{done.err}")
    if command.expected:
        compare(command.expected, done.err if fails else done.out)


def _in_process(arguments: list[str]) -> Outcome:
    # a console reads COLUMNS when it is made, which an earlier test may have caused
    columns = int(os.environ.get("COLUMNS", "100"))
    with (
        mock.patch.object(session.console, "_width", columns),
        mock.patch.object(session.errors, "_width", columns),
    ):
        return run_here(*arguments)


def _in_shell(text: str, folder: Path) -> Outcome:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
