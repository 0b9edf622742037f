"""What every server answers over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from cryolattice.client.calls import open_channel
from cryolattice.client.connection import Connection
from cryolattice.errors import (
    InvalidInputError,
)
from cryolattice.server.serving import is_loopback
from cryolattice_api.modeler.v1 import modeler_pb2

if TYPE_CHECKING:
    from tests.common.conftest import ModelsSpecs


@pytest.fixture(scope="module")
def channel(lab: Connection) -> Iterator[grpc.Channel]:
    with open_channel(lab.address) as channel:
        yield channel


def test_a_long_message_reaches_the_client(lab: Connection) -> None:
    with pytest.raises(InvalidInputError, match="projects/PROJECT/jobs/ID"):
        lab.get_job("ä" * 20_000)


def test_a_large_crystal_is_no_problem(lab: Connection, models_spec: ModelsSpecs) -> None:
    spec = models_spec(seed=105)
    spec.parent_crystal.cif += "# " + "reflections " * 500_000
    request = modeler_pb2.CreateModelsJobRequest(parent=lab.parent, spec=spec, validate_only=True)
    assert lab.call(lab.modeler.CreateModelsJob, request).estimate.store_bytes > 0


def test_health_answers_for_every_service(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "cryolattice_api.common.v1.JobService", *_services()):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="nope"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def _services() -> list[str]:
    return [
        f"cryolattice_api.{name.lower()}.v1.{name}Service"
        for name in ("Modeler", "Simulator", "Analyzer")
    ]


def test_reflection_lists_every_service(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (response,) = stub.ServerReflectionInfo(iter([request]))
    listed = {service.name for service in response.list_services_response.service}
    assert {*_services(), "cryolattice_api.common.v1.DatasetService"} <= listed
    assert "grpc.health.v1.Health" in listed


def test_which_addresses_other_machines_reach() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]")))
    assert not any(map(is_loopback, ("0.0.0.0", "[::]", "10.0.0.7", "facility.example.org")))
