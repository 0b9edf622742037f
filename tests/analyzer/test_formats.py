"""Every format that is read, written here and read back; and what each refusal says."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

from cryolattice.errors import InvalidInputError, MissingCalibrationError, UnreadableFileError
from cryolattice_analyzer.dose.diffraction_series import read_diffraction_series
from cryolattice_analyzer.imaging.micrograph import read_micrograph
from tests.analyzer import instrument_files as files
from tests.analyzer.instrument_images import COUNTS, DM_TAGS, IMAGES, MOVIE, PATTERNS


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_comes_back_with_its_calibration(kind: str) -> None:
    case = IMAGES[kind]
    image = read_micrograph(case.write(), case.name, companions=case.companions())
    np.testing.assert_array_equal(image.counts, COUNTS)
    assert image.counts.dtype == np.float32
    assert image.pixel_size_angstrom == pytest.approx(0.5, rel=1e-6)
    assert {key: getattr(image.instrument, key) for key in case.instrument} == case.instrument
    assert image.warnings == ()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("movie.mrcs", files.mrc(MOVIE)),
        ("movie.tif", files.imagej_tiff(MOVIE, 0.05, "nm")),
        ("movie.hspy", files.hspy(MOVIE, 0.05, "nm")),
        ("movie.dm3", files.dm3(MOVIE, (0.05, 0.05), ("nm", "nm"), {})),
        ("movie.emd", files.velox({"Falcon": MOVIE}, 5e-11)),
        (
            "movie.emd",
            files.berkeley(MOVIE, [("z", 1, ""), ("y", 0.05, "n_m"), ("x", 0.05, "n_m")]),
        ),
    ],
    ids=["mrcs", "tiff", "hspy", "dm3", "velox", "berkeley"],
)
def test_the_frames_of_a_movie_are_summed(name: str, data: bytes) -> None:
    image = read_micrograph(data, name)
    np.testing.assert_array_equal(image.counts, MOVIE.sum(axis=0))
    assert image.pixel_size_angstrom == pytest.approx(0.5)
    assert image.frames == 4
    assert "4 frames" in image.warnings[0]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("s.hspy", files.hspy(PATTERNS, 0.085, "1/nm")),
        ("s.tif", files.imagej_tiff(PATTERNS, 0.085, "1/nm")),
        ("s.dm3", files.dm3(PATTERNS, (0.085, 0.0085), ("1/nm", "1/A"), {})),
        ("s.emd", files.velox({"Ceta": PATTERNS}, 8.5e7, "1/m")),
        (
            "s.emd",
            files.berkeley(
                PATTERNS, [("frame", 1, ""), ("Qy", 0.085, "n_m^-1"), ("Qx", 0.085, "n_m^-1")]
            ),
        ),
    ],
    ids=["hspy", "tiff", "dm3", "velox", "berkeley"],
)
def test_a_diffraction_series_comes_back(name: str, data: bytes) -> None:
    series = read_diffraction_series(data, name)
    np.testing.assert_array_equal(series.frames, PATTERNS)
    assert series.pixel_size_per_angstrom == pytest.approx(0.0085)
    assert series.warnings == ()


def test_the_mrc_header_of_a_series_is_taken_as_reciprocal_and_said() -> None:
    series = read_diffraction_series(files.mrc(PATTERNS, 0.0085), "s.mrc")
    assert series.pixel_size_per_angstrom == pytest.approx(0.0085)
    assert "taken as 1/angstrom" in series.warnings[0]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("s.mrc", files.mrc(MOVIE, 1.5)),
        ("s.hspy", files.hspy(MOVIE, 0.05, "nm")),
        ("s.emd", files.velox({"Ceta": MOVIE}, 5e-11)),
    ],
)
def test_a_movie_is_no_diffraction_series(name: str, data: bytes) -> None:
    with pytest.raises(InvalidInputError, match="image in real space"):
        read_diffraction_series(data, name)
    # who insists on a scale is believed, and told what the file says
    series = read_diffraction_series(data, name, pixel_size_per_angstrom=0.01)
    assert series.pixel_size_per_angstrom == 0.01
    assert any("in the file" in note for note in series.warnings)


def test_a_pattern_is_no_image() -> None:
    data = files.hspy(COUNTS, 0.085, "1/nm")
    with pytest.raises(InvalidInputError, match=r"0\.085 1/nm.*diffraction pattern"):
        read_micrograph(data, "a.hspy")
    image = read_micrograph(data, "a.hspy", pixel_size_angstrom=0.5)
    assert "0.085 1/nm in the file" in image.warnings[0]


@pytest.mark.parametrize(
    ("name", "data", "telling"),
    [
        ("zero.mrc", files.mrc(COUNTS, 0.0), "no pixel size"),
        ("minus.mrc", files.mrc(COUNTS, -1.0), "no pixel size"),
        ("new.mrc", files.mrc(COUNTS, None), "no pixel size"),
        ("plain.tif", files.tiff(COUNTS), "no pixel size"),
        (
            "screen.tif",
            files.tiff(COUNTS, resolution=(72, 72), resolutionunit="INCH"),
            "no pixel size",
        ),
        ("px.tif", files.imagej_tiff(COUNTS, 1.0, "pixel"), "no pixel size"),
        ("px.hspy", files.hspy(COUNTS, 2.0, "px"), "2 px"),
        ("bare.hspy", files.hspy(COUNTS, 0.05, ""), r"0\.05.*no unit.*0\.5 angstrom"),
        ("half.dm3", files.dm3(COUNTS, (0.05, 1.0), ("nm", ""), {}), r"0\.05 nm along x"),
        ("huge.hspy", files.hspy(COUNTS, 1e17, "nm"), "1e[+]17 nm.*cannot be"),
        ("plain.h5", files.hdf5(lambda f: f.create_dataset("a/b", data=COUNTS)), "no pixel size"),
    ],
)
def test_a_missing_or_meaningless_pixel_size_is_asked_for(
    name: str, data: bytes, telling: str
) -> None:
    with pytest.raises(MissingCalibrationError, match=f"{telling}.*--pixel-size") as caught:
        read_micrograph(data, name)
    assert caught.value.field == "pixel_size"
    image = read_micrograph(data, name, pixel_size_angstrom=0.7)
    assert image.pixel_size_angstrom == 0.7
    np.testing.assert_array_equal(image.counts, COUNTS)


def test_unequal_pixels() -> None:
    def image(x: float, y: float) -> Any:
        return read_micrograph(files.hspy(COUNTS, (x, y), "nm"), "a.hspy")

    assert image(0.05, 0.05002).warnings == ()
    nearly = image(0.05, 0.0503)
    assert nearly.pixel_size_angstrom == pytest.approx(0.5015)
    assert "taken as square" in nearly.warnings[0]
    with pytest.raises(InvalidInputError, match=r"0\.5 x 0\.55 angstrom") as caught:
        image(0.05, 0.055)
    assert caught.value.field == "pixel_size"


def test_one_of_several_images_must_be_chosen() -> None:
    data = files.velox({"HAADF": COUNTS, "BF": COUNTS[:72]}, 5e-11)
    with pytest.raises(InvalidInputError, match=r"1 image 'HAADF'.*2 image 'BF'") as caught:
        read_micrograph(data, "a.emd")
    assert caught.value.field == "signal"
    for wanted in ("BF", "2"):
        assert read_micrograph(data, "a.emd", signal=wanted).counts.shape == (72, 96)
    for wanted in ("DF", "3", "0"):
        with pytest.raises(InvalidInputError, match="HAADF") as caught:
            read_micrograph(data, "a.emd", signal=wanted)
        assert caught.value.field == "signal"


def test_the_only_image_among_other_arrays_is_taken() -> None:
    def fill(file: h5py.File) -> None:
        file["profile"] = np.zeros((9, 3, 2, 2))
        file["spectrum"] = np.arange(300.0)
        file["picture"] = COUNTS
        file["wave"] = COUNTS.astype(np.complex64)

    image = read_micrograph(files.hdf5(fill), "a.h5", pixel_size_angstrom=0.5)
    assert image.title == "picture"
    np.testing.assert_array_equal(image.counts, COUNTS)


def _spectrum(signal_type: str, shape: tuple[int, ...]) -> bytes:
    values = np.ones(shape, np.float32)
    signal = files.hyperspy_signal(np.ones((8, 8), np.float32), 1.0, "nm")
    names = ["y", "x", "Energy loss"][-len(shape) :]
    signal["data"] = values
    signal["axes"] = [
        {
            **signal["axes"][0],
            "name": name,
            "size": size,
            "scale": 0.5,
            "units": "eV" if name == "Energy loss" else "nm",
            "navigate": name != "Energy loss",
        }
        for name, size in zip(names, shape, strict=True)
    ]
    signal["metadata"]["Signal"]["signal_type"] = signal_type
    return files.hspy_of(signal)


@pytest.mark.parametrize(
    ("data", "telling"),
    [
        (_spectrum("EELS", (256,)), "an EELS spectrum"),
        (_spectrum("EELS", (70, 80, 64)), "an EELS spectrum image"),
        (_spectrum("EDS_TEM", (256,)), "an EDS spectrum"),
        (files.hspy(COUNTS.astype(np.complex64), 0.05, "nm"), "complex values"),
        (files.hspy(np.ones((2, 3, 70, 70), np.uint8), 0.05, "nm"), "scan of diffraction"),
    ],
    ids=["EELS", "spectrum image", "EDS", "complex", "4-D"],
)
def test_what_is_no_image_is_refused_by_name(data: bytes, telling: str) -> None:
    with pytest.raises(UnreadableFileError, match=telling) as caught:
        read_micrograph(data, "a.hspy", pixel_size_angstrom=0.5)
    assert caught.value.field == "micrograph"


def test_an_energy_filtered_image_is_an_image() -> None:
    tags = {"Meta Data": {"Signal": "EELS", "Format": "Image"}}
    data = files.dm3(COUNTS, (0.05, 0.05), ("nm", "nm"), tags)
    np.testing.assert_array_equal(read_micrograph(data, "a.dm3").counts, COUNTS)


def test_a_colour_picture_is_refused() -> None:
    rgb = np.zeros((80, 96, 3), np.uint8)
    with pytest.raises(UnreadableFileError, match="colour picture"):
        read_micrograph(files.tiff(rgb, photometric="rgb"), "a.tif", pixel_size_angstrom=0.5)


def test_the_tenth_series_of_an_emi_does_not_take_the_place_of_the_first() -> None:
    series = {"a_1.ser": files.ser(COUNTS, 5e-11), "a_10.ser": files.ser(COUNTS + 1, 5e-11)}
    emi = files.emi("TEM uP SA Zoom Image")
    for number, added in (("1", 0), ("2", 1)):
        image = read_micrograph(emi, "a.emi", companions=series, signal=number)
        np.testing.assert_array_equal(image.counts, COUNTS + added)
    with pytest.raises(UnreadableFileError, match=r"its a\.emi belongs beside it"):
        read_micrograph(series["a_10.ser"], "a_10.ser")


@pytest.mark.parametrize(("name", "partner"), [("a_1.ser", "a.emi"), ("a.emi", "a_1.ser")])
def test_half_a_pair_names_the_other(name: str, partner: str) -> None:
    data = {"a_1.ser": files.ser(COUNTS, 5e-11), "a.emi": files.emi("TEM Image")}
    with pytest.raises(UnreadableFileError, match=f"{partner}.*one folder"):
        read_micrograph(data[name], name)


def test_of_a_pair_the_mode_gives_the_unit() -> None:
    companions = {"a.emi": files.emi("TEM uP SA Zoom Diffraction")}
    with pytest.raises(InvalidInputError, match="diffraction pattern"):
        read_micrograph(files.ser(COUNTS, 1e8), "a_1.ser", companions=companions)


MDOC = b"""PixelSpacing = 0.5
Voltage = 200
ImageFile = a.tif

