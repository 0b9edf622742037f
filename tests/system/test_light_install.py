"""The shared package installed alone: a client of a deployment, without engines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cryolattice
from tests.system.conftest import DATA, ROOT, Deployment

NOT_INSTALLED = ("ray", "abtem", "matplotlib", "scipy", "ase", "gemmi", "rsciio", "jinja2")
UV = shutil.which("uv", path=f"{ROOT / '.bootstrap' / 'bin'}{os.pathsep}{os.environ['PATH']}")

pytestmark = [
    pytest.mark.skipif(UV is None, reason="needs uv, which 'make setup' installs"),
    pytest.mark.xdist_group("served"),
]


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the package and what it declares, in the locked versions."""
    folder = tmp_path_factory.mktemp("light")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    source = ROOT / "services" / "common"
    subprocess.run([*build, "--directory", folder], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("cryolattice-*.whl")
    environment = folder / "venv"
    subprocess.run([UV, "venv", "--python", sys.executable, environment], check=True)
    install = [UV, "pip", "install", "--python", environment / "bin" / "python"]
    install += ["--constraints", ROOT / "requirements.lock", wheel]
    # what 'make setup' has fetched is in uv's cache
    if subprocess.run([*install, "--offline"], check=False, capture_output=True).returncode:
        subprocess.run(install, check=True)
    return environment / "bin"


def _run(light: Path, tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [light / command[0], *command[1:]],
        env={"PATH": os.defpath, "HOME": str(tmp_path), "CRYOLATTICE_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


CLIENT = """
import importlib.util, json, sys
import cryolattice

with cryolattice.connect(sys.argv[1], show_progress=False) as lab:
    orderings = lab.enumerate(sys.argv[3], (2, 2, 1))
    dataset = lab.dataset(sys.argv[2])
    arrays = dataset.to_xarray()
    try:
        dataset.atoms("disordered")
    except cryolattice.errors.PreconditionError as error:
        no_ase = error.message
    print(json.dumps({
        "where": cryolattice.__file__,
        "classes": orderings.classes,
        "position": arrays["position"].values.tolist(),
        "units": arrays["position"].attrs["units"],
        "no_ase": no_ase,
        "installed": [n for n in json.loads(sys.argv[4]) if importlib.util.find_spec(n)],
    }))
"""


def test_a_client_of_a_deployment(light: Path, deployment: Deployment, tmp_path: Path) -> None:
    parent = DATA / "na2nh2bh4_cubic.cif"
    with cryolattice.connect(deployment.address, show_progress=False) as lab:
        models = lab.models(parent, (1, 1, 3), clusters={})
        positions = models["position"].values
    arguments = (deployment.address, models.name, str(parent), json.dumps(NOT_INSTALLED))
    done = _run(light, tmp_path, "python", "-c", CLIENT, *arguments)
    assert done.returncode == 0, done.stderr
    found: Any = json.loads(done.stdout)
    assert Path(found["where"]).is_relative_to(light.parent)
    assert found["installed"] == []
    assert found["classes"] == 35
    assert found["position"] == positions.tolist()
    assert found["units"] == "angstrom"
    assert "pip install 'cryolattice[ase]'" in found["no_ase"]
    assert not (tmp_path / "home").exists()


def test_its_command(light: Path, tmp_path: Path) -> None:
    shown = _run(light, tmp_path, "cryolattice", "--help")
    assert shown.returncode == 0
    assert "identify" in shown.stdout
    refused = _run(light, tmp_path, "cryolattice", "jobs", "list")
    assert refused.returncode == 2
    assert "install cryolattice-modeler" in refused.stderr
    assert "HOST:PORT of a deployment" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "home").exists()
