"""Every format that is read, written here and read back; and what each refusal says."""

from __future__ import annotations

import gzip
import io
import pickle
import resource
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from cryolattice.errors import InvalidInputError, MissingCalibrationError, UnreadableFileError
from cryolattice_analyzer.dose.diffraction_series import read_diffraction_series
from cryolattice_analyzer.files.formats import read_signals
from cryolattice_analyzer.imaging.micrograph import read_micrograph
from tests.analyzer import instrument_files as files

COUNTS = np.random.default_rng(0).poisson(5, (80, 96)).astype(np.float32)
MOVIE = np.random.default_rng(1).poisson(5, (4, 80, 96)).astype(np.float32)
PATTERNS = np.random.default_rng(2).poisson(5, (4, 48, 40)).astype(np.float32)
DM_TAGS = {
    "Microscope Info": {
        "Voltage": 200e3,
        "Cs(mm)": 1.2,
        "Name": "Talos",
        "Indicated Magnification": 48e3,
        "Imaging Mode": "IMAGING",
    },
    "DataBar": {"Exposure Time (s)": 2.0, "Device Name": "K3"},
}


@dataclass(frozen=True)
class Case:
    """One file: its name, how it is written, and what else must be found in it."""

    name: str
    write: Callable[[], bytes]
    instrument: dict[str, object] = field(default_factory=dict)
    companions: Callable[[], dict[str, bytes]] = dict


IMAGES = {
    "mrc": Case("a.mrc", lambda: files.mrc(COUNTS)),
    "map": Case("a.MAP", lambda: files.mrc(COUNTS.astype(np.int16))),
    "gzip": Case("a.mrc.gz", lambda: gzip.compress(files.mrc(COUNTS))),
    "dm3": Case(
        "a.dm3",
        lambda: files.dm3(COUNTS, (0.05, 0.05), ("nm", "nm"), DM_TAGS),
        {
            "energy_kev": 200,
            "cs_mm": 1.2,
            "microscope": "Talos",
            "camera": "K3",
            "magnification": 48e3,
            "exposure_s": 2.0,
        },
    ),
    "dm3, mixed units": Case(
        "a.dm3", lambda: files.dm3(COUNTS, (0.05, 0.5), ("nm", "A"), DM_TAGS), {"energy_kev": 200}
    ),
    "tiff of ImageJ": Case("a.tif", lambda: files.imagej_tiff(COUNTS, 0.05, "nm")),
    "tiff of ImageJ, escaped": Case("a.tiff", lambda: files.imagej_tiff(COUNTS, 5e-5, "\\u00B5m")),
    "tiff with DigitalMicrograph's tags": Case(
        "a.tif", lambda: files.tiff_of_hyperspy(COUNTS, 0.05, "nm")
    ),
    "tiff with a resolution": Case(
        "a.tif", lambda: files.tiff(COUNTS, resolution=(2e8, 2e8), resolutionunit="CENTIMETER")
    ),
    "tiff of OME": Case(
        "a.ome.tif",
        lambda: files.tiff(
            COUNTS,
            ome=True,
            metadata={
                "axes": "YX",
                "PhysicalSizeX": 0.05,
                "PhysicalSizeXUnit": "nm",
                "PhysicalSizeY": 5e-5,
                "PhysicalSizeYUnit": "\u00b5m",
            },
        ),
    ),
    "compressed tiff": Case(
        "a.tif",
        lambda: files.tiff(
            COUNTS, resolution=(5.08e8, 5.08e8), resolutionunit="INCH", compression="zlib"
        ),
    ),
    "hspy": Case(
        "a.hspy",
        lambda: files.hspy(
            COUNTS, 50.0, "pm", {"Acquisition_instrument": {"TEM": {"beam_energy": 80.0}}}
        ),
        {"energy_kev": 80},
    ),
    "Berkeley emd": Case(
        "a.emd",
        lambda: files.berkeley(COUNTS, [("y", 0.05, "n_m"), ("x", 0.05, "n_m")]),
        {"energy_kev": 200},
    ),
    "Berkeley emd, x first": Case(
        "a.emd", lambda: files.berkeley(COUNTS.T.copy(), [("x", 0.5, "A"), ("y", 0.5, "A")])
    ),
    "Velox emd": Case(
        "a.emd",
        lambda: files.velox({"Ceta": COUNTS}, 5e-11),
        {"energy_kev": 200, "camera": "Ceta", "camera_length_mm": 100, "exposure_s": 1.5},
    ),
    "ser": Case(
        "a_1.ser",
        lambda: files.ser(COUNTS, 5e-11),
        {"energy_kev": 200, "camera": "Orius", "acquired": "2016-02-21 17:51:15"},
        lambda: {"a.emi": files.emi("TEM uP SA Zoom Image")},
    ),
    "emi": Case(
        "a.emi",
        lambda: files.emi("TEM uP SA Zoom Image"),
        companions=lambda: {"a_1.ser": files.ser(COUNTS, 5e-11)},
    ),
}


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


