"""Files that are not what they say: damaged, misnamed, or lying about their size."""

from __future__ import annotations

import gzip
import io
import pickle
import resource
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from cryolattice.errors import UnreadableFileError
from cryolattice_analyzer.files.formats import read_signals
from cryolattice_analyzer.imaging.micrograph import read_micrograph
from tests.analyzer import instrument_files as files
from tests.analyzer.instrument_images import COUNTS, IMAGES


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
