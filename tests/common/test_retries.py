"""Calls while the server is away, and answers that get lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from cryolattice.client.connection import Connection
from cryolattice.client.service_config import service_config
from cryolattice.errors import JobNotActiveError, ServerUnavailableError
from cryolattice.ledger.ledger import Ledger
from cryolattice.settings import Settings
from cryolattice.store.array_store import open_store
from cryolattice_api.common.v1.dataset_service_pb2 import FILE_ROLE_PLAIN, UploadHeader
from cryolattice_api.modeler.v1 import modeler_pb2
from tests.cutting_proxy import cutting_proxy
from tests.queued import queue_models_job
from tests.servers import free_port

if TYPE_CHECKING:
    from tests.common.conftest import ModelsSpecs


class Losing(grpc.GenericRpcHandler):
    """Hands every call on to a server, and loses its first answer to each method."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self.calls: Counter[str] = Counter()

    def service(self, handler_call_details: Any) -> Any:
        method: str = handler_call_details.method

        def hand_on(request: bytes, context: grpc.ServicerContext) -> bytes:
            answer: bytes = self._channel.unary_unary(method)(request)
            name = method.rsplit("/", 1)[-1]
            self.calls[name] += 1
            if self.calls[name] == 1:
                context.abort(grpc.StatusCode.UNAVAILABLE, "lost")
            return answer

        return grpc.unary_unary_rpc_method_handler(hand_on)


def _listen(handler: Losing, port: int = 0) -> tuple[grpc.Server, int]:
    server = grpc.server(ThreadPoolExecutor(2))
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.add_generic_rpc_handlers((handler,))
    server.start()
    return server, port


@pytest.fixture
def losing(lab: Connection) -> Iterator[tuple[Losing, Connection]]:
    with grpc.insecure_channel(lab.address) as channel:
        handler = Losing(channel)
        proxy, port = _listen(handler)
        with Connection(f"127.0.0.1:{port}", settings=lab.settings) as connection:
            yield handler, connection
        proxy.stop(None)


def test_a_job_whose_answer_was_lost_is_created_once(
    lab: Connection, losing: tuple[Losing, Connection], models_spec: ModelsSpecs
) -> None:
    handler, connection = losing
    request = modeler_pb2.CreateModelsJobRequest(parent=lab.parent, spec=models_spec(seed=300))
    before = len(lab.list_jobs(1000))
    job = connection.call(connection.modeler.CreateModelsJob, request).job
    assert handler.calls == {"CreateModelsJob": 2}
    assert not request.request_id, "the caller's own request asks for another job when it is reused"
    assert len(lab.list_jobs(1000)) == before + 1
    with suppress(JobNotActiveError):
        lab.cancel_job(job.name)


def test_what_would_be_refused_a_second_time_is_not_repeated(
    lab: Connection, losing: tuple[Losing, Connection], models_spec: ModelsSpecs
) -> None:
    handler, connection = losing
    ledger = Ledger(lab.settings.ledger_url)
    name = queue_models_job(ledger, open_store(lab.settings.store_url), models_spec(seed=301))
    ledger.cancel(name)
    ledger.close()
    with pytest.raises(ServerUnavailableError):
        connection.delete_job(name)
    assert handler.calls == {"DeleteJob": 1}


def test_an_upload_whose_connection_breaks_is_begun_again(lab: Connection, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(3 << 20))
    header = UploadHeader(role=FILE_ROLE_PLAIN)
    with (
        cutting_proxy(lab.address.removeprefix("unix:"), cuts=1) as proxy,
        Connection(proxy.address, settings=lab.settings) as connection,
    ):
        ref = connection.upload(path, header)
        assert proxy.connections == 2
    assert ref == lab.upload(path, header)
    assert lab.open_ref(ref).file(path.name) == path.read_bytes()


def test_an_upload_whose_connection_always_breaks_ends(
    lab: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cryolattice.client.dataset_calls._PAUSES_SECONDS", (0.01, 0.01))
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(3 << 20))
    with (
        cutting_proxy(lab.address.removeprefix("unix:"), cuts=100) as proxy,
        Connection(proxy.address, settings=lab.settings) as connection,
        pytest.raises(ServerUnavailableError, match=r"broke 3 times before large.bin \(3.15 MB\)"),
    ):
        connection.upload(path, UploadHeader(role=FILE_ROLE_PLAIN))
    assert proxy.connections >= 3


def test_every_call_has_a_deadline_but_streams() -> None:
    rules = json.loads(service_config())["methodConfig"]
    named = [(name["method"], rule) for rule in rules[:-1] for name in rule["name"]]
    assert len({method for method, _ in named}) == len(named)
    streams = {method for method, rule in named if "timeout" not in rule}
    assert {"WatchJob", "ReadObject", "EnumerateOrderings"} <= streams
    assert {method for method, rule in named if "retryPolicy" not in rule} == {
        "CancelJob",
        "DeleteJob",
        "ResumeJob",
    }
    assert rules[-1]["name"] == [{}]
    assert {"timeout", "retryPolicy"} <= rules[-1].keys()


def test_a_server_that_goes_away_and_comes_back(lab: Connection) -> None:
    with grpc.insecure_channel(lab.address) as channel:
        handler = Losing(channel)
        handler.calls["ListJobs"] = 1  # none is lost any more
        server, port = _listen(handler)
        with Connection(f"127.0.0.1:{port}", settings=lab.settings) as connection:
            connection.list_jobs(1)
            server.stop(None).wait()
            again = threading.Timer(1.0, lambda: back.append(_listen(handler, port)[0]))
            back: list[grpc.Server] = []
            began = time.monotonic()
            again.start()
            connection.list_jobs(1)
            assert time.monotonic() - began > 1.0
            assert handler.calls["ListJobs"] == 3
        again.join()
        back[0].stop(None)


@contextmanager
def _served(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [Path(sys.executable).parent / "cryolattice", "serve", "modeler"]
    with (home / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--metrics-port", "0"],
            env={"CRYOLATTICE_HOME": str(home), "PATH": "/usr/bin:/bin"},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    with Connection(f"127.0.0.1:{port}", settings=Settings(home=tmp_path)) as connection:
        with _served(tmp_path, port) as first:
            while True:
                try:
                    connection.list_jobs()
                    break
                except ServerUnavailableError:
                    assert first.poll() is None
            first.send_signal(signal.SIGKILL)
            first.wait()
        away = threading.Timer(0.5, lambda: back.append(again.__enter__()))
        back: list[subprocess.Popen[bytes]] = []
        again = _served(tmp_path, port)
        began = time.monotonic()
        away.start()
        assert connection.list_jobs() == []
        assert time.monotonic() - began > 0.5
        away.join()
        again.__exit__(None, None, None)
