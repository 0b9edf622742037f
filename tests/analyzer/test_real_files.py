"""Instruments' files of others: each is read rightly, or refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cryolattice.client.companions import companions_of
from cryolattice.errors import (
    CryolatticeError,
    InvalidInputError,
    MissingCalibrationError,
    UnreadableFileError,
)
from cryolattice_analyzer.dose.diffraction_series import read_diffraction_series
from cryolattice_analyzer.imaging.micrograph import read_micrograph

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "real"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="no third-party files beside the checkout"),
]

# pixel size in angstrom, (rows, columns), facts of the microscope
Image = tuple[float, tuple[int, int], Mapping[str, object]]
IMAGES: dict[str, Image] = {
    **{
        f"ctf/20170629_000{number}_PS.mrc": (1.39955, (512, 512), {})
        for number in (21, 22, 23, 25, 30, 36)
    },
    "ctf/pyCTF_example_image.tif": (1.47823, (1006, 1006), {}),
    "lattice/jacobjma_graphene.tif": (0.11955, (731, 731), {}),
    "lattice/Acquisition_18.emd": (
        0.122465,
        (1024, 1024),
        {"energy_kev": 200.0, "microscope": "TEAM 0.5", "magnification": 5.1e6},
    ),
    "lattice/holo_130V.hdf5": (
        9.19752,
        (512, 512),
        {"energy_kev": 300.0, "camera": "BM-UltraScan", "exposure_s": 10.0, "magnification": 38e3},
    ),
}
REFUSED: dict[str, tuple[type[CryolatticeError], str]] = {
    "lattice/atomap_test_ADF_cropped.hdf5": (MissingCalibrationError, "no unit.*0.0932627 angst"),
    "diffraction/au_xgrating_20cm.tif": (MissingCalibrationError, "no pixel size"),
    "diffraction/moo3_20cm.tif": (MissingCalibrationError, "no pixel size"),
    "formats/08_carbon.dm3": (UnreadableFileError, "an EELS spectrum"),
    "formats/dmTest_nonsquare.dm3": (InvalidInputError, "10 x 2 angstrom .*not square"),
    "formats/dmTest_nonsquare.dm4": (InvalidInputError, "10 x 2 angstrom .*not square"),
    "formats/rsciio_20241021_00405_movie.mrc": (MissingCalibrationError, "no pixel size"),
    "formats/rsciio_64x64_diffraction_acquire.emi": (InvalidInputError, "0.101572 1 / nm"),
    "formats/rsciio_64x64_diffraction_acquire_1.ser": (InvalidInputError, "0.101572 1 / nm"),
}
# with the pixel size that the file lacks
TOLD = {
    "lattice/atomap_test_ADF_cropped.hdf5": (0.0932627, (400, 380)),
    "diffraction/au_xgrating_20cm.tif": (1.0, (256, 256)),
    "formats/dmTest_nonsquare.dm4": (2.0, (64, 128)),
    "formats/rsciio_64x64_diffraction_acquire_1.ser": (1.0, (64, 64)),
}


def beside(path: Path) -> dict[str, bytes]:
    return {other.name: other.read_bytes() for other in companions_of(path)}


def test_every_file_has_its_expectation() -> None:
    there = {
        str(path.relative_to(FOLDER))
        for path in FOLDER.rglob("*")
        if path.is_file() and path.suffix != ".cif"
    }
    assert there == {*IMAGES, *REFUSED}


@pytest.mark.parametrize("name", IMAGES)
def test_read(name: str) -> None:
    pixel, shape, facts = IMAGES[name]
    path = FOLDER / name
    image = read_micrograph(path.read_bytes(), path.name)
    assert image.pixel_size_angstrom == pytest.approx(pixel, rel=1e-5)
    assert image.counts.shape == shape
    assert image.counts.std() > 0
    assert {key: getattr(image.instrument, key) for key in facts} == facts
    assert image.warnings == ()


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    kind, telling = REFUSED[name]
    path = FOLDER / name
    with pytest.raises(kind, match=telling) as caught:
        read_micrograph(path.read_bytes(), path.name, companions=beside(path))
    assert type(caught.value) is kind
    assert caught.value.field in {"micrograph", "pixel_size"}


@pytest.mark.parametrize("name", TOLD)
def test_read_with_the_pixel_size_given(name: str) -> None:
    pixel, shape = TOLD[name]
    path = FOLDER / name
    image = read_micrograph(
        path.read_bytes(), path.name, companions=beside(path), pixel_size_angstrom=pixel
    )
    assert image.pixel_size_angstrom == pixel
    assert image.counts.shape == shape


def test_a_ser_alone_is_refused() -> None:
    path = FOLDER / "formats" / "rsciio_64x64_diffraction_acquire_1.ser"
    with pytest.raises(UnreadableFileError, match=r"acquire\.emi belongs beside it"):
        read_micrograph(path.read_bytes(), path.name)


def test_of_the_pair_the_scale_and_the_microscope_are_read() -> None:
    path = FOLDER / "formats" / "rsciio_64x64_diffraction_acquire_1.ser"
    image = read_micrograph(
        path.read_bytes(), path.name, companions=beside(path), pixel_size_angstrom=1.0
    )
    assert image.axes[1].scale == pytest.approx(0.101572, rel=1e-5)
    assert image.axes[1].unit == "1 / nm"
    assert (image.instrument.energy_kev, image.instrument.camera) == (200.0, "WA-Orius")
    assert image.instrument.camera_length_mm == pytest.approx(490)


@pytest.mark.parametrize(
    ("name", "telling"),
    [
        ("diffraction/au_xgrating_20cm.tif", "256 x 256 is not a dose series"),
        ("formats/rsciio_64x64_diffraction_acquire.emi", "64 x 64 is not a dose series"),
        ("lattice/jacobjma_graphene.tif", "real space"),
        ("formats/08_carbon.dm3", "EELS spectrum"),
        ("ctf/20170629_00021_PS.mrc", "real space"),
    ],
)
def test_no_dose_series(name: str, telling: str) -> None:
    path = FOLDER / name
    with pytest.raises(InvalidInputError, match=telling):
        read_diffraction_series(path.read_bytes(), path.name, companions=beside(path))
