"""What the pages say of arrays, JSON, calls and jobs is what the product has, name by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from cryolattice import connect
from cryolattice.jobs.kinds import installed_services
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1 import dataset_service_pb2, job_service_pb2
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_api.simulator.v1 import simulator_pb2
from tests.analyzer import instrument_files
from tests.analyzer.planted_spectra import PIXEL_ANGSTROM, planted_spectrum
from tests.commands import run_here
from tests.docs.markdown import ROOT

pytestmark = pytest.mark.xdist_group("home")

DATA = ROOT / "examples" / "na2nh2bh4"
PARENT = f"{DATA}/na2nh2bh4_cubic.cif"
COMMANDS = {
    "identify": f"identify {DATA}/micrograph_a.mrc --parent {PARENT} --supercell 2 2 1 "
    "--dose 22 --energy-kev 300 --cs-mm 2.7",
    "dose": f"dose {DATA}/saed_98K.mrc --pixel-size 0.0085 --dose-per-frame 2.5 "
    f"--compare {DATA}/saed_298K.mrc --compare-dose-per-frame 0.5",
    "ctf": f"ctf {DATA}/micrograph_a.mrc --energy-kev 300 --cs-mm 2.7",
    "lattice": f"lattice {DATA}/micrograph_a.mrc --parent {PARENT}",
    "average": f"average {DATA}/micrograph_a.mrc --parent {PARENT}",
    "enumerate": f"enumerate {PARENT} --supercell 2 2 1 --views c --k-max 0.5",
}
JOB_KINDS = [kind for service in installed_services().values() for kind in service.kinds]
UPLOADED = {"micrograph", "diffraction_series", "power_spectrum"}
# the first has arrays for its own report only, the second none
WITHOUT_TABLE = {"dose", "report"}


def _tables(page: Path) -> dict[str, list[list[str]]]:
    """Return the table rows below each heading that is a code span."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            code = re.search(r"`([^`]+)`", line)
            heading = code.group(1) if code else ""
        elif heading and line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found.setdefault(heading, []).append(cells)
    return found


def _fields(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of all fields: ``best.ordering_id``, ``ranking[].score``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            below = f"{path}.{key}".lstrip(".")
            yield from [below, *_fields(inner, below)]
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict):
                yield from _fields(inner, f"{path}[]")


@pytest.fixture(scope="module")
def answers(server: str) -> dict[str, Any]:
    """What each command prints with ``--json``."""
    done = {
        name: run_here(*line.split(), "--server", server, "--json")
        for name, line in COMMANDS.items()
    }
    return {name: outcome.json for name, outcome in done.items()}


@pytest.fixture(scope="module")
def rarer(server: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Datasets of the kinds that the commands above leave out."""
    path = tmp_path_factory.mktemp("spectrum") / "power.mrc"
    power = planted_spectrum(10300, 9900, 40, seed=4).astype(np.float32)
    path.write_bytes(instrument_files.mrc(power, PIXEL_ANGSTROM))
    assert run_here("ctf", path, "--power-spectrum", "--server", server).code == 0
    with connect(server, show_progress=False) as lab:
        lab.submit_enumeration(PARENT, (2, 2, 1)).wait()
        models = lab.models(PARENT, (2, 2, 1))
        chosen = models.json("models.json")[0]["model_id"]
        spec = simulator_pb2.PotentialSpec(models=models.ref, model_ids=[chosen])
        request = simulator_pb2.CreatePotentialJobRequest(spec=spec)
        lab.submit(lab.connection.simulator.CreatePotentialJob, request).wait()
        beams = lab.datasets.newest(kind="beams")[0]
        sweep = lab.dataset(beams.spec["models"]["name"])
        chosen = sweep.json("models.json")[0]["model_id"]
        images = simulator_pb2.ImagesSpec(
            beams=beams.ref, models=sweep.ref, model_id=chosen, thicknesses_angstrom=[9.4]
        )
        images.ctf_corrected = images.exit_wave = True
        wanted = simulator_pb2.CreateImagesJobRequest(spec=images)
        lab.submit(lab.connection.simulator.CreateImagesJob, wanted).wait()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_field_of_the_json_is_described(command: str, answers: dict[str, Any]) -> None:
    rows = _tables(ROOT / "docs" / "json.md")[command]
    described = {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    absent = tuple(f"{name}." for name, value in answers[command].items() if value is None)
    found = set(_fields(answers[command]))
    assert found == {name for name in described if not name.startswith(absent)}


@pytest.mark.usefixtures("answers")
@pytest.mark.parametrize("kind", ["micrograph", "models"])
def test_every_field_of_the_files_is_described(kind: str, home: Path) -> None:
    rows = _tables(ROOT / "docs" / "json.md")[f"{kind}.json"]
    described = {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    files = (home / "store" / "datasets" / kind).glob(f"*/files/{kind}.json")
    newest = max(files, key=lambda path: path.stat().st_mtime)
    # what a step of the transforms was told depends on the step
    found = {name for name in _fields(json.loads(newest.read_text())) if "transforms" not in name}
    assert found == described


@pytest.mark.usefixtures("answers", "rarer")
@pytest.mark.parametrize("kind", list(_tables(ROOT / "docs" / "data-platform.md")))
def test_every_array_is_described(kind: str, home: Path) -> None:
    rows = _tables(ROOT / "docs" / "data-platform.md")[kind]
    described = {row[0].strip("`"): (row[1], row[2]) for row in rows}
    # one that found nothing has no arrays
    group = next((home / "store" / "datasets" / kind).glob("*/data.zarr"))
    arrays = xr.open_zarr(group, consolidated=False).variables
    found = {
        name: (", ".join(map(str, array.dims)), array.attrs["units"])
        for name, array in arrays.items()
    }
    assert found == described


def test_every_kind_of_dataset_is_described() -> None:
    made = {kind.output_kind for kind in JOB_KINDS} | UPLOADED
    assert set(_tables(ROOT / "docs" / "data-platform.md")) == made - WITHOUT_TABLE


def test_every_kind_of_job_is_a_label_of_the_metrics() -> None:
    text = (ROOT / "docs" / "observability.md").read_text()
    label = re.search(r"Label `kind`: (.*?); only (.*?) have tiles", text, re.DOTALL)
    assert label
    kinds, tiled = (set(re.findall(r"`(\w+)`", part)) for part in label.groups())
    assert kinds == {kind.name for kind in JOB_KINDS}
    assert tiled == {kind.name for kind in JOB_KINDS if kind.tiled or kind.tiled_in_order}


def test_every_call_is_listed() -> None:
    text = (ROOT / "docs" / "developer.md").read_text()
    listed = {
        name: re.findall(r"`(\w+)`", calls)
        for name, calls in re.findall(r"^\| `(\w+Service)` \| (.*) \|$", text, re.M)
    }
    protocols = (modeler_pb2, simulator_pb2, analyzer_pb2, job_service_pb2, dataset_service_pb2)
    assert listed == {
        service.name: [method.name for method in service.methods]
        for protocol in protocols
        for service in protocol.DESCRIPTOR.services_by_name.values()
    }
