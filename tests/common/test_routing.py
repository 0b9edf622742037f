"""A deployment whose services listen at addresses of their own."""

from __future__ import annotations

import pytest

from cryolattice.client.calls import open_channel
from cryolattice.client.routing import RoutedChannel, parse_addresses, service_of
from cryolattice.errors import InvalidInputError


def test_each_service_has_its_address() -> None:
    given = "simulator=b:2, modeler=a:1,analyzer=[::1]:3"
    assert parse_addresses(given) == {"modeler": "a:1", "simulator": "b:2", "analyzer": "[::1]:3"}


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ("modeler=a:1", "without an address of the simulator and the analyzer"),
        ("modeler=a:1,modeler=b:1", "write HOST:PORT"),
        ("portal=a:1", "write HOST:PORT"),
        ("modeler=,simulator=b:2,analyzer=c:3", "write HOST:PORT"),
    ],
)
def test_what_is_missing_is_said(server: str, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told) as caught:
        open_channel(server)
    assert caught.value.field == "server"


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("/cryolattice_api.modeler.v1.ModelerService/CountOrderings", "modeler"),
        ("/cryolattice_api.simulator.v1.SimulatorService/CreateSweepJob", "simulator"),
        ("/cryolattice_api.analyzer.v1.AnalyzerService/CreateRankJob", "analyzer"),
        ("/cryolattice_api.common.v1.DatasetService/UploadFile", "analyzer"),
        ("type.googleapis.com/cryolattice_api.simulator.v1.SweepSpec", "simulator"),
    ],
)
def test_a_name_tells_its_service(name: str, service: str) -> None:
    assert service_of(name) == service


def test_a_socket_is_one_address() -> None:
    channel = open_channel("unix:/tmp/a=b/server.sock")
    assert not isinstance(channel, RoutedChannel)
    channel.close()
