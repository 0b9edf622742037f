from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.imaging.lattice import Lattice2D, find_lattice
from cryolattice_analyzer.imaging.micrograph import read_micrograph
from cryolattice_analyzer.imaging.parent_cell import ParentCell
from cryolattice_analyzer.imaging.power_spectrum import power_spectrum

sys.path.insert(0, str(Path(__file__).parent))
from planted_crystal import plant

PARENT = ParentCell(4.7, 4.7, 90.0)


def found(*args: object, **kwargs: object) -> Lattice2D:
    result = find_lattice(*args, **kwargs)  # type: ignore[arg-type]
    assert result.found, result.reason
    assert result.lattice is not None
    return result.lattice


@pytest.mark.parametrize("rotation", [-44.0, -10.0, 0.0, 33.0, 44.5])
def test_strained_and_turned_lattices(rotation: float) -> None:
    planted = plant(
        a=4.7 * 1.012, b=4.7 * 0.992, gamma_deg=90.6, rotation_deg=rotation, seed=int(rotation) + 99
    )
    lattice = found(planted.counts, 0.5, PARENT)
    assert lattice.a_angstrom == pytest.approx(4.7 * 1.012, rel=2e-3)
    assert lattice.b_angstrom == pytest.approx(4.7 * 0.992, rel=2e-3)
    assert lattice.gamma_deg == pytest.approx(90.6, abs=0.1)
    assert lattice.rotation_deg == pytest.approx(rotation, abs=0.1)
    assert lattice.mismatch_percent(PARENT) == pytest.approx(0.195, abs=0.15)


def test_errors_are_of_the_size_that_the_covariance_says() -> None:
    deviations = []
    for seed in range(8):
        planted = plant(seed=seed, edge=None, pixels=(256, 256), contrast=0.5)
        lattice = found(planted.counts, 0.5, PARENT)
        errors = lattice.standard_errors
        deviations += [
            (lattice.a_angstrom - 4.7) / errors[0],
            (lattice.b_angstrom - 4.7) / errors[1],
            (lattice.gamma_deg - 90) / errors[2],
            (lattice.rotation_deg - 12) / errors[3],
        ]
    # 32 values: the chi-square's 0.1 % limits; the window costs up to half as much again.
    assert 0.6 < np.sqrt(np.mean(np.square(deviations))) < 2.2


def test_hexagonal_and_oblique_cells() -> None:
    planted = plant(a=4.4, b=4.4, gamma_deg=120, rotation_deg=-21)
    lattice = found(planted.counts, 0.5, ParentCell(4.4, 4.4, 120))
    assert lattice.rotation_deg == pytest.approx(-21, abs=0.1)
    assert lattice.gamma_deg == pytest.approx(120, abs=0.1)
    planted = plant(a=4.4, b=6.1, gamma_deg=75, rotation_deg=70, pixels=(400, 560))
    lattice = found(planted.counts, 0.5, ParentCell(4.4, 6.1, 105))
    assert lattice.gamma_deg == pytest.approx(75, abs=0.1)
    assert lattice.b_angstrom == pytest.approx(6.1, rel=2e-3)


def test_without_a_parent() -> None:
    planted = plant(a=5.2, b=6.4, gamma_deg=97, rotation_deg=20)
    lattice = found(planted.counts, 0.5)
    lengths = sorted([lattice.a_angstrom, lattice.b_angstrom])
    np.testing.assert_allclose(lengths, [5.2, 6.4], rtol=2e-3)


def smooth_fringes(rng: np.random.Generator) -> np.ndarray:
    yy, xx = np.mgrid[:320, :320] * 0.5
    return rng.poisson(5 * (1 + 0.4 * np.cos(2 * np.pi * (0.19 * xx + 0.09 * yy)))).astype(float)


@pytest.mark.parametrize("parent", [PARENT, None])
def test_nothing_is_found_in_noise_film_edges_or_fringes(parent: ParentCell | None) -> None:
    rng = np.random.default_rng(8)
    yy, xx = np.mgrid[:320, :320]
    cases = [rng.poisson(5, (320, 320)).astype(float) for _ in range(8)]
    cases += [plant(contrast=0.0, seed=seed, pixels=(320, 320)).counts for seed in range(8)]
    cases += [rng.poisson(3 + 3 * (0.8 * xx + 0.6 * yy > 280)).astype(float), smooth_fringes(rng)]
    for image in cases:
        result = find_lattice(image, 0.5, parent)
        assert not result.found
        assert result.lattice is None
        assert result.reason