[ZValue = 0]
Magnification = 81000
ExposureTime = 2.5
ExposureDose = 41.2
DateTime = 12-Mar-24  10:11:12

[ZValue = 1]
ExposureDose = 99
"""


def test_an_mdoc_tells_what_the_header_does_not() -> None:
    image = read_micrograph(files.tiff(COUNTS), "a.tif", companions={"a.tif.mdoc": MDOC})
    assert image.pixel_size_angstrom == 0.5
    told = image.instrument
    assert (told.energy_kev, told.magnification, told.exposure_s) == (200, 81e3, 2.5)
    assert told.dose_e_per_angstrom2 == 41.2
    assert told.acquired == "12-Mar-24  10:11:12"


def test_the_dose_of_one_image_is_not_that_of_the_stack() -> None:
    stack = read_micrograph(files.mrc(MOVIE, 0.5), "a.mrc", companions={"a.mrc.mdoc": MDOC})
    assert stack.instrument.dose_e_per_angstrom2 is None
    assert stack.instrument.exposure_s is None
    assert stack.instrument.energy_kev == 200
    frames = MDOC.split(b"[ZValue = 1]")[0].replace(b"ZValue", b"FrameSet")
    movie = read_micrograph(files.mrc(MOVIE, 0.5), "a.mrc", companions={"a.mrc.mdoc": frames})
    assert movie.instrument.dose_e_per_angstrom2 == 41.2


def test_the_header_comes_before_the_mdoc() -> None:
    data = files.dm3(COUNTS, (0.07, 0.07), ("nm", "nm"), DM_TAGS)
    image = read_micrograph(data, "a.dm3", companions={"a.dm3.mdoc": MDOC})
    assert image.pixel_size_angstrom == pytest.approx(0.7)
    assert image.instrument.magnification == 48e3
    for junk in (b"", b"\xff\xfe\0", b"PixelSpacing = nan\nVoltage = -3"):
        with pytest.raises(MissingCalibrationError):
            read_micrograph(files.tiff(COUNTS), "a.tif", companions={"a.tif.mdoc": junk})
