"""A served deployment: the same answers, discovery by reflection, health."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import mrcfile
import pytest

from cryolattice.ledger.ledger import Ledger
from cryolattice.settings import Settings
from cryolattice.store.array_store import open_store
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.modeler.v1 import modeler_pb2
from tests.commands import run_here
from tests.queued import queue_models_job
from tests.system.conftest import DATA, ROOT, Deployment, Run
from tests.system.scrape import Scrape
from tests.traces import TraceReceiver
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("served")

BUF = Path(sys.executable).parent / "buf"
PARENT = DATA / "na2nh2bh4_cubic.cif"


def _curl(deployment: Deployment, *arguments: str) -> str:
    done = subprocess.run(
        [BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_reflection_lists_every_service(deployment: Deployment) -> None:
    listed = _curl(deployment, "--list-services", f"http://{deployment.address}").split()
    for name in (
        "cryolattice_api.common.v1.JobService",
        "cryolattice_api.common.v1.DatasetService",
        "cryolattice_api.modeler.v1.ModelerService",
        "cryolattice_api.simulator.v1.SimulatorService",
        "cryolattice_api.analyzer.v1.AnalyzerService",
        "grpc.health.v1.Health",
    ):
        assert name in listed


def test_it_is_healthy(deployment: Deployment) -> None:
    answer = _curl(
        deployment, "-d", "{}", f"http://{deployment.address}/grpc.health.v1.Health/Check"
    )
    assert json.loads(answer) == {"status": "SERVING"}


def test_a_call_without_our_client(deployment: Deployment) -> None:
    request = {
        "parentCrystal": {"cif": PARENT.read_text()},
        "supercell": {"a": 2, "b": 2, "c": 2},
    }
    url = f"http://{deployment.address}/cryolattice_api.modeler.v1.ModelerService/CountOrderings"
    answer = json.loads(_curl(deployment, "-d", json.dumps(request), url))
    assert answer["total"] == "735471"
    assert answer["classes"] == "2664"


def test_the_served_answer_is_the_embedded_one(deployment: Deployment, cryolattice: Run) -> None:
    arguments = ("enumerate", PARENT, "--supercell", 2, 2, 1, "--json")
    served = deployment.run(*arguments, "--server", deployment.address)
    assert served.code == 0, served.err
    assert served.json == cryolattice(*arguments).json
    assert served.json["total"] == 495
    assert served.json["classes"] == 35
    assert sum(row["multiplicity"] for row in served.json["orderings"]) == 495


def test_a_sweep_job_through_the_server(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "simulated"
    outcome = deployment.run(
        *("simulate", PARENT, "--thickness", "18.8:300.8:18.8", "--defocus", 2500),
        *("--dose", 22, "--pixel-size", 0.5, "--format", "mrc"),
        *("--out", out, "--server", deployment.address, "--json"),
    )
    assert outcome.code == 0, outcome.err
    dataset = outcome.json
    assert dataset["kind"] == "beams"
    assert dataset["images"]["kind"] == "images"
    for name in ("thickness_series", "image", "projected_potential", "exit_wave", "diffraction"):
        assert (out / f"{name}.png").exists()
    with mrcfile.open(out / "image.mrc") as mrc:
        assert mrc.data.shape == (16, 19, 19)
        assert float(mrc.voxel_size.x) == 0.5
        # within four standard errors of the dose, less what is scattered beyond the beams
        assert mrc.data.mean() == pytest.approx(22 * 0.5**2, rel=0.1)
    monkeypatch.setenv("CRYOLATTICE_HOME", str(tmp_path / "home"))
    name = dataset["name"].rsplit("/", 1)[-1]
    verified = run_here("datasets", "verify", name, "--server", deployment.address)
    assert verified.code == 0
    assert "all as committed" in verified.out
    exported = tmp_path / "exported"
    copied = run_here("datasets", "export", name, "--out", exported, "--server", deployment.address)
    assert copied.code == 0
    assert (exported / "manifest.json").exists()
    made = ("jobs", "list", "--filter", "kind = sweep", "--server", deployment.address, "--json")
    assert {job["state"] for job in run_here(*made).json["jobs"]} == {"JOB_STATE_SUCCEEDED"}
    _check_tiles(Scrape(deployment.metrics_url))
    _check_trace(deployment.traces)


def test_the_example_that_watches_a_job(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["watch_a_job.py", deployment.address])
    runpy.run_path(str(ROOT / "examples" / "watch_a_job.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert "submitted projects/default/jobs/sweep-" in out
    assert "SUCCEEDED" in out
    assert "'thickness': 16" in out


def test_a_job_whose_worker_is_gone_is_taken_on_again(deployment: Deployment) -> None:
    settings = Settings(home=deployment.home)
    spec = modeler_pb2.ModelsSpec(
        parent_crystal=modeler_pb2.Crystal(cif=PARENT.read_text()),
        supercell=Supercell(a=1, b=1, c=3),
        seed=990,
    )
    ledger = Ledger(settings.ledger_url)
    name = queue_models_job(ledger, open_store(settings.store_url), spec)
    ledger.begin_attempt(name, "somebody who died", 0.0)
    until(lambda: ledger.get(name).job.HasField("end_time"), lambda: ledger.get(name).job)
    job = ledger.get(name).job
    ledger.close()
    assert (job.state, job.attempt) == (job_pb2.JOB_STATE_SUCCEEDED, 2)


def _check_trace(traces: TraceReceiver) -> None:
    """One trace goes from the command through server and driver to Ray's workers."""
    spans = {span.span_id: span for span in traces.spans}
    tile = next(span for span in spans.values() if span.name == "tile")
    path = [tile]
    while path[-1].parent_id:
        path.append(spans[path[-1].parent_id])
    assert [span.service for span in path] == [
        "cryolattice-tile",
        "cryolattice-driver",
        "cryolattice-all",
        "cryolattice-client",
    ]
    assert path[1].name == "job sweep"
    assert path[2].name == path[3].name
    assert path[2].name.endswith("SimulatorService/CreateSweepJob")
    assert {span.trace_id for span in path} == {tile.trace_id}
    assert tile.attributes["cryolattice.job.name"] == path[1].attributes["cryolattice.job.name"]


def _check_tiles(now: Scrape) -> None:
    """Tiles computed by Ray's workers are counted by the server that asked for them."""
    tiles = now("cryolattice_tiles_total", kind="sweep", outcome="computed")
    assert tiles >= 1
    assert now("cryolattice_tiles_total", kind="sweep", outcome="failed") == 0
    assert now("cryolattice_tile_duration_seconds_count", kind="sweep") == tiles
    assert now("cryolattice_candidate_duration_seconds_count", kind="sweep") >= tiles
    seconds = now("cryolattice_tile_duration_seconds_sum", kind="sweep")
    assert seconds > 0
    assert now("cryolattice_candidate_duration_seconds_sum", kind="sweep") == pytest.approx(seconds)


def test_no_server_there(cryolattice: Run) -> None:
    outcome = cryolattice("jobs", "list", "--server", "127.0.0.1:9", "--json")
    assert outcome.code == 1
    assert outcome.json["error"]["reason"] == "SERVER_UNAVAILABLE"
    assert "cryolattice serve all" in outcome.json["error"]["message"]
