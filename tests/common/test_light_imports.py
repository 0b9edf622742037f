"""What is imported when: a client must not pay for what it does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"ray", "abtem", "matplotlib", "cupy", "dask", "xarray", "pandas"}
WATCHING = {"prometheus_client", "opentelemetry"}


def _loaded(code: str, home: Path) -> set[str]:
    """Run code in a fresh interpreter and return the top-level modules that it loaded."""
    script = (
        f"{code}\nimport sys\nprint('\\n'.join({{name.split('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "CRYOLATTICE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return set(done.stdout.split())


def test_the_package_alone_is_light(tmp_path: Path) -> None:
    loaded = _loaded("import cryolattice, cryolattice.errors, cryolattice.names", tmp_path)
    assert not loaded & {*HEAVY, "numpy", "zarr", "xarray", "grpc", "google", "sqlalchemy"}


@pytest.mark.parametrize("argument", ["--help", "identify --help", "jobs --help"])
def test_help_imports_no_library(argument: str, tmp_path: Path) -> None:
    code = f"from cryolattice.cli.main import run\nassert run({argument.split()!r}) == 0"
    loaded = _loaded(code, tmp_path)
    assert "typer" in loaded
    assert not loaded & {*HEAVY, "numpy", "zarr", "xarray", "grpc", "sqlalchemy", "obstore"}


def test_client_and_server_import_no_engine(tmp_path: Path) -> None:
    loaded = _loaded("import cryolattice.client.lab, cryolattice.server.serving", tmp_path)
    assert "grpc" in loaded
    assert not loaded & HEAVY


def test_an_embedded_server_imports_no_engine(tmp_path: Path) -> None:
    code = (
        "import cryolattice\n"
        "with cryolattice.connect() as lab:\n"
        "    assert list(lab.jobs) == list(lab.datasets) == []\n"
    )
    loaded = _loaded(code, tmp_path)
    assert {"cryolattice_modeler", "cryolattice_analyzer", "cryolattice_simulator"} <= loaded
    assert not loaded & (HEAVY | WATCHING)


def test_a_worker_of_ray_imports_what_its_tile_needs(tmp_path: Path) -> None:
    code = (
        "import cryolattice.jobs.tile_worker, cryolattice_simulator.jobs\n"
        "import cryolattice_analyzer.jobs.rank\n"
    )
    loaded = _loaded(code, tmp_path)
    assert not loaded & {*HEAVY, "grpc", "sqlalchemy"}


def test_checking_a_cif_for_models_reads_no_other_formats(tmp_path: Path) -> None:
    # the server does it before it answers: seconds that a user waits
    parent = Path(__file__).parents[2] / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from cryolattice.jobs.kinds import Inputs\n"
        "from cryolattice.store.array_store import open_store\n"
        "from cryolattice_api.common.v1.crystal_pb2 import Supercell\n"
        "from cryolattice_api.modeler.v1 import modeler_pb2\n"
        "from cryolattice_modeler.jobs import prepare_models\n"
        f"crystal = modeler_pb2.Crystal(cif=Path({str(parent)!r}).read_text(), file_name='a.cif')\n"
        "cell = Supercell(a=2, b=2, c=1)\n"
        "spec = modeler_pb2.ModelsSpec(parent_crystal=crystal, supercell=cell)\n"
        f"prepare_models(spec, Inputs(open_store({tmp_path.as_uri()!r})))\n"
        "assert not {'ase.io', 'scipy.integrate'} & set(sys.modules)\n"
    )
    assert "cryolattice_modeler" in _loaded(code, tmp_path)
