"""Reading dose series: what is accepted, and what each refusal says."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryolattice.errors import InvalidInputError, MissingCalibrationError, UnreadableFileError
from cryolattice_analyzer.dose.diffraction_series import (
    check_dose_per_frame,
    header_pixel_size,
    read_diffraction_series,
    repair_hot_pixels,
)

FRAMES = np.random.default_rng(3).poisson(5.0, size=(5, 40, 48)).astype(np.float32)


def write(path: Path, data: np.ndarray, voxel: float = 0.01) -> Path:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(data)
        file.voxel_size = voxel
    return path


def test_path_bytes_and_gzip_give_the_same_frames(tmp_path: Path) -> None:
    path = write(tmp_path / "s.mrc", FRAMES)
    content = path.read_bytes()
    for source in (path, str(path), content, gzip.compress(content)):
        series = read_diffraction_series(source, "s.mrc", 0.02)
        assert np.array_equal(series.frames, FRAMES)
        assert series.frames.dtype == np.float32
        assert series.pixel_size_per_angstrom == 0.02


def test_integers_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "s.mrc", FRAMES.astype(np.uint16))
    assert np.array_equal(read_diffraction_series(path, "s.mrc", 0.02).frames, FRAMES)


@pytest.mark.parametrize("voxel", [0.0, -1.0])
def test_header_without_a_pixel_size(tmp_path: Path, voxel: float) -> None:
    assert header_pixel_size(write(tmp_path / "s.mrc", FRAMES, voxel), "s.mrc") is None


def test_header_pixel_size(tmp_path: Path) -> None:
    assert header_pixel_size(write(tmp_path / "s.mrc", FRAMES), "s.mrc") == pytest.approx(0.01)


@pytest.mark.parametrize("pixel_size", [None, 0.0, -0.01, float("nan"), float("inf")])
def test_missing_calibration(tmp_path: Path, pixel_size: float | None) -> None:
    path = write(tmp_path / "s.mrc", FRAMES)
    with pytest.raises(MissingCalibrationError, match="1/angstrom") as caught:
        read_diffraction_series(path, "s.mrc", pixel_size)
    assert caught.value.field == "pixel_size"


@pytest.mark.parametrize("dose", [0.0, -2.0, float("nan"), float("inf")])
def test_impossible_dose(dose: float) -> None:
    with pytest.raises(InvalidInputError, match="e/angstrom") as caught:
        check_dose_per_frame(dose)
    assert caught.value.field == "dose_per_frame"


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="no such file"):
        read_diffraction_series(tmp_path / "none.mrc", "none.mrc", 0.01)


@pytest.mark.parametrize("keep", [0, 10, 1024, 1030, -4])
def test_truncated_file(tmp_path: Path, keep: int) -> None:
    content = write(tmp_path / "s.mrc", FRAMES).read_bytes()[:keep]
    (tmp_path / "cut.mrc").write_bytes(content)
    for source in (content, tmp_path / "cut.mrc"):
        with pytest.raises(UnreadableFileError, match=r"cut\.mrc"):
            read_diffraction_series(source, "cut.mrc", 0.01)


def test_truncated_gzip(tmp_path: Path) -> None:
    content = gzip.compress(write(tmp_path / "s.mrc", FRAMES).read_bytes())
    with pytest.raises(UnreadableFileError):
        read_diffraction_series(content[:-200], "s.mrc.gz", 0.01)


def test_another_kind_of_file() -> None:
    buffer = io.BytesIO()
    np.save(buffer, FRAMES)
    with pytest.raises(UnreadableFileError):
        read_diffraction_series(buffer.getvalue(), "frames.npy", 0.01)


@pytest.mark.parametrize(
    "data", [FRAMES[0], FRAMES[:2], FRAMES[:, :8, :8], FRAMES.astype(np.complex64)]
)
def test_not_a_series(tmp_path: Path, data: np.ndarray) -> None:
    with pytest.raises(UnreadableFileError, match=r"s\.mrc"):
        read_diffraction_series(write(tmp_path / "s.mrc", data), "s.mrc", 0.01)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_names_the_frame(tmp_path: Path, bad: float) -> None:
    data = FRAMES.copy()
    data[3, 2, 1] = bad
    with pytest.raises(UnreadableFileError, match="first in frame 3"):
        read_diffraction_series(write(tmp_path / "s.mrc", data), "s.mrc", 0.01)


def test_hot_pixel_is_mended_and_a_spot_is_not() -> None:
    frames = FRAMES.copy()
    frames[:, 20, 30] += 900
    yy, xx = np.mgrid[:40, :48]
    frames += 300 * np.exp(-((yy - 10) ** 2 + (xx - 10) ** 2) / (2 * 0.8**2))[None]
    mended = repair_hot_pixels(frames)
    assert mended[:, 20, 30].max() < 40
    mended[:, 20, 30] = frames[:, 20, 30]
    assert np.array_equal(mended, frames)
