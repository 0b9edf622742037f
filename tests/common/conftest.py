"""Real parts for the tests of the shared package: a folder, a SQLite file, an embedded server."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from cryolattice.client.calls import open_channel
from cryolattice.client.connection import Connection
from cryolattice.ledger.ledger import Ledger
from cryolattice.settings import Settings
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.modeler.v1 import modeler_pb2
from tests.queued import queue_models_job
from tests.servers import Postgresql, S3Server

EXAMPLES = Path(__file__).parents[2] / "examples" / "na2nh2bh4"

ModelsSpecs = Callable[..., modeler_pb2.ModelsSpec]
QueueModels = Callable[[modeler_pb2.ModelsSpec], str]


@pytest.fixture(scope="session", autouse=True)
def _environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        for name in ("HOME", "STORE_URL", "LEDGER_URL", "PROJECT", "SERVER"):
            patch.delenv(f"CRYOLATTICE_{name}", raising=False)
        yield


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running S3 server, which this process is set up to use."""
    server = S3Server(tmp_path_factory.mktemp("s3") / "data")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="session")
def examples() -> Path:
    return EXAMPLES


@pytest.fixture(scope="session")
def models_spec() -> ModelsSpecs:
    """Makes the spec of a models job; `seed` makes another question of it."""

    def make(cells: tuple[int, int, int] = (1, 1, 3), seed: int = 0) -> modeler_pb2.ModelsSpec:
        a, b, c = cells
        crystal = modeler_pb2.Crystal(cif=(EXAMPLES / "na2nh2bh4_cubic.cif").read_text())
        return modeler_pb2.ModelsSpec(
            parent_crystal=crystal, supercell=Supercell(a=a, b=b, c=c), seed=seed
        )

    return make


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def root(settings: Settings) -> ArrayStore:
    return open_store(settings.store_url)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, settings: Settings) -> str:
    """URL of an empty ledger, in each of the databases that may hold one."""
    if request.param == "sqlite":
        return settings.ledger_url
    server: Postgresql = request.getfixturevalue("postgresql_server")
    return server.new_url()


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    ledger = Ledger(settings.ledger_url)
    yield ledger
    ledger.close()


@pytest.fixture
def queue_models(settings: Settings, ledger: Ledger) -> QueueModels:
    """Stores a queued models job, as a server does, and returns its name."""

    return functools.partial(queue_models_job, ledger, open_store(settings.store_url))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """One embedded server, with its workers, for all tests."""
    with Connection(settings=Settings(home=tmp_path_factory.mktemp("lab"))) as lab:
        yield lab


@pytest.fixture(scope="session")
def channel(lab: Connection) -> Iterator[grpc.Channel]:
    with open_channel(lab.address) as channel:
        yield channel
