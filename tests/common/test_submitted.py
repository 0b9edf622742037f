"""Questions of several jobs that are not waited for, on a real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from cryolattice.client.connection import Connection
from cryolattice.client.lab import Lab
from cryolattice.errors import InvalidInputError, JobCancelledError
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.common.v1.dataset_service_pb2 import FILE_ROLE_PLAIN, UploadHeader
from cryolattice_api.modeler.v1 import modeler_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from tests.common.conftest import ModelsSpecs

LARGE = (2, 2, 2)  # takes long enough to be caught at work
SMALL = (1, 1, 3)

Ask = Callable[[Lab], list[DatasetRef]]


@pytest.fixture
def chain(models_spec: ModelsSpecs) -> Callable[..., Ask]:
    """Makes a question of several models jobs, one after the other."""

    def make(*seeds: int, cells: tuple[int, int, int] = SMALL) -> Ask:
        def ask(lab: Lab) -> list[DatasetRef]:
            with lab._waiting() as (connection, follow):
                return [
                    connection.run_job(
                        connection.modeler.CreateModelsJob,
                        modeler_pb2.CreateModelsJobRequest(spec=models_spec(cells, seed)),
                        follow("models"),
                    )
                    for seed in seeds
                ]

        return ask

    return make


@pytest.fixture
def quiet(lab: Connection) -> Lab:
    return Lab(lab, show_progress=False)


def test_a_client_that_dies_leaves_a_question_that_another_goes_on_with(
    quiet: Lab, lab: Connection, chain: Callable[..., Ask]
) -> None:
    ask = chain(501, 502)
    submitted = quiet._submitted(ask)
    (first,) = submitted.jobs
    first.wait()
    assert not submitted.advance(), "the first is answered, the second begun"
    assert [job.ended for job in submitted.jobs] == [True, False]
    # all that is left of it is on the server
    submitted.jobs[1].wait()
    del submitted
    with Connection(lab.address, settings=lab.settings) as other:
        again = Lab(other, show_progress=False)._submitted(ask)
        assert again.advance()
        assert [ref.name for ref in again.wait()] == [job.message.output.name for job in again.jobs]
        assert again.jobs[0].dataset == first.dataset
        assert ask(Lab(other, show_progress=False)) == again.wait(), "as who waits is answered"


def test_waiting_for_a_submitted_question(quiet: Lab, chain: Callable[..., Ask]) -> None:
    submitted = quiet._submitted(chain(503, 504, cells=LARGE))
    with pytest.raises(TimeoutError, match=r"not answered in 0\.2 s; .* goes on"):
        submitted.wait(0.2)
    submitted.cancel()
    with pytest.raises(JobCancelledError):
        submitted.wait()
    assert len(submitted.jobs) == 1, "nothing follows what was cancelled"
    submitted.jobs[0].resume()
    assert not submitted.advance()
    submitted.cancel()


def test_a_mistake_is_said_when_a_question_is_submitted(quiet: Lab, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="zone_axes"):
        quiet.submit_identification(
            tmp_path / "m.mrc", tmp_path / "p.cif", (1, 1, 1), zone_axes="b"
        )


def test_a_file_goes_up_once(quiet: Lab, chain: Callable[..., Ask], tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("as it was")

    def ask(lab: Lab) -> tuple[DatasetRef, list[DatasetRef]]:
        with lab._waiting() as (connection, _):
            ref = connection.upload(path, UploadHeader(role=FILE_ROLE_PLAIN))
        return ref, chain(505)(lab)

    submitted = quiet._submitted(ask)
    path.unlink()
    ref, _ = submitted.wait()
    assert quiet.connection.open_ref(ref).file("notes.txt") == b"as it was"
