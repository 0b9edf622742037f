"""Jobs and uploads of a server in real worker processes, some of which are killed."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil
import pytest

from cryolattice.client.connection import Connection
from cryolattice.errors import JobCancelledError, UnreadableFileError
from cryolattice.jobs import supervisor
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.dataset_service_pb2 import FILE_ROLE_PLAIN, UploadHeader
from cryolattice_api.modeler.v1 import modeler_pb2
from tests.worker_processes import kill_workers, workers_of

if TYPE_CHECKING:
    from tests.common.conftest import ModelsSpecs

# takes long enough to be caught at work
LARGE = (2, 2, 2)


def _create(lab: Connection, spec: modeler_pb2.ModelsSpec) -> str:
    request = modeler_pb2.CreateModelsJobRequest(parent=lab.parent, spec=spec)
    name: str = lab.call(lab.modeler.CreateModelsJob, request).job.name
    return name


def _wait_for_state(lab: Connection, name: str, state: job_pb2.JobState.ValueType) -> None:
    for job in lab.watch_job(name):
        if job.state == state and job.progress.tile_count:
            return
    raise AssertionError(f"{name} ended before it was seen at work: {job}")


def _committed(lab: Connection, kind: str) -> int:
    folder = lab.settings.home / "store" / "datasets" / kind
    return len(list(folder.glob("*/manifest.json")))


def test_a_job_goes_on_when_its_worker_is_killed(lab: Connection, models_spec: ModelsSpecs) -> None:
    name = _create(lab, models_spec(LARGE, seed=1))
    _wait_for_state(lab, name, job_pb2.JOB_STATE_RUNNING)
    kill_workers(lab.settings.home)
    seen = list(lab.watch_job(name))
    assert (seen[-1].state, seen[-1].attempt) == (job_pb2.JOB_STATE_SUCCEEDED, 2)
    (queued,) = [job for job in seen if job.state == job_pb2.JOB_STATE_QUEUED]
    assert "code -9" in queued.state_message
    assert "workers.log" in queued.state_message


def test_an_idle_worker_may_die(lab: Connection, models_spec: ModelsSpecs) -> None:
    *_, job = lab.watch_job(_create(lab, models_spec(seed=3)))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    kill_workers(lab.settings.home)
    *_, job = lab.watch_job(_create(lab, models_spec(seed=4)))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.state_message


def _upload(lab: Connection, folder: Path) -> str:
    path = folder / "file.bin"
    path.write_bytes(uuid4().bytes)
    return lab.upload(path, UploadHeader(role=FILE_ROLE_PLAIN)).name


def test_a_file_whose_reader_hangs_or_crashes_is_refused(
    lab: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _upload(lab, tmp_path)
    for end in ("crashed", "stopped after"):
        workers = workers_of(lab.settings.home)
        for worker in workers:
            worker.suspend()
        if end == "stopped after":
            monkeypatch.setattr(supervisor, "_READ_SECONDS", 0.5)
        with ThreadPoolExecutor(1) as pool:
            upload = pool.submit(_upload, lab, tmp_path)
            if end == "crashed":
                time.sleep(1.0)
                for worker in workers:
                    worker.send_signal(signal.SIGSEGV)
                    worker.resume()
            with pytest.raises(UnreadableFileError, match=rf"file\.bin.*{end}"):
                upload.result()
        monkeypatch.undo()
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.resume()
        _upload(lab, tmp_path)


def test_long_enumerations_leave_room_for_the_rest(
    lab: Connection, models_spec: ModelsSpecs, tmp_path: Path
) -> None:
    names = []
    for cells in ((3, 2, 2), (2, 3, 2), (2, 2, 3)):
        asked = models_spec(cells)
        spec = modeler_pb2.OrderingsSpec(
            parent_crystal=asked.parent_crystal, supercell=asked.supercell
        )
        request = modeler_pb2.CreateOrderingsJobRequest(parent=lab.parent, spec=spec)
        names.append(lab.call(lab.modeler.CreateOrderingsJob, request).job.name)
    _wait_for_state(lab, names[0], job_pb2.JOB_STATE_RUNNING)
    _upload(lab, tmp_path)
    states = [lab.get_job(name).state for name in names]
    for name in names:
        lab.cancel_job(name)
    queued = job_pb2.JOB_STATE_QUEUED
    assert sorted(states) == sorted([job_pb2.JOB_STATE_RUNNING, queued, queued])


def test_a_running_job_is_cancelled(lab: Connection, models_spec: ModelsSpecs) -> None:
    before = _committed(lab, "models")
    name = _create(lab, models_spec(LARGE, seed=5))
    _wait_for_state(lab, name, job_pb2.JOB_STATE_RUNNING)
    began = time.monotonic()
    assert lab.cancel_job(name).state == job_pb2.JOB_STATE_CANCELLING
    *_, job = lab.watch_job(name)
    assert time.monotonic() - began < 12
    assert job.state == job_pb2.JOB_STATE_CANCELLED
    assert not job.HasField("output")
    assert _committed(lab, "models") == before


def test_waiting_for_a_job_that_somebody_cancels(lab: Connection, models_spec: ModelsSpecs) -> None:
    request = modeler_pb2.CreateModelsJobRequest(spec=models_spec(LARGE, seed=6))

    def cancel(job: job_pb2.Job) -> None:
        if job.state == job_pb2.JOB_STATE_RUNNING:
            assert lab.cancel_active() == [job.name]

    with pytest.raises(JobCancelledError, match="cancelled") as caught:
        lab.run_job(lab.modeler.CreateModelsJob, request, cancel)
    assert caught.value.metadata["job"].startswith("projects/default/jobs/models-")
    assert lab.cancel_active() == []
