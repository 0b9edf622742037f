from __future__ import annotations

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError, UnreadableFileError
from cryolattice_analyzer.imaging.micrograph import read_micrograph
from tests.analyzer.instrument_files import mrc


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).poisson(5, (80, 96)).astype(np.float32)


def test_reads_counts_and_pixel_size(image: np.ndarray) -> None:
    result = read_micrograph(mrc(image), "a.mrc")
    np.testing.assert_array_equal(result.counts, image)
    assert result.counts.dtype == np.float32
    assert result.pixel_size_angstrom == pytest.approx(0.5)
    assert result.energy_kev is None
    assert result.warnings == ()


def test_frames_are_summed_with_a_warning(image: np.ndarray) -> None:
    stack = np.stack([image, image, image]).astype(np.int16)
    result = read_micrograph(mrc(stack), "movie.mrcs")
    np.testing.assert_array_equal(result.counts, 3 * image)
    assert "3 frames" in result.warnings[0]


def test_given_pixel_size_wins_and_a_large_difference_is_named(
    image: np.ndarray,
) -> None:
    data = mrc(image)
    assert read_micrograph(data, "a.mrc", pixel_size_angstrom=0.502).warnings == ()
    result = read_micrograph(data, "a.mrc", pixel_size_angstrom=0.6)
    assert result.pixel_size_angstrom == 0.6
    assert "0.6" in result.warnings[0]
    assert "0.5 angstrom" in result.warnings[0]


@pytest.mark.parametrize("size", [0.0, -0.5, float("nan")])
def test_pixel_size_must_be_positive(image: np.ndarray, size: float) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_micrograph(mrc(image), "a.mrc", pixel_size_angstrom=size)
    assert caught.value.field == "pixel_size"


def test_unequal_pixels_are_refused(image: np.ndarray) -> None:
    data = mrc(image, (0.5, 0.6, 1.0))
    with pytest.raises(InvalidInputError, match=r"0\.5 x 0\.6"):
        read_micrograph(data, "a.mrc")


@pytest.mark.parametrize("keep", [1, 10, 1023, 5000])
def test_truncated_file(image: np.ndarray, keep: int) -> None:
    with pytest.raises(UnreadableFileError, match="readable MRC") as caught:
        read_micrograph(mrc(image)[:keep], "a.mrc")
    assert caught.value.field == "micrograph"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_counted_and_located(
    image: np.ndarray, value: float
) -> None:
    image[7, 11] = image[50, 3] = value
    with pytest.raises(InvalidInputError, match=r"2 of 7680.*y = 7, x = 11"):
        read_micrograph(mrc(image), "a.mrc")


def test_constant_and_small_images_are_refused(image: np.ndarray) -> None:
    with pytest.raises(InvalidInputError, match="every pixel"):
        read_micrograph(mrc(np.full((80, 80), 3, np.float32)), "a.mrc")
    with pytest.raises(InvalidInputError, match="40 x 80"):
        read_micrograph(mrc(image[:80, :40].copy()), "a.mrc")
