from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryolattice.errors import InvalidInputError, MissingCalibrationError, UnreadableFileError
from cryolattice_analyzer.imaging.micrograph import read_micrograph


def mrc_bytes(tmp_path: Path, values: np.ndarray, voxel: object = 0.5) -> bytes:
    path = tmp_path / "image.mrc"
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(values)
        if voxel is not None:
            file.voxel_size = voxel
    return path.read_bytes()


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).poisson(5, (80, 96)).astype(np.float32)


def test_reads_counts_and_pixel_size(tmp_path: Path, image: np.ndarray) -> None:
    result = read_micrograph(mrc_bytes(tmp_path, image), "a.mrc")
    np.testing.assert_array_equal(result.counts, image)
    assert result.counts.dtype == np.float32
    assert result.pixel_size_angstrom == pytest.approx(0.5)
    assert result.energy_kev is None
    assert result.warnings == ()


def test_frames_are_summed_with_a_warning(tmp_path: Path, image: np.ndarray) -> None:
    stack = np.stack([image, image, image]).astype(np.int16)
    result = read_micrograph(mrc_bytes(tmp_path, stack), "movie.mrcs")
    np.testing.assert_array_equal(result.counts, 3 * image)
    assert "3 frames" in result.warnings[0]


@pytest.mark.parametrize("voxel", [None, 0.0, -1.0])
def test_missing_pixel_size_is_asked_for(
    tmp_path: Path, image: np.ndarray, voxel: float | None
) -> None:
    data = mrc_bytes(tmp_path, image, voxel)
    with pytest.raises(MissingCalibrationError, match="--pixel-size") as caught:
        read_micrograph(data, "a.mrc")
    assert caught.value.field == "pixel_size"
    assert read_micrograph(data, "a.mrc", pixel_size_angstrom=0.7).pixel_size_angstrom == 0.7


def test_given_pixel_size_wins_and_a_large_difference_is_named(
    tmp_path: Path, image: np.ndarray
) -> None:
    data = mrc_bytes(tmp_path, image)
    assert read_micrograph(data, "a.mrc", pixel_size_angstrom=0.502).warnings == ()
    result = read_micrograph(data, "a.mrc", pixel_size_angstrom=0.6)
    assert result.pixel_size_angstrom == 0.6
    assert "0.6" in result.warnings[0]
    assert "0.5 angstrom" in result.warnings[0]


@pytest.mark.parametrize("size", [0.0, -0.5, float("nan")])
def test_pixel_size_must_be_positive(tmp_path: Path, image: np.ndarray, size: float) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_micrograph(mrc_bytes(tmp_path, image), "a.mrc", pixel_size_angstrom=size)
    assert caught.value.field == "pixel_size"


def test_unequal_pixels_are_refused(tmp_path: Path, image: np.ndarray) -> None:
    data = mrc_bytes(tmp_path, image, (0.5, 0.6, 1.0))
    with pytest.raises(InvalidInputError, match=r"0\.5 x 0\.6"):
        read_micrograph(data, "a.mrc")


@pytest.mark.parametrize("keep", [0, 10, 1023, 5000])
def test_truncated_file(tmp_path: Path, image: np.ndarray, keep: int) -> None:
    with pytest.raises(UnreadableFileError, match="readable MRC") as caught:
        read_micrograph(mrc_bytes(tmp_path, image)[:keep], "a.mrc")
    assert caught.value.field == "micrograph"


def test_unknown_extension_says_what_is_read() -> None:
    with pytest.raises(UnreadableFileError, match=r"\.mrc"):
        read_micrograph(b"II*", "a.tif")


def test_not_an_mrc_file() -> None:
    with pytest.raises(UnreadableFileError):
        read_micrograph(b"hello " * 1000, "a.mrc")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_counted_and_located(
    tmp_path: Path, image: np.ndarray, value: float
) -> None:
    image[7, 11] = image[50, 3] = value
    with pytest.raises(InvalidInputError, match=r"2 of 7680.*y = 7, x = 11"):
        read_micrograph(mrc_bytes(tmp_path, image), "a.mrc")


def test_constant_and_small_images_are_refused(tmp_path: Path, image: np.ndarray) -> None:
    with pytest.raises(InvalidInputError, match="every pixel"):
        read_micrograph(mrc_bytes(tmp_path, np.full((80, 80), 3, np.float32)), "a.mrc")
    with pytest.raises(InvalidInputError, match="40 x 80"):
        read_micrograph(mrc_bytes(tmp_path, image[:80, :40].copy()), "a.mrc")
