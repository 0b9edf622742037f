"""What an uploaded file leaves in the store: counts, calibration, where it all came from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from cryolattice.errors import InvalidInputError, MissingCalibrationError
from cryolattice.jobs.kinds import UploadedFile
from cryolattice.jobs.worker import ingest
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice_analyzer.jobs.stored import load_micrograph
from cryolattice_api.common.v1.dataset_service_pb2 import (
    FILE_ROLE_DIFFRACTION_SERIES,
    FILE_ROLE_MICROGRAPH,
    DiffractionCalibration,
    ImageCalibration,
    UploadHeader,
)
from tests.analyzer import instrument_files as files

EXAMPLES = Path(__file__).parents[2] / "examples" / "na2nh2bh4"
COUNTS = np.random.default_rng(0).poisson(5, (80, 96)).astype(np.float32)


@pytest.fixture
def root(tmp_path: Path) -> ArrayStore:
    return open_store(f"file://{tmp_path}/store")


def upload(name: str, data: bytes, **calibration: Any) -> UploadedFile:
    signal = calibration.pop("signal", None)
    header = UploadHeader(
        file_name=name,
        role=FILE_ROLE_MICROGRAPH,
        image=ImageCalibration(**calibration),
        signal=signal,
    )
    return UploadedFile(header, data)


def facts(root: ArrayStore, uploaded: UploadedFile) -> dict[str, Any]:
    found: dict[str, Any] = ingest(uploaded, root).json("micrograph.json")
    return found


DM_TAGS = {"Microscope Info": {"Voltage": 200e3, "Cs(mm)": 1.2, "Name": "Talos"}}


def test_the_origin_is_recorded(root: ArrayStore) -> None:
    data = files.dm3(COUNTS, (0.05, 0.5), ("nm", "A"), DM_TAGS)
    found = facts(root, upload("a.dm3", data, dose_e_per_angstrom2=20.0))
    assert list(found) == [
        "file_name",
        "file_sha256",
        "companions",
        "file_format",
        "signal",
        "file_scale",
        "instrument",
        "frames_summed",
        "pixel_size_angstrom",
        "dose_e_per_angstrom2",
        "energy_kev",
        "cs_mm",
        "warnings",
    ]
    assert found["file_sha256"] == hashlib.sha256(data).hexdigest()
    assert (found["file_format"], found["signal"]) == ("DM3", "a title")
    assert found["file_scale"] == {
        "y": {"value": 0.5, "unit": "A"},
        "x": {"value": 0.05, "unit": "nm"},
    }
    assert found["instrument"]["microscope"] == "Talos"
    # the file's lens is used where the options are silent, and nothing is assumed
    assert (found["energy_kev"], found["cs_mm"]) == (200.0, 1.2)
    assert found["warnings"] == []


def test_options_win_and_a_contradiction_is_named(root: ArrayStore) -> None:
    data = files.dm3(COUNTS, (0.05, 0.05), ("nm", "nm"), DM_TAGS)
    found = facts(root, upload("a.dm3", data, energy_kev=300.0, cs_mm=2.7))
    assert (found["energy_kev"], found["cs_mm"]) == (300.0, 2.7)
    assert found["instrument"]["energy_kev"] == 200.0
    assert found["warnings"] == [
        "energy: 300 keV as given, not the 200 keV in the file",
        "spherical aberration: 2.7 mm as given, not the 1.2 mm in the file",
    ]


def test_what_nobody_tells_is_assumed_and_said(root: ArrayStore) -> None:
    found = facts(root, upload("a.mrc", files.mrc(COUNTS)))
    assert (found["energy_kev"], found["cs_mm"]) == (300.0, 2.7)
    assert found["dose_e_per_angstrom2"] is None
    assert [warning.split(":")[0] for warning in found["warnings"]] == [
        "energy",
        "spherical aberration",
    ]


def _fei(tmp_path: Path, volt: float, dose_per_m2: float) -> bytes:
    path = tmp_path / "fei.mrc"
    with mrcfile.new(path) as file:
        file.set_data(COUNTS)
        file.voxel_size = 0.5
        header = np.zeros(1, mrcfile.dtypes.get_ext_header_dtype(b"FEI1"))
        header["HT"], header["Dose"], header["Camera name"] = volt, dose_per_m2, b"Falcon 4"
        header["Metadata size"], header["Timestamp"] = header.itemsize, 43831.5
        file.set_extended_header(header)
        file.header.exttyp = b"FEI1"
    return path.read_bytes()


def test_the_extended_header_tells_energy_and_dose(root: ArrayStore, tmp_path: Path) -> None:
    data = _fei(tmp_path, 200e3, 22e20)
    found = facts(root, upload("a.mrc", data))
    assert found["energy_kev"] == 200.0
    assert found["dose_e_per_angstrom2"] == pytest.approx(22.0)
    assert found["instrument"]["camera"] == "Falcon 4"
    assert found["instrument"]["acquired"] == "2020-01-01 12:00:00"
    assert any("22 e/angstrom^2 taken from the file" in note for note in found["warnings"])
    given = facts(root, upload("a.mrc", data, dose_e_per_angstrom2=30.0))
    assert given["dose_e_per_angstrom2"] == 30.0
    assert any("dose: 30 e/angstrom^2 as given" in note for note in given["warnings"])


def test_an_impossible_energy_in_the_file_is_ignored_and_said(
    root: ArrayStore, tmp_path: Path
) -> None:
    found = facts(root, upload("a.mrc", _fei(tmp_path, 3.0, 0.0)))
    assert found["energy_kev"] == 300.0
    assert "cannot be" in found["warnings"][0]


def test_the_signal_is_part_of_the_question(root: ArrayStore) -> None:
    data = files.velox({"HAADF": COUNTS, "BF": COUNTS[:72]}, 5e-11)
    with pytest.raises(InvalidInputError, match="HAADF"):
        ingest(upload("a.emd", data), root)
    assert list(root.list("")) == []
    first, second = (ingest(upload("a.emd", data, signal=one), root) for one in ("HAADF", "BF"))
    assert first.manifest.id != second.manifest.id
    assert second.array("counts").shape == (72, 96)


def test_companions_are_part_of_the_question(root: ArrayStore) -> None:
    header = UploadHeader(file_name="a_1.ser", role=FILE_ROLE_MICROGRAPH)
    pair = UploadedFile(
        header, files.ser(COUNTS, 5e-11), {"a.emi": files.emi("TEM uP SA Zoom Image")}
    )
    found = facts(root, pair)
    assert found["pixel_size_angstrom"] == pytest.approx(0.5)
    assert list(found["companions"]) == ["a.emi"]
    other = UploadedFile(header, pair.data, {"a.emi": files.emi("TEM uP SA Zoom Image") + b"\0"})
    assert ingest(other, root).manifest.id != ingest(pair, root).manifest.id


def test_a_series_records_its_origin(root: ArrayStore) -> None:
    frames = np.random.default_rng(1).poisson(5, (4, 48, 40)).astype(np.float32)
    header = UploadHeader(file_name="s.emd", role=FILE_ROLE_DIFFRACTION_SERIES)
    data = files.velox({"Ceta": frames}, 8.5e7, "1/m")
    with pytest.raises(MissingCalibrationError) as caught:
        ingest(UploadedFile(header, data), root)
    assert caught.value.field == "dose_per_frame"
    header.diffraction.CopyFrom(DiffractionCalibration(dose_per_frame_e_per_angstrom2=0.5))
    reader = ingest(UploadedFile(header, data), root)
    np.testing.assert_array_equal(reader.array("frames"), frames)
    found = reader.json("diffraction_series.json")
    assert found["pixel_size_per_angstrom"] == pytest.approx(0.0085)
    assert found["instrument"]["camera_length_mm"] == 100.0
    assert found["warnings"] == []


EXAMPLE = {
    ".tif": lambda counts: files.imagej_tiff(counts, 0.05, "nm"),
    ".hspy": lambda counts: files.hspy(counts, 0.05, "nm"),
    ".emd": lambda counts: files.berkeley(counts, [("y", 0.05, "n_m"), ("x", 0.05, "n_m")]),
    ".dm3": lambda counts: files.dm3(counts, (0.05, 0.05), ("nm", "nm"), {}),
}


@pytest.mark.parametrize("extension", EXAMPLE)
def test_the_example_is_the_same_in_every_format(root: ArrayStore, extension: str) -> None:
    original = ingest(upload("a.mrc", (EXAMPLES / "micrograph_a.mrc").read_bytes()), root)
    counts = original.array("counts")
    converted = ingest(upload(f"a{extension}", EXAMPLE[extension](counts)), root)
    np.testing.assert_array_equal(converted.array("counts"), counts)
    one, other = load_micrograph(original), load_micrograph(converted)
    assert other.pixel_size_angstrom == pytest.approx(one.pixel_size_angstrom, rel=1e-6)
