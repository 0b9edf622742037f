"""What Prometheus sees of a served deployment, scraped and parsed as it does."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from cryolattice.client.calls import open_channel
from cryolattice.client.connection import Connection
from cryolattice.errors import JobNotFoundError
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.common.v1.dataset_service_pb2 import UploadHeader
from cryolattice_api.modeler.v1 import modeler_pb2
from tests.system.conftest import COMMAND, DATA, ROOT, Deployment
from tests.system.scrape import Scrape
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("served")

PAGE = ROOT / "docs" / "observability.md"
PARENT = DATA / "na2nh2bh4_cubic.cif"
# the ledger is read at most so often
FRESH_SECONDS = 3.0
JOBS = "cryolattice_api.common.v1.JobService"


@pytest.fixture
def scrape(deployment: Deployment) -> Callable[[], Scrape]:
    return lambda: Scrape(deployment.metrics_url)


@contextmanager
def _lab(deployment: Deployment, tmp_path: Path) -> Iterator[Connection]:
    with Connection(deployment.address, Settings(home=tmp_path)) as lab:
        yield lab


def _models(lab: Connection, cells: tuple[int, int, int], seed: int) -> job_pb2.Job:
    a, b, c = cells
    spec = modeler_pb2.ModelsSpec(
        parent_crystal=modeler_pb2.Crystal(cif=PARENT.read_text()),
        supercell=Supercell(a=a, b=b, c=c),
        seed=seed,
    )
    request = modeler_pb2.CreateModelsJobRequest(parent=lab.parent, spec=spec)
    job: job_pb2.Job = lab.call(lab.modeler.CreateModelsJob, request).job
    return job


def test_calls_are_counted_by_method_and_code(
    deployment: Deployment, scrape: Callable[[], Scrape], tmp_path: Path
) -> None:
    before = scrape()
    with _lab(deployment, tmp_path) as lab:
        lab.list_jobs()
        lab.list_jobs()
        with pytest.raises(JobNotFoundError):
            lab.get_job("projects/default/jobs/none")
    # an answer is with the caller a moment before it is counted
    code = {"grpc_method": "GetJob", "grpc_code": "NOT_FOUND"}
    name = "grpc_server_handled_total"
    until(lambda: scrape()(name, **code) > before(name, **code))
    after = scrape()

    def rise(name: str, **labels: str) -> float:
        return after(name, grpc_service=JOBS, **labels) - before(name, grpc_service=JOBS, **labels)

    assert rise("grpc_server_started_total", grpc_method="ListJobs") == 2
    assert rise("grpc_server_handled_total", grpc_method="ListJobs", grpc_code="OK") == 2
    assert rise("grpc_server_handling_seconds_count", grpc_method="ListJobs") == 2
    assert 0 < rise("grpc_server_handling_seconds_sum", grpc_method="ListJobs") < 20
    assert rise("grpc_server_handled_total", grpc_method="GetJob", grpc_code="NOT_FOUND") == 1
    assert rise("grpc_server_handled_total", grpc_method="GetJob", grpc_code="OK") == 0
    assert after("grpc_server_in_flight", grpc_type="unary") == 0


def test_a_made_up_method_makes_no_series(
    deployment: Deployment, scrape: Callable[[], Scrape]
) -> None:
    def nonsense(channel: grpc.Channel, number: int) -> None:
        for path in (f"/made.up.Service{number}/Method", f"/{JOBS}/MadeUp{number}"):
            call = channel.unary_unary(path)
            with pytest.raises(grpc.RpcError) as caught:
                call(b"", timeout=10)
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED

    with open_channel(deployment.address) as channel:
        nonsense(channel, 0)
        before = scrape()
        for number in range(1, 6):
            nonsense(channel, number)
    after = scrape()
    refused = {"grpc_method": "unknown", "grpc_code": "UNIMPLEMENTED"}
    name = "grpc_server_handled_total"
    assert after(name, **refused) - before(name, **refused) == 10
    assert len(after.samples) == len(before.samples)
    assert "adeUp" not in after.text
    assert "made" not in after.text


def test_uploads_and_downloads_are_counted_in_bytes(
    deployment: Deployment, scrape: Callable[[], Scrape], tmp_path: Path
) -> None:
    content = os.urandom(300_000)
    (tmp_path / "some.bin").write_bytes(content)
    before = scrape()
    with _lab(deployment, tmp_path) as lab:
        ref = lab.upload(tmp_path / "some.bin", UploadHeader())
        assert lab.open_ref(ref).file("some.bin") == content
    after = scrape()
    for name, method in (
        ("grpc_server_msg_received_bytes_total", "UploadFile"),
        ("grpc_server_msg_sent_bytes_total", "ReadObject"),
    ):
        moved = after(name, grpc_method=method) - before(name, grpc_method=method)
        assert len(content) < moved < len(content) + 20_000
    name = "cryolattice_store_bytes_total"
    assert after(name, direction="read") - before(name, direction="read") > len(content)


def test_open_watchers_are_seen(
    deployment: Deployment, scrape: Callable[[], Scrape], tmp_path: Path
) -> None:
    def watchers() -> float:
        return scrape()("grpc_server_in_flight", grpc_method="WatchJob")

    with _lab(deployment, tmp_path) as lab:
        job = _models(lab, (2, 2, 2), seed=701)
        watching = lab.watch_job(job.name)
        next(watching)
        until(lambda: watchers() == 1)
        assert scrape()("cryolattice_worker_slots_busy", pool="worker") == 1
        assert scrape()("cryolattice_worker_processes") >= 1
        watching.close()  # the caller goes away in the middle of the stream
        until(lambda: watchers() == 0)
        cancelled = scrape()(
            "grpc_server_handled_total", grpc_method="WatchJob", grpc_code="CANCELLED"
        )
        assert cancelled >= 1
        lab.cancel_job(job.name)
        *_, job = lab.watch_job(job.name)
        assert job.state == job_pb2.JOB_STATE_CANCELLED


def test_jobs_of_other_processes_are_counted(
    deployment: Deployment, scrape: Callable[[], Scrape], tmp_path: Path
) -> None:
    time.sleep(FRESH_SECONDS)
    before = scrape()
    with _lab(deployment, tmp_path) as lab:
        for _ in range(2):
            *_, job = lab.watch_job(_models(lab, (1, 1, 3), seed=702).name)
            assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    name = "cryolattice_job_store_bytes_total"  # counted last, when the job has ended
    until(lambda: scrape()(name, kind="models") > before(name, kind="models"))
    after = scrape()

    def rise(name: str, **labels: str) -> float:
        return after(name, kind="models", **labels) - before(name, kind="models", **labels)

    assert after("cryolattice_ledger_up") == 1
    assert rise("cryolattice_jobs_ended_total", outcome="succeeded") == 1
    assert rise("cryolattice_jobs_ended_total", outcome="answered") == 1
    assert rise("cryolattice_job_queue_seconds_count") == 1
    assert rise("cryolattice_job_duration_seconds_count") == 1
    assert rise("cryolattice_job_duration_seconds_bucket", le="+Inf") == 1
    assert 0 < rise("cryolattice_job_duration_seconds_sum") < 60
    assert rise("cryolattice_job_store_bytes_total", direction="written") > 1000
    assert after("cryolattice_jobs", kind="models") == 0
    assert after("cryolattice_job_oldest_queued_age_seconds", kind="models") == 0


def test_the_process_and_the_build_are_described(scrape: Callable[[], Scrape]) -> None:
    now = scrape()
    assert now("process_resident_memory_bytes") > 1e7
    assert now("process_open_fds") > 3
    assert now("cryolattice_build_info", services="analyzer,modeler,simulator") == 1
    assert now("cryolattice_worker_slots", pool="worker") >= 1


def test_promtool_has_no_complaint(scrape: Callable[[], Scrape]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=scrape().text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


ROW = re.compile(r"^\| `((?:cryolattice|grpc_server)_\w+)` \| (counter|gauge|histogram)")
EXAMPLE = re.compile(r"`([^`]*)`(?:: \w+)? \|$")


def _documented() -> dict[str, tuple[str, str]]:
    """Type and example of every metric of the documentation."""
    found = {}
    for line in PAGE.read_text().splitlines():
        if row := ROW.match(line):
            example = EXAMPLE.search(line)
            assert example, line
            found[row[1]] = (row[2], example[1])
    return found


def test_the_documentation_lists_what_is_shown(scrape: Callable[[], Scrape]) -> None:
    shown = dict(
        re.findall(r"^# TYPE ((?:cryolattice|grpc_server)_\w+) (\w+)", scrape().text, re.M)
    )
    assert {name: kind for name, (kind, _) in _documented().items()} == shown


def test_the_examples_are_promql(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    rules = [
        {"record": f"example:{name}", "expr": example}
        for name, (_, example) in _documented().items()
    ]
    for rule, name in zip(rules, _documented(), strict=True):
        assert name in rule["expr"]
    (tmp_path / "rules.yaml").write_text(
        json.dumps({"groups": [{"name": "examples", "rules": rules}]})
    )
    done = subprocess.run(
        [promtool, "check", "rules", tmp_path / "rules.yaml"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_a_taken_metrics_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [COMMAND, "serve", "modeler", "--port", "0", "--metrics-port", str(port)],
            env={**os.environ, "CRYOLATTICE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--metrics-port" in done.stderr
    assert "Traceback" not in done.stderr
