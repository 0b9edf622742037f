"""Datasets over a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from cryolattice.client.connection import Connection
from cryolattice.errors import (
    CorruptDataError,
    DatasetNotFoundError,
    InvalidInputError,
    MissingCalibrationError,
    MissingChunkError,
    NotFoundError,
    UnreadableFileError,
)
from cryolattice_api.common.v1 import (
    dataset_pb2,
    dataset_service_pb2,
    dataset_service_pb2_grpc,
)
from cryolattice_api.modeler.v1 import modeler_pb2

if TYPE_CHECKING:
    from tests.common.conftest import ModelsSpecs

MICROGRAPH = dataset_service_pb2.FILE_ROLE_MICROGRAPH
PLAIN = dataset_service_pb2.FILE_ROLE_PLAIN


@pytest.fixture(scope="module")
def datasets(channel: grpc.Channel) -> dataset_service_pb2_grpc.DatasetServiceStub:
    return dataset_service_pb2_grpc.DatasetServiceStub(channel)


def _upload(
    lab: Connection, folder: Path, data: bytes, name: str = "file.bin"
) -> dataset_pb2.DatasetRef:
    path = folder / name
    path.write_bytes(data)
    return lab.upload(path, dataset_service_pb2.UploadHeader(role=PLAIN))


def _stored(lab: Connection) -> set[Path]:
    return {path for path in (lab.settings.home / "store").rglob("*") if path.is_file()}


def _folder(lab: Connection, ref: dataset_pb2.DatasetRef) -> Path:
    return lab.settings.home / "store" / "datasets" / ref.kind / ref.name.rsplit("/", 1)[-1]


def test_a_plain_file_becomes_a_dataset(lab: Connection, tmp_path: Path) -> None:
    ref = _upload(lab, tmp_path, b"hello", "notes ä.txt")
    assert ref.kind == "file"
    reader = lab.open_ref(ref)
    assert reader.file("notes ä.txt") == b"hello"
    dataset = lab.get_dataset(ref.name)
    assert (dataset.object_count, dataset.size_bytes) == (1, 5)
    assert '"file_name":"notes ä.txt"' in dataset.spec_json
    assert _upload(lab, tmp_path, b"hello", "notes ä.txt") == ref
    assert _upload(lab, tmp_path, b"other", "notes ä.txt").name != ref.name


def test_a_micrograph_becomes_arrays(lab: Connection, examples: Path) -> None:
    header = dataset_service_pb2.UploadHeader(role=MICROGRAPH)
    header.image.dose_e_per_angstrom2 = 22.0
    ref = lab.upload(examples / "micrograph_a.mrc", header)
    found = lab.open_ref(ref).to_xarray()
    assert found["counts"].shape == (1024, 1024)
    assert found["counts"].dims == ("y", "x")
    np.testing.assert_allclose(np.diff(found["x"]), 0.5)


@pytest.mark.parametrize("kept", [0, 100, 1024 + 2000])
def test_an_unreadable_micrograph_leaves_nothing(
    lab: Connection,
    datasets: dataset_service_pb2_grpc.DatasetServiceStub,
    examples: Path,
    tmp_path: Path,
    kept: int,
) -> None:
    data = (examples / "micrograph_a.mrc").read_bytes()[:kept]
    before = _stored(lab), lab.list_datasets()
    header = dataset_service_pb2.UploadHeader(
        parent=lab.parent, file_name="broken.mrc", role=MICROGRAPH
    )
    parts = [dataset_service_pb2.UploadFileRequest(header=header)]
    parts.append(dataset_service_pb2.UploadFileRequest(data=data))
    with pytest.raises(grpc.RpcError) as caught:
        datasets.UploadFile(iter(parts))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert isinstance(caught.value, grpc.Call)
    status = rpc_status.from_call(caught.value)
    assert status is not None
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(request)
    assert (info.domain, info.reason) == ("cryolattice", "UNREADABLE_FILE")
    assert request.field_violations[0].field
    assert (_stored(lab), lab.list_datasets()) == before
    path = tmp_path / "broken.mrc"
    path.write_bytes(data)
    with pytest.raises(UnreadableFileError, match=r"broken\.mrc"):
        lab.upload(path, dataset_service_pb2.UploadHeader(role=MICROGRAPH))


def test_a_missing_calibration_leaves_nothing(lab: Connection, examples: Path) -> None:
    before = _stored(lab)
    series = dataset_service_pb2.UploadHeader(role=dataset_service_pb2.FILE_ROLE_DIFFRACTION_SERIES)
    with pytest.raises(MissingCalibrationError, match="dose") as caught:
        lab.upload(examples / "saed_98K.mrc", series)
    assert caught.value.field == "dose_per_frame"
    assert _stored(lab) == before


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "a#1", "a\n", "\x00", "x" * 201]
)
def test_a_file_name_is_a_plain_name(
    datasets: dataset_service_pb2_grpc.DatasetServiceStub, name: str
) -> None:
    header = dataset_service_pb2.UploadHeader(parent="projects/default", file_name=name, role=PLAIN)
    parts = [
        dataset_service_pb2.UploadFileRequest(header=header),
        dataset_service_pb2.UploadFileRequest(data=b"x"),
    ]
    with pytest.raises(grpc.RpcError, match="file_name") as caught:
        datasets.UploadFile(iter(parts))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_an_upload_that_cannot_be_is_refused_at_its_header(
    datasets: dataset_service_pb2_grpc.DatasetServiceStub,
) -> None:
    def parts() -> Iterator[dataset_service_pb2.UploadFileRequest]:
        header = dataset_service_pb2.UploadHeader(parent="nowhere", file_name="a")
        yield dataset_service_pb2.UploadFileRequest(header=header)
        while True:
            yield dataset_service_pb2.UploadFileRequest(data=bytes(1000))
            time.sleep(0.01)

    with pytest.raises(grpc.RpcError) as caught:
        datasets.UploadFile(parts(), timeout=20)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("parts", [[], [b"data first"]])
def test_an_upload_begins_with_its_header(
    datasets: dataset_service_pb2_grpc.DatasetServiceStub, parts: list[bytes]
) -> None:
    requests = [dataset_service_pb2.UploadFileRequest(data=data) for data in parts]
    with pytest.raises(grpc.RpcError, match="header") as caught:
        datasets.UploadFile(iter(requests))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_client_that_dies_in_mid_upload_leaves_nothing(
    lab: Connection, channel: grpc.Channel, datasets: dataset_service_pb2_grpc.DatasetServiceStub
) -> None:
    before = _stored(lab), lab.list_datasets()
    sent = threading.Event()

    def parts() -> Iterator[dataset_service_pb2.UploadFileRequest]:
        header = dataset_service_pb2.UploadHeader(parent=lab.parent, file_name="half", role=PLAIN)
        yield dataset_service_pb2.UploadFileRequest(header=header)
        while True:
            yield dataset_service_pb2.UploadFileRequest(data=bytes(100_000))
            sent.set()

    call = datasets.UploadFile.future(parts())
    assert sent.wait(20)
    call.cancel()
    with pytest.raises((grpc.RpcError, grpc.FutureCancelledError)):
        call.result()
    assert (_stored(lab), lab.list_datasets()) == before


def test_companions_go_up_with_their_file(lab: Connection, tmp_path: Path) -> None:
    (tmp_path / "scan.emi").write_bytes(b"half")
    ref = _upload(lab, tmp_path, b"the other", "scan_1.ser")
    reader = lab.open_ref(ref)
    assert reader.file("scan_1.ser") == b"the other"
    assert reader.file("scan.emi") == b"half"
    (tmp_path / "scan.emi").write_bytes(b"Half")
    assert _upload(lab, tmp_path, b"the other", "scan_1.ser").name != ref.name


def _companion(name: str) -> dataset_service_pb2.UploadFileRequest:
    return dataset_service_pb2.UploadFileRequest(
        companion=dataset_service_pb2.CompanionHeader(file_name=name)
    )


@pytest.mark.parametrize(
    ("names", "telling", "code"),
    [
        (["../x"], "file_name", grpc.StatusCode.INVALID_ARGUMENT),
        (["a.ser"], "two files", grpc.StatusCode.INVALID_ARGUMENT),
        (["b", "b"], "two files", grpc.StatusCode.INVALID_ARGUMENT),
        ([str(n) for n in range(17)], "more than 16", grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_companions_have_names_of_their_own(
    datasets: dataset_service_pb2_grpc.DatasetServiceStub,
    names: list[str],
    telling: str,
    code: grpc.StatusCode,
) -> None:
    header = dataset_service_pb2.UploadHeader(
        parent="projects/default", file_name="a.ser", role=PLAIN
    )
    parts = [
        dataset_service_pb2.UploadFileRequest(header=header),
        dataset_service_pb2.UploadFileRequest(data=b"x"),
        *map(_companion, names),
    ]
    with pytest.raises(grpc.RpcError, match=telling) as caught:
        datasets.UploadFile(iter(parts))
    assert caught.value.code() == code
    with pytest.raises(grpc.RpcError, match="header"):
        datasets.UploadFile(iter(parts[2:]))


def test_a_large_object_is_read_in_parts(
    lab: Connection, datasets: dataset_service_pb2_grpc.DatasetServiceStub, tmp_path: Path
) -> None:
    data = np.random.default_rng(1).bytes(9_500_000)
    ref = _upload(lab, tmp_path, data)
    assert lab.open_ref(ref).file("file.bin") == data
    request = dataset_service_pb2.ReadObjectRequest(name=ref.name, key="files/file.bin")
    parts = [response.data for response in datasets.ReadObject(request)]
    assert b"".join(parts) == data
    assert max(map(len, parts)) < 4 << 20


def test_reading_what_is_not_there(lab: Connection, tmp_path: Path) -> None:
    ref = _upload(lab, tmp_path, b"")
    assert lab.open_ref(ref).file("file.bin") == b""
    request = dataset_service_pb2.ReadObjectRequest(name=ref.name, key="files/../nope")
    with pytest.raises(NotFoundError, match="nope"):
        list(lab.stream(lab._datasets.ReadObject, request))
    elsewhere = ref.name.replace("default", "elsewhere")
    for name in (elsewhere, "projects/default/datasets/nope"):
        with pytest.raises(DatasetNotFoundError, match="no dataset"):
            lab.get_dataset(name)
    with pytest.raises(InvalidInputError):
        lab.get_dataset("nope")


def test_datasets_are_listed_by_kind(
    lab: Connection, tmp_path: Path, models_spec: ModelsSpecs
) -> None:
    models = lab.run_job(
        lab.modeler.CreateModelsJob,
        modeler_pb2.CreateModelsJobRequest(spec=models_spec(seed=104)),
    )
    file = _upload(lab, tmp_path, b"listed")
    files = lab.list_datasets("file")
    assert files[0].name == file.name, "newest first"
    assert {dataset.kind for dataset in files} == {"file"}
    assert models.name in {dataset.name for dataset in lab.list_datasets("models")}
    assert {"file", "models"} <= {dataset.kind for dataset in lab.list_datasets()}
    assert lab.list_datasets("no-such-kind") == []


def test_a_flipped_byte_is_reported(lab: Connection, tmp_path: Path) -> None:
    ref = _upload(lab, tmp_path, b"to be damaged")
    assert list(lab.verify_dataset(ref.name).problems) == []
    path = _folder(lab, ref) / "files" / "file.bin"
    path.write_bytes(b"to be Damaged")
    result = lab.verify_dataset(ref.name)
    assert result.object_count == 1
    (problem,) = result.problems
    assert problem.key == "files/file.bin"
    with pytest.raises(CorruptDataError, match=r"files/file\.bin"):
        lab.open_ref(ref).file("file.bin")
    path.unlink()
    (problem,) = lab.verify_dataset(ref.name).problems
    assert problem.problem == "missing"


def test_a_lost_dataset_does_not_hide_the_others(lab: Connection, tmp_path: Path) -> None:
    lost, kept = _upload(lab, tmp_path, b"lost"), _upload(lab, tmp_path, b"kept")
    (_folder(lab, lost) / "manifest.json").unlink()
    listed = {dataset.name: dataset for dataset in lab.list_datasets("file")}
    assert listed[kept.name].manifest_sha256 == kept.manifest_sha256
    assert listed[lost.name].manifest_sha256 == ""
    with pytest.raises(MissingChunkError, match=r"lost dataset .* CRYOLATTICE_STORE_URL"):
        lab.get_dataset(lost.name)
    assert _upload(lab, tmp_path, b"lost").name == lost.name