def test_the_header_comes_before_the_mdoc() -> None:
    data = files.dm3(COUNTS, (0.07, 0.07), ("nm", "nm"), DM_TAGS)
    image = read_micrograph(data, "a.dm3", companions={"a.dm3.mdoc": MDOC})
    assert image.pixel_size_angstrom == pytest.approx(0.7)
    assert image.instrument.magnification == 48e3
    for junk in (b"", b"\xff\xfe\0", b"PixelSpacing = nan\nVoltage = -3"):
        with pytest.raises(MissingCalibrationError):
            read_micrograph(files.tiff(COUNTS), "a.tif", companions={"a.tif.mdoc": junk})


# damage


def _png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(COUNTS.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "telling"),
    [
        ("a.dm4", _png(), "PNG picture"),
        ("a.mrc", b"<!DOCTYPE html><html>404</html>" * 100, "web page"),
        ("a.mrc", files.hspy(COUNTS, 0.05, "nm"), r"rename it to \.emd"),
        ("a.tif", files.mrc(COUNTS), r"rename it to \.mrc"),
        ("a.emd", b"PK\3\4" + bytes(100), "ZIP archive"),
        ("a.dm3", bytes(5000), "begin like one"),
        ("a.mrc", b"hello " * 1000, "not a readable MRC"),
        ("a.tif", b"", r"empty \(0 bytes\)"),
        ("a.mrc", pickle.dumps(COUNTS), "not a readable MRC"),
        ("a.npy", b"\x93NUMPY", r"type \.npy are not read"),
        ("a", b"\x93NUMPY", "no extension"),
        ("a.h5", files.hdf5(lambda f: None), "no image"),
        ("a.mrc.gz", gzip.compress(files.mrc(COUNTS))[:-2000], "compression is damaged"),
        ("a.mrc.gz", gzip.compress(bytes(80 << 20)), "unpacks to more"),
    ],
)
def test_what_cannot_be_read_says_what_it_is(name: str, data: bytes, telling: str) -> None:
    with pytest.raises(UnreadableFileError, match=telling) as caught:
        read_micrograph(data, name)
    assert caught.value.field == "micrograph"
    assert "\n" not in caught.value.message


@pytest.fixture
def limited_memory() -> Any:
    """Lets the process grow by 1 GB."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def _lying_mrc() -> bytes:
    data = bytearray(files.mrc(COUNTS))
    data[:12] = np.array([1 << 16, 1 << 16, 1 << 10], "<i4").tobytes()
    return bytes(data)


def _lying_tiff() -> bytes:
    data = files.tiff(COUNTS, compression="zlib")
    # the tags of width and height, both of type 4
    for tag, size in ((256, 96), (257, 80)):
        short = np.array([tag, 3, 1, 0, size, 0], "<u2").tobytes()
        long = np.array([tag, 4, 1, 0], "<u2").tobytes() + np.array([1 << 20], "<u4").tobytes()
        assert short in data or long[:8] in data
        place = data.find(long[:4])
        place = place if place >= 0 else data.find(short[:4])
        data = data[:place] + long + data[place + 12 :]
    return data


def _lying_hdf5() -> bytes:
    def fill(file: h5py.File) -> None:
        file.create_dataset("data", (1 << 20, 1 << 20), np.float32, chunks=(1024, 1024))

    return files.hdf5(fill)


@pytest.mark.parametrize(
    ("name", "data"), [("a.mrc", _lying_mrc()), ("a.tif", _lying_tiff()), ("a.h5", _lying_hdf5())]
)
@pytest.mark.usefixtures("limited_memory")
def test_a_lying_header_takes_no_memory(name: str, data: bytes) -> None:
    with pytest.raises(UnreadableFileError, match="promises"):
        read_micrograph(data, name)


def test_data_in_other_files_are_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(COUNTS.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["data"] = COUNTS

    def external(file: h5py.File) -> None:
        where = [(str(tmp_path / "secret.bin"), 0, COUNTS.nbytes)]
        file.create_dataset("data", COUNTS.shape, COUNTS.dtype, external=where)

    def linked(file: h5py.File) -> None:
        file["data"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "data")

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout(COUNTS.shape, COUNTS.dtype)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "data", COUNTS.shape)
        file.create_virtual_dataset("data", layout)

    for fill in (external, linked, virtual):
        with pytest.raises(UnreadableFileError, match="other files"):
            read_micrograph(files.hdf5(fill), "a.h5", pixel_size_angstrom=0.5)


@pytest.mark.parametrize("kind", IMAGES)
def test_a_damaged_file_is_refused_or_read_but_nothing_else(kind: str) -> None:
    case = IMAGES[kind]
    whole = case.write()
    random = np.random.default_rng(3)
    cut = [whole[: int(len(whole) * part)] for part in (0.01, 0.3, 0.9)]
    flipped = []
    for _ in range(12):
        data = bytearray(whole)
        for place in random.integers(0, min(len(data), 4000), 8):
            data[place] ^= 1 << int(random.integers(8))
        flipped.append(bytes(data))
    for data in (*cut, *flipped):
        # anything but a refusal fails the test
        with suppress(UnreadableFileError):
            assert read_signals(data, case.name, case.companions())


def test_an_array_without_pixels_is_refused() -> None:
    data = bytearray(files.mrc(COUNTS))
    data[8:12] = bytes(4)  # no sections
    with pytest.raises(UnreadableFileError):
        read_micrograph(bytes(data), "a.mrc", pixel_size_angstrom=0.5)
