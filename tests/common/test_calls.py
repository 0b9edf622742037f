from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cryolattice.client.connection import Connection
from cryolattice.errors import (
    InvalidInputError,
    LimitExceededError,
    ServerUnavailableError,
    UnreadableFileError,
)
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.dataset_service_pb2 import UploadHeader
from cryolattice_api.modeler.v1 import modeler_pb2
from tests.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.common.conftest import ModelsSpecs


def test_where_no_server_answers(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    with (
        Connection(address, settings=Settings(home=tmp_path)) as lab,
        pytest.raises(ServerUnavailableError, match=address),
    ):
        lab.list_jobs()
    assert time.monotonic() - began < 2.0, "nobody waits for a server that was never there"
    assert list(tmp_path.iterdir()) == [], "a client of a deployment keeps no data of its own"
    with pytest.raises(InvalidInputError, match="such as myhost:50051"):
        Connection("myhost", settings=Settings(home=tmp_path))


def test_a_client_of_a_deployment_reads_through_the_server(
    lab: Connection, models_spec: ModelsSpecs, tmp_path: Path
) -> None:
    request = modeler_pb2.CreateModelsJobRequest(spec=models_spec(seed=200))
    ref = lab.run_job(lab.modeler.CreateModelsJob, request)
    with Connection(lab.address, settings=Settings(home=tmp_path)) as remote:
        reader = remote.open_ref(ref)
        assert reader.to_xarray()["cell"].shape == reader.array("cell").shape
        assert remote.get_job(reader.manifest.job).output == ref
    assert list(tmp_path.iterdir()) == []


def test_errors_of_the_server_are_raised_as_they_were(lab: Connection) -> None:
    with pytest.raises(InvalidInputError) as caught:
        lab.get_job("nonsense")
    assert caught.value.field == "name"


def test_a_request_that_is_too_large(lab: Connection, models_spec: ModelsSpecs) -> None:
    spec = models_spec()
    spec.parent_crystal.cif += "#" * (17 << 20)
    request = modeler_pb2.CreateModelsJobRequest(parent=lab.parent, spec=spec, validate_only=True)
    with pytest.raises(LimitExceededError, match="too large"):
        lab.call(lab.modeler.CreateModelsJob, request)


def test_a_page_of_large_jobs_arrives(lab: Connection, models_spec: ModelsSpecs) -> None:
    spec = models_spec()
    spec.parent_crystal.cif += "# " + "reflections " * 200_000
    ledger = Ledger(lab.settings.ledger_url)
    names = [f"projects/default/jobs/large-{number}" for number in (1, 2)]
    for name in names:
        job = job_pb2.Job(name=name, kind="models", state=job_pb2.JOB_STATE_QUEUED)
        job.spec.Pack(spec)
        record = JobRecord(job, "modeler", "models", "00", 0.0)
        ledger.create(record, request_id="", request_sha256="")
    found = lab.list_jobs(2)
    assert [job.name for job in found] == names[::-1]
    assert sum(job.ByteSize() for job in found) > 4 << 20
    for name in names:
        ledger.cancel(name)
        ledger.delete(name)
    ledger.close()


def test_a_file_that_cannot_be_opened(lab: Connection, tmp_path: Path) -> None:
    for path in (tmp_path / "nope.mrc", tmp_path):
        with pytest.raises(UnreadableFileError, match=path.name) as caught:
            lab.upload(path, UploadHeader())
        assert caught.value.field == "file"
