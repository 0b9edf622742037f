"""Reading dose series: what is accepted, and what each refusal says."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError, MissingCalibrationError, UnreadableFileError
from cryolattice_analyzer.dose.diffraction_series import (
    check_dose_per_frame,
    read_diffraction_series,
    repair_hot_pixels,
)
from tests.analyzer.instrument_files import mrc

FRAMES = np.random.default_rng(3).poisson(5.0, size=(5, 40, 48)).astype(np.float32)


def test_gzip_gives_the_same_frames() -> None:
    content = mrc(FRAMES, 0.01)
    for source in (content, gzip.compress(content)):
        series = read_diffraction_series(source, "s.mrc", pixel_size_per_angstrom=0.02)
        assert np.array_equal(series.frames, FRAMES)
        assert series.frames.dtype == np.float32
        assert series.pixel_size_per_angstrom == 0.02


def test_integers_are_read() -> None:
    series = read_diffraction_series(mrc(FRAMES.astype(np.uint16), 0.01), "s.mrc")
    assert np.array_equal(series.frames, FRAMES)


def test_only_another_number_than_the_header_s_is_told() -> None:
    content = mrc(FRAMES, 0.0085)
    for given, told in ((0.0085, False), (0.02, True)):
        series = read_diffraction_series(content, "s.mrc", pixel_size_per_angstrom=given)
        assert any("0.0085 A" in warning for warning in series.warnings) is told


@pytest.mark.parametrize("voxel", [None, 0.0, -1.0])
def test_a_header_without_a_pixel_size(voxel: float | None) -> None:
    with pytest.raises(MissingCalibrationError, match="--pixel-size") as caught:
        read_diffraction_series(mrc(FRAMES, voxel), "s.mrc")
    assert caught.value.field == "pixel_size"


@pytest.mark.parametrize("pixel_size", [0.0, -0.01, float("nan"), float("inf")])
def test_impossible_pixel_size(pixel_size: float) -> None:
    with pytest.raises(MissingCalibrationError, match="1/angstrom") as caught:
        read_diffraction_series(mrc(FRAMES, 0.01), "s.mrc", pixel_size_per_angstrom=pixel_size)
    assert caught.value.field == "pixel_size"


@pytest.mark.parametrize("dose", [0.0, -2.0, float("nan"), float("inf")])
def test_impossible_dose(dose: float) -> None:
    with pytest.raises(InvalidInputError, match="e/angstrom") as caught:
        check_dose_per_frame(dose)
    assert caught.value.field == "dose_per_frame"


@pytest.mark.parametrize("keep", [0, 10, 1024, 1030, -4])
def test_truncated_file(keep: int) -> None:
    with pytest.raises(UnreadableFileError, match=r"cut\.mrc") as caught:
        read_diffraction_series(mrc(FRAMES, 0.01)[:keep], "cut.mrc")
    assert caught.value.field == "series"


@pytest.mark.parametrize(
    "data", [FRAMES[0], FRAMES[:2], FRAMES[:, :8, :8], FRAMES.astype(np.complex64)]
)
def test_not_a_series(data: np.ndarray) -> None:
    with pytest.raises(UnreadableFileError, match=r"s\.mrc"):
        read_diffraction_series(mrc(data, 0.01), "s.mrc")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_names_the_frame(bad: float) -> None:
    data = FRAMES.copy()
    data[3, 2, 1] = bad
    with pytest.raises(UnreadableFileError, match="first in frame 3"):
        read_diffraction_series(mrc(data, 0.01), "s.mrc")


def test_hot_pixel_is_mended_and_a_spot_is_not() -> None:
    frames = FRAMES.copy()
    frames[:, 20, 30] += 900
    yy, xx = np.mgrid[:40, :48]
    frames += 300 * np.exp(-((yy - 10) ** 2 + (xx - 10) ** 2) / (2 * 0.8**2))[None]
    mended = repair_hot_pixels(frames)
    assert mended[:, 20, 30].max() < 40
    mended[:, 20, 30] = frames[:, 20, 30]
    assert np.array_equal(mended, frames)
