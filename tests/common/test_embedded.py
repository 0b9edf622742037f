from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import cryolattice
from cryolattice.client.connection import Connection
from cryolattice.client.embedded import EmbeddedServer
from cryolattice.errors import InvalidInputError, PreconditionError
from cryolattice.server.serving import choose_services, running_server
from cryolattice.settings import Settings
from cryolattice_api.common.v1.dataset_service_pb2 import FILE_ROLE_PLAIN, UploadHeader
from tests.worker_processes import workers_of


def test_a_server_of_its_own_comes_and_goes(settings: Settings) -> None:
    with Connection(settings=settings) as lab:
        path = Path(lab.address.removeprefix("unix:"))
        assert path.is_socket()
        assert lab.list_jobs() == []
        assert lab.list_datasets() == []
    assert not path.parent.exists()
    assert (settings.home / "ledger.db").is_file()


def test_two_servers_share_the_data(settings: Settings) -> None:
    with Connection(settings=settings) as one, Connection(settings=settings) as two:
        assert one.address != two.address
        assert one.list_jobs() == two.list_jobs() == []


def test_the_worker_that_is_expected_is_ready(settings: Settings) -> None:
    upload = UploadHeader(role=FILE_ROLE_PLAIN)
    with Connection(settings=settings, expects="job") as lab:
        (worker,) = workers_of(settings.home)
        lab.upload(Path(__file__), upload)
        assert workers_of(settings.home) == [worker], "it is the one that works"
    assert not worker.is_running()


def test_a_server_starts_no_further_threads(settings: Settings) -> None:
    def threads() -> set[threading.Thread]:
        of_server = ("asyncio_", "cryolattice-server")
        return {one for one in threading.enumerate() if one.name.startswith(of_server)}

    with Connection(settings=settings) as lab:
        ready = threads()
        with ThreadPoolExecutor(20) as pool:
            assert not any(pool.map(lambda _: lab.list_jobs(), range(40)))
        # it could not while the program ends
        assert threads() == ready


def test_connect_is_offered_by_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYOLATTICE_HOME", str(tmp_path / "home"))
    with cryolattice.connect() as lab:
        assert isinstance(lab, cryolattice.Lab)
        assert lab.connection.settings.home == tmp_path / "home"
    with pytest.raises(AttributeError, match="nope"):
        cryolattice.nope  # noqa: B018


def test_data_that_cannot_be_kept_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PreconditionError, match="CRYOLATTICE_HOME") as caught:
        Connection(settings=Settings(home=tmp_path / "file"), expects="job")
    assert caught.value.field == "CRYOLATTICE_LEDGER_URL"
    with pytest.raises(PreconditionError, match="CRYOLATTICE_STORE_URL"):
        Connection(
            settings=Settings(home=tmp_path / "home", store_url=(tmp_path / "file").as_uri())
        )


def test_a_long_temporary_folder_leaves_room_for_the_socket(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    server = EmbeddedServer(settings)
    server.close()


DAMAGED = """
import sys
from cryolattice.client.connection import Connection
from cryolattice.errors import InternalError
with Connection() as lab:
    try:
        lab.list_jobs()
    except InternalError as error:
        print("caught")
"""


def test_logs_stay_off_standard_output(settings: Settings) -> None:
    with Connection(settings=settings):
        pass
    with sqlite3.connect(settings.home / "ledger.db") as connection:
        connection.execute(
            "INSERT INTO jobs (project, id, kind, service, state, dataset_kind, dataset_id, "
            "request_sha256, version, owner, lease_until, job) "
            "VALUES ('default', 'x', '', '', 1, '', '', '', 1, '', 0, x'ffff')"
        )
    connection.close()
    done = subprocess.run(
        [sys.executable, "-c", DAMAGED],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == "caught\n"
    assert "request failed" in done.stderr


def test_services_are_chosen_by_name() -> None:
    assert [service.name for service in choose_services(["modeler"])] == ["modeler"]
    assert len(choose_services(["all"])) == 3
    with pytest.raises(InvalidInputError, match="'portall'"):
        choose_services(["portall"])


def test_a_port_that_is_taken_is_named(settings: Settings) -> None:
    async def serve(address: str) -> None:
        async with running_server(settings, (), address):
            pass

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PreconditionError, match=address):
            asyncio.run(serve(address))
