"""The batch script, by the shell, by shellcheck and, where one runs, by Slurm itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.manifests import ROOT

SCRIPT = ROOT / "deploy" / "slurm" / "cryolattice.sbatch"
VENV = Path(sys.executable).parents[1]


def _slurm_runs() -> bool:
    if shutil.which("sinfo") is None:
        return False
    found = subprocess.run(
        ["sinfo", "--noheader"], capture_output=True, text=True, timeout=30, check=False
    )
    return found.returncode == 0 and "idle" in found.stdout


def test_the_shell_can_read_it() -> None:
    subprocess.run(["bash", "-n", SCRIPT], check=True)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing() -> None:
    done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (["cryolattice"], {}, "usage: sbatch"),
        ([], {"SLURM_JOB_ID": "7"}, "usage: sbatch"),
        (["cryolattice"], {"SLURM_JOB_ID": "7"}, "set CRYOLATTICE_VENV"),
    ],
)
def test_what_is_missing_is_said(
    arguments: list[str], environment: dict[str, str], told: str
) -> None:
    done = subprocess.run(
        ["bash", SCRIPT, *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.skipif(not _slurm_runs(), reason="no Slurm has an idle node here")
def test_a_sweep_runs_under_slurm(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    arguments = ("simulate", "examples/na2nh2bh4/na2nh2bh4_cubic.cif", "--thickness-max", "75.2")
    # waits for the job and ends with its code
    done = subprocess.run(
        [
            *("sbatch", "--wait", "--cpus-per-task=2", "--mem-per-cpu=1G", f"--output={log}"),
            *(SCRIPT, "cryolattice", *arguments, "--thickness-step", "18.8", "--json"),
        ],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "CRYOLATTICE_VENV": str(VENV),
            "CRYOLATTICE_HOME": str(tmp_path / "home"),
        },
        cwd=ROOT,
        timeout=280,
        check=False,
    )
    text = log.read_text()
    assert done.returncode == 0, text
    start = text.index("{\n")
    simulated, _ = json.JSONDecoder().raw_decode(text[start:])
    assert simulated["kind"] == "beams"