def test_false_alarm_is_calibrated() -> None:
    rng = np.random.default_rng(5)
    values = [
        find_lattice(rng.normal(size=(192, 192)), 0.5, PARENT).log10_false_alarm for _ in range(60)
    ]
    # A chance of 10^-1 should come in a tenth of the images (trials are counted as independent,
    # which makes it rarer), one of 10^-3.5 in none.
    assert np.mean(np.array(values) < -1) < 0.25
    assert min(values) > -3.5


def test_dose_too_low_is_said() -> None:
    planted = plant(counts_per_pixel=0.02, contrast=0.5)
    result = find_lattice(planted.counts, 0.5, PARENT)
    assert not result.found
    assert "noise" in result.reason


def test_impossible_parent() -> None:
    with pytest.raises(InvalidInputError, match="must be positive"):
        ParentCell(4.7, -1.0)


@pytest.mark.real_data
def test_real_graphene() -> None:
    file = Path(__file__).parents[3] / "shared" / "data" / "real" / "lattice"
    file /= "jacobjma_graphene.tif"
    if not file.exists():
        pytest.skip("the third-party micrograph is not there")
    image = np.asarray(Image.open(file)).astype(float)
    for parent in (None, ParentCell(2.46, 2.46, 120)):
        lattice = found(image, 0.11955, parent)
        spacings = 1 / np.linalg.norm(lattice.reciprocal, axis=1)
        assert np.all((spacings > 2.11) & (spacings < 2.17))
        assert min(abs(lattice.gamma_deg - 60), abs(lattice.gamma_deg - 120)) < 1.5


REAL = Path(__file__).resolve().parents[3] / "shared/data/real"


def real_image(name: str, pixel_angstrom: float | None = None) -> tuple[NDArray[np.float32], float]:
    path = REAL / name
    image = read_micrograph(path.read_bytes(), path.name, pixel_size_angstrom=pixel_angstrom)
    return image.counts, image.pixel_size_angstrom


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.exists(), reason="third-party images are not here")
@pytest.mark.parametrize(
    ("name", "pixel", "lengths", "gamma", "parent"),
    [
        ("lattice/jacobjma_graphene.tif", 0.11955, (2.46, 2.46), 120, ParentCell(2.46, 2.46, 120)),
        (
            "lattice/atomap_test_ADF_cropped.hdf5",
            0.09326,
            (2.761, 3.905),
            90,
            ParentCell(2.761, 3.905),
        ),
        # its own calibration is off by 5 %
        ("lattice/Acquisition_18.emd", None, (4.1, 4.1), 90, ParentCell(3.905, 3.905)),
    ],
)
def test_lattices_of_real_images(
    name: str,
    pixel: float | None,
    lengths: tuple[float, float],
    gamma: float,
    parent: ParentCell,
) -> None:
    counts, pixel_size = real_image(name, pixel)
    spectrum = power_spectrum(counts, pixel_size)
    for told in (None, parent):
        lattice = found(counts, pixel_size, told, spectrum=spectrum)
        assert sorted([lattice.a_angstrom, lattice.b_angstrom]) == pytest.approx(lengths, rel=0.015)
        assert lattice.gamma_deg == pytest.approx(gamma, abs=1.5)
    if "Acquisition" in name:
        assert lattice.mismatch_percent(parent) == pytest.approx(5.0, abs=0.5)


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.exists(), reason="third-party images are not here")
@pytest.mark.parametrize(
    ("name", "pixel"), [("lattice/holo_130V.hdf5", None), ("ctf/pyCTF_example_image.tif", 1.48)]
)
def test_fringes_and_film_are_no_lattice(name: str, pixel: float | None) -> None:
    counts, pixel_size = real_image(name, pixel)
    spectrum = power_spectrum(counts, pixel_size)
    for parent in (None, ParentCell(3.905, 3.905)):
        assert not find_lattice(counts, pixel_size, parent, spectrum=spectrum).found


@pytest.mark.parametrize(
    ("reciprocal_of", "alike"),
    [
        (((4.0, 0.1), (-0.1, 3.0)), True),
        (((4.2, 0.0), (0.0, 2.9)), True),
        (((4.5, 0.0), (0.0, 3.0)), False),
        (((4.0, 0.0), (0.4, 3.0)), False),
    ],
)
def test_resemblance(
    reciprocal_of: tuple[tuple[float, float], tuple[float, float]], alike: bool
) -> None:
    reciprocal = np.linalg.inv(np.array(reciprocal_of)).T
    assert ParentCell(4.0, 3.0).resembles(reciprocal) is alike
