"""Traces and logs of a served deployment, with a caller of another make."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from cryolattice_api.common.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.modeler.v1 import modeler_pb2, modeler_pb2_grpc
from tests.system.conftest import DATA, Deployment
from tests.traces import Span
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("served")

PARENT = DATA / "na2nh2bh4_cubic.cif"


@pytest.fixture(scope="module")
def channel(deployment: Deployment) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(deployment.address) as channel:
        yield channel


@pytest.fixture(scope="module")
def jobs(channel: grpc.Channel) -> job_service_pb2_grpc.JobServiceStub:
    return job_service_pb2_grpc.JobServiceStub(channel)


class Caller:
    """Calls as a program does that has OpenTelemetry of its own."""

    def __init__(self) -> None:
        self.trace_id, self.span_id = secrets.token_hex(16), secrets.token_hex(8)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("traceparent", f"00-{self.trace_id}-{self.span_id}-01"),)


def _create(channel: grpc.Channel, caller: Caller, seed: int, cells: int = 1) -> str:
    spec = modeler_pb2.ModelsSpec(
        parent_crystal=modeler_pb2.Crystal(cif=PARENT.read_text()),
        supercell=Supercell(a=cells, b=cells, c=3 if cells == 1 else cells),
        seed=seed,
    )
    request = modeler_pb2.CreateModelsJobRequest(parent="projects/default", spec=spec)
    stub = modeler_pb2_grpc.ModelerServiceStub(channel)
    name: str = stub.CreateModelsJob(request, metadata=caller.metadata).job.name
    return name


def _end(jobs: Any, name: str) -> job_pb2.Job:
    *_, last = jobs.WatchJob(job_service_pb2.WatchJobRequest(name=name))
    job: job_pb2.Job = last.job
    return job


def _span(deployment: Deployment, matches: Callable[[Span], bool]) -> Span:
    def found() -> list[Span]:
        return [span for span in deployment.traces.spans if matches(span)]

    until(found, lambda: deployment.traces.spans)
    return found()[0]


def _lines(deployment: Deployment, name: str) -> list[dict[str, Any]]:
    return [line for line in deployment.log if line.get("job") == name]


def test_a_job_is_in_the_trace_of_its_caller(
    deployment: Deployment, channel: grpc.Channel, jobs: Any
) -> None:
    caller = Caller()
    name = _create(channel, caller, seed=711)
    assert _end(jobs, name).state == job_pb2.JOB_STATE_SUCCEEDED
    call = _span(deployment, lambda span: span.parent_id == caller.span_id)
    assert call.service == "cryolattice-all"
    assert call.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": "cryolattice_api.modeler.v1.ModelerService/CreateModelsJob",
        "rpc.response.status_code": "OK",
    }
    job = _span(deployment, lambda span: span.parent_id == call.span_id)
    assert (job.service, job.name) == ("cryolattice-worker", "job models")
    assert job.attributes["cryolattice.job.name"] == name
    assert call.trace_id == job.trace_id == caller.trace_id

    created, begun, ended = _lines(deployment, name)
    assert [line["event"] for line in (created, begun, ended)] == [
        "job created",
        "job begun",
        "job ended",
    ]
    for line in (begun, ended):  # by the worker's process
        assert (line["kind"], line["attempt"]) == ("models", 1)
        assert (line["trace_id"], line["span_id"]) == (caller.trace_id, job.span_id)
    assert ended["state"] == "SUCCEEDED"
    assert ended["seconds"] > 0


def test_a_resumed_attempt_belongs_to_the_resume_and_is_linked(
    deployment: Deployment, channel: grpc.Channel, jobs: Any
) -> None:
    first, second = Caller(), Caller()
    name = _create(channel, first, seed=712, cells=2)
    jobs.CancelJob(job_service_pb2.CancelJobRequest(name=name))
    assert _end(jobs, name).state == job_pb2.JOB_STATE_CANCELLED
    jobs.ResumeJob(job_service_pb2.ResumeJobRequest(name=name), metadata=second.metadata)
    created = _span(deployment, lambda span: span.parent_id == first.span_id)
    resumed = _span(deployment, lambda span: span.parent_id == second.span_id)
    asked = job_service_pb2.GetJobRequest(name=name)
    until(lambda: jobs.GetJob(asked).job.progress.tile_count)
    jobs.CancelJob(job_service_pb2.CancelJobRequest(name=name))
    _end(jobs, name)
    attempt = _span(deployment, lambda span: span.parent_id == resumed.span_id)
    assert attempt.trace_id == second.trace_id
    assert attempt.linked_ids == (created.span_id,)


def test_a_refused_call_tells_its_code(deployment: Deployment, jobs: Any) -> None:
    caller = Caller()
    with pytest.raises(grpc.RpcError):
        jobs.GetJob(
            job_service_pb2.GetJobRequest(name="projects/p/jobs/none"), metadata=caller.metadata
        )
    span = _span(deployment, lambda span: span.parent_id == caller.span_id)
    assert span.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert not span.failed, "the caller's mistake is not the server's"
    line = next(line for line in deployment.log if line.get("span_id") == span.span_id)
    assert line["event"] == "request"
    assert (line["method"], line["code"]) == (span.name, "NOT_FOUND")
    assert line["duration_ms"] > 0
    assert line["peer"].startswith("ipv4:127.0.0.1:")


def test_every_line_is_json_and_short(deployment: Deployment, channel: grpc.Channel) -> None:
    _create(channel, Caller(), seed=713)
    assert deployment.log
    for line in deployment.log:
        assert {"event", "level", "timestamp"} <= line.keys()
        text = json.dumps(line)
        assert len(text) < 5000
        assert "_atom_site" not in text
