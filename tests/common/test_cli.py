"""The command line in this process, on the shared server; signals on a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from cryolattice.cli.main import run
from cryolattice.client.connection import Connection
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.settings import Settings
from cryolattice.store.array_store import open_store
from cryolattice.store.writer import DatasetWriter
from cryolattice.workflows.orderings import orderings_request
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.common.v1.dataset_service_pb2 import (
    FILE_ROLE_MICROGRAPH,
    FILE_ROLE_PLAIN,
    UploadHeader,
)
from cryolattice_api.modeler.v1 import modeler_pb2
from tests.waiting import until

if TYPE_CHECKING:
    from tests.common.conftest import ModelsSpecs


class Command:
    """Runs commands and keeps what they print."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch, server: str
    ) -> None:
        self._capsys = capsys
        self._patch = patch
        self._server = server

    def __call__(self, *arguments: str, server: bool = True) -> tuple[int, str, str]:
        given = [*arguments, *(["--server", self._server] if server else [])]
        self._patch.setattr(sys, "argv", ["cryolattice", *given])
        self._capsys.readouterr()
        code = run()
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err

    def json(self, *arguments: str, code: int = 0) -> Any:
        found, out, _ = self(*arguments, "--json")
        assert found == code, out
        return json.loads(out)


@pytest.fixture
def command(
    lab: Connection, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    monkeypatch.setenv("COLUMNS", "200")
    return Command(capsys, monkeypatch, lab.address)


@pytest.fixture
def file(lab: Connection, tmp_path: Path) -> DatasetRef:
    path = tmp_path / "file.bin"
    path.write_bytes(uuid4().bytes)
    return lab.upload(path, UploadHeader(role=FILE_ROLE_PLAIN))


def test_jobs_are_listed_and_shown(
    command: Command, lab: Connection, models_spec: ModelsSpecs
) -> None:
    request = modeler_pb2.CreateModelsJobRequest(spec=models_spec(seed=300))
    lab.run_job(lab.modeler.CreateModelsJob, request)
    job = command.json("jobs", "list")["jobs"][0]
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert "_cell_length_a" in job["spec"]["parent_crystal"]["cif"]
    identifier = job["name"].rsplit("/", 1)[-1]
    for verb in ("show", "watch"):
        for name in (identifier, job["name"]):
            assert command.json("jobs", verb, name) == job
    code, out, _ = command("jobs", "list")
    assert code == 0
    assert identifier in out
    assert command("jobs", "delete", identifier)[0] == 0
    error = command.json("jobs", "show", identifier, code=2)["error"]
    assert error["reason"] == "JOB_NOT_FOUND"


def test_orderings_are_written_into_a_dataset(
    command: Command, lab: Connection, examples: Path
) -> None:
    parent = str(examples / "na2nh2bh4_cubic.cif")
    asked = ("enumerate", parent, "--supercell", "2", "2", "1", "--job")
    found = command.json(*asked)
    assert (found["total"], found["classes"]) == (495, 35)
    dataset = command.json("datasets", "show", found["dataset"])
    assert dataset["kind"] == "orderings"
    code, out, _ = command(*asked)
    assert code == 0
    assert "495 orderings in 35 classes" in out
    assert found["dataset"] in out
    for more in (("--count",), ("--sample", "3"), ("--views", "c"), ("--limit", "9")):
        assert command.json(*asked, *more, code=2)["error"]["field"] == "job"
    request = orderings_request(Path(parent), (3, 2, 2))
    request.parent, request.validate_only = lab.parent, True
    answer = lab.call(lab.modeler.CreateOrderingsJob, request)
    assert (answer.total, answer.classes) == ("1251677700", "6849807")
    assert answer.estimate.store_bytes == 6_849_807 * (36 + 12)
    assert not answer.HasField("job")


def test_views_of_a_supercell_that_is_a_matrix(command: Command, examples: Path) -> None:
    parent = str(examples / "na2nh2bh4_cubic.cif")
    matrix = ("--matrix", *["1", "-1", "0", "1", "1", "0", "0", "0", "2"])
    found = command.json("enumerate", parent, *matrix, "--views", "c")
    views = found["views"]
    assert (found["classes"], views["candidates"]) == (32, 32)
    assert views["distinct"] >= views["projections"] >= views["patterns"] > 1
    for group in (*views["project_alike"], *views["homometric"]):
        assert set(group) <= {view["id"] for view in views["list"]}


def test_datasets_are_listed_shown_verified_and_exported(
    command: Command, file: DatasetRef, tmp_path: Path
) -> None:
    listed = command.json("datasets", "list", "--kind", "file")["datasets"]
    assert listed[0]["name"] == file.name
    assert command.json("datasets", "show", file.name) == listed[0]
    assert command.json("datasets", "verify", file.name)["object_count"] == "1"
    out = tmp_path / "copy"
    assert command("datasets", "export", file.name, "--out", str(out))[0] == 0
    assert (out / "files" / "file.bin").read_bytes() == (tmp_path / "file.bin").read_bytes()
    assert (out / "manifest.json").is_file()
    code, _, errors = command("datasets", "export", file.name, "--out", str(out))
    assert code == 2
    assert "exists" in errors


def test_ids_are_whole_on_a_narrow_terminal(
    command: Command, file: DatasetRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    _, out, _ = command("datasets", "list", "--kind", "file")
    assert file.name.rsplit("/", 1)[-1] in out


def test_nothing_asked_prints_the_help_alone(command: Command) -> None:
    code, out, errors = command(server=False)
    assert code == 2
    assert "identify" in out + errors
    assert "error" not in errors


def test_the_version_is_told(command: Command) -> None:
    code, out, _ = command("--version", server=False)
    assert code == 0
    assert out == f"cryolattice {version('cryolattice')}\n"


def test_a_micrograph_shows_where_it_comes_from(
    command: Command, lab: Connection, examples: Path
) -> None:
    header = UploadHeader(role=FILE_ROLE_MICROGRAPH)
    header.image.dose_e_per_angstrom2 = 22.0
    ref = lab.upload(examples / "micrograph_a.mrc", header)
    _, out, _ = command("datasets", "show", ref.name)
    shown = dict(line.split(maxsplit=1) for line in out.splitlines() if len(line.split()) > 1)
    assert shown["file_name"].strip() == "micrograph_a.mrc"
    assert shown["file_scale.x.unit"].strip() == "A"
    assert shown["dose_e_per_angstrom2"].strip() == "22"
    assert "300 keV assumed" in out


def test_damage_is_ours(command: Command, lab: Connection, file: DatasetRef) -> None:
    identifier = file.name.rsplit("/", 1)[-1]
    path = lab.settings.home / "store/datasets/file" / identifier / "files/file.bin"
    path.write_bytes(b"damaged")
    code, out, errors = command("datasets", "verify", identifier)
    assert (code, out) == (1, "")
    assert "files/file.bin" in errors
    assert command.json("datasets", "verify", identifier, code=1)["problems"]


def test_a_users_mistake_is_one_json_object(command: Command) -> None:
    error = command.json("jobs", "show", "No-Such-Job", code=2)["error"]
    assert set(error) == {"reason", "field", "message"}
    assert (error["reason"], error["field"]) == ("INVALID_INPUT", "name")
    code, out, errors = command("jobs", "show", "no-such-job")
    assert (code, out) == (2, "")
    assert "no-such-job" in errors


def test_wrong_use_is_a_users_mistake(command: Command) -> None:
    assert command("jobs", "list", "--limit", "many")[0] == 2
    assert command.json("jobs", "list", "--limit", "many", code=2)["error"]["reason"] == "USAGE"
    assert command("no-such-command", server=False)[0] == 2
    assert command("enumerate", "a.cif", server=False)[0] == 2


def test_a_missing_server_is_not_the_users_mistake(command: Command, tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'nobody.sock'}"
    code, out, _ = command("jobs", "list", "--json", "--server", address, server=False)
    assert code == 1
    assert json.loads(out)["error"]["reason"] == "SERVER_UNAVAILABLE"


def test_enumerating(command: Command, examples: Path, tmp_path: Path) -> None:
    cif = str(examples / "na2nh2bh4_cubic.cif")
    found = command.json("enumerate", cif, "--supercell", "2", "2", "1")
    assert (found["total"], found["classes"], len(found["orderings"])) == (495, 35, 35)
    assert sum(ordering["multiplicity"] for ordering in found["orderings"]) == 495
    seen = command.json("enumerate", cif, "--supercell", "2", "2", "1", "--views", "c")["views"]
    assert (seen["distinct"], seen["projections"], seen["patterns"]) == (35, 35, 29)
    assert [len(group) for group in seen["homometric"]] == [2] * 6
    error = command.json("enumerate", cif, "--supercell", "2", "2", "1", "--views", "0,0,0", code=2)
    assert error["error"]["field"] == "directions"
    missing = str(tmp_path / "nope.cif")
    error = command.json("enumerate", missing, "--supercell", "2", "2", "1", code=2)["error"]
    assert error["reason"] == "UNREADABLE_FILE"


def test_a_folder_that_cannot_be_written_is_named(command: Command) -> None:
    parent = "examples/na2nh2bh4/na2nh2bh4_cubic.cif"
    code, _, errors = command(
        "enumerate", parent, "--supercell", "1", "1", "3", "--out", "/proc/none"
    )
    assert code == 2
    assert "/proc/" in errors
    assert "name another place" in errors


def test_an_interrupt_ends_with_130(settings: Settings) -> None:
    ledger = Ledger(settings.ledger_url)
    name = "projects/default/jobs/waits-for-ever"
    job = job_pb2.Job(name=name, kind="models", state=job_pb2.JOB_STATE_QUEUED)
    record = JobRecord(job, "modeler", "models", "00", 0.0)
    ledger.create(record, request_id="", request_sha256="")
    ledger.close()
    watching = subprocess.Popen(
        [sys.executable, "-m", "cryolattice.cli.main", "jobs", "watch", name],
        env={**os.environ, **settings.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # it is at work once it has opened the ledger, which makes this file
    until((settings.home / "ledger.db-wal").exists)
    time.sleep(1)
    watching.send_signal(signal.SIGINT)
    out, errors = watching.communicate(timeout=60)
    assert watching.returncode == 130, errors
    assert out == ""
    assert "Traceback" not in errors


def test_markup_in_a_file_name_is_shown_as_it_is(tmp_path: Path) -> None:
    arguments = ["enumerate", str(tmp_path / "[/x].cif"), "--supercell", "1", "1", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "cryolattice.cli.main", *arguments],
        env={**os.environ, "CRYOLATTICE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "[/x].cif" in done.stderr
    assert "Traceback" not in done.stderr


def test_garbage_is_listed_before_it_is_removed(command: Command, lab: Connection) -> None:
    root = open_store(lab.settings.store_url)
    identifier = uuid4().hex
    left = DatasetWriter(root, "models", identifier)
    left.add_json("half.json", {"done": False})
    listed = command.json("datasets", "gc", "--older-than-hours", "0")["garbage"]
    (found,) = [garbage for garbage in listed if garbage["dataset_id"] == identifier]
    assert (found["kind"], int(found["object_count"])) == ("models", 1)
    assert command("datasets", "gc")[1].count(identifier) == 0, "it is too young by default"
    assert list(root.list(left.prefix))
    code, out, _ = command("datasets", "gc", "--older-than-hours", "0", "--remove")
    assert code == 0
    assert f"models {identifier}: 1 objects" in out
    assert list(root.list(left.prefix)) == []
    assert command("datasets", "gc", "--older-than-hours", "0")[1].count(identifier) == 0


def test_a_filter_that_cannot_be_read_is_quoted(command: Command) -> None:
    error = command.json("jobs", "list", "--filter", "colour = red", code=2)["error"]
    assert (error["reason"], error["field"]) == ("INVALID_INPUT", "filter")
    assert "'colour = red'" in error["message"]
