"""Written images, read again by the programs of others and by our own readers."""

from __future__ import annotations

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile
import xarray as xr
from rsciio.mrc import file_reader as rosetta_mrc
from rsciio.tiff import file_reader as rosetta_tiff

from cryolattice.client.image_files import FileFormat, save_images
from cryolattice.errors import InvalidInputError
from cryolattice.store.array_store import open_store
from cryolattice.store.reader import DatasetReader
from cryolattice.store.writer import DatasetWriter
from cryolattice_analyzer.files.formats import read_signals

PIXEL, STEP = 0.137, 0.0078125
THICKNESSES, DEFOCI = [18.8, 37.6], [500.0, 1000.0, 1500.0]


@pytest.fixture
def images(tmp_path: Path) -> DatasetReader:
    """Two thicknesses, three defoci; the patterns of the same thicknesses."""
    output = DatasetWriter(open_store(f"file://{tmp_path}/store"), "images", "00")
    rng = np.random.default_rng(5)
    image = rng.random((2, 3, 20, 30)).astype(np.float32)
    output.add_array("image", image, ("thickness", "defocus", "y", "x"), "electron")
    pattern = rng.random((2, 16, 16)).astype(np.float32)
    output.add_array("pattern", pattern, ("thickness", "ky", "kx"), "electron")
    output.add_array("thickness", np.array(THICKNESSES), ("thickness",), "angstrom")
    output.add_array("defocus", np.array(DEFOCI), ("defocus",), "angstrom")
    for name, count in (("y", 20), ("x", 30)):
        output.add_array(name, PIXEL * np.arange(count), (name,), "angstrom")
    for name in ("ky", "kx"):
        output.add_array(name, STEP * (np.arange(16) - 8), (name,), "1/angstrom")
    return output.commit(spec_json=b'{"asked": 1}', inputs={})


def ours(path: Path) -> tuple[float, str]:
    """Size of a pixel along x and its unit, as an upload finds them."""
    (signal,) = read_signals(path.read_bytes(), path.name)
    axis = signal.axes[-1]
    assert axis.parsed
    return axis.scale * axis.parsed.factor, str(axis.parsed.quantity)


def test_mrc(images: DatasetReader, tmp_path: Path) -> None:
    out = tmp_path / "out"
    written = save_images(images, out, "mrc")
    assert [path.name for path in written] == ["image.mrc", "pattern.mrc", "images.json"]
    with mrcfile.open(out / "image.mrc") as mrc:
        assert mrc.is_image_stack()
        assert (float(mrc.voxel_size.x), float(mrc.voxel_size.y)) == pytest.approx((PIXEL, PIXEL))
        assert np.array_equal(mrc.data, images.array("image").reshape(6, 20, 30))
    with mrcfile.open(out / "pattern.mrc") as mrc:
        assert float(mrc.voxel_size.x) == STEP
    assert ours(out / "image.mrc") == (pytest.approx(PIXEL), "angstrom")
    x = rosetta_mrc(str(out / "image.mrc"))[0]["axes"][-1]
    assert (x["scale"], x["units"]) == (pytest.approx(PIXEL / 10), "nm")
    facts = json.loads((out / "images.json").read_text())
    assert facts["simulation"] == {"asked": 1}
    assert facts["files"]["pattern.mrc"]["pixel_unit"] == "1/angstrom"
    sections = facts["files"]["image.mrc"]["sections"]
    assert sections[4] == {"thickness_angstrom": 37.6, "defocus_angstrom": 1000.0}
    assert len(sections) == 6


def test_tiff(images: DatasetReader, tmp_path: Path) -> None:
    save_images(images, tmp_path, "tiff")
    for name, size, unit, mine in (
        ("image", PIXEL / 10, "nm", (PIXEL, "angstrom")),
        ("pattern", STEP * 10, "1/nm", (STEP, "1/angstrom")),
    ):
        path = tmp_path / f"{name}.tiff"
        with tifffile.TiffFile(path) as tiff:
            described = tiff.imagej_metadata
            assert described is not None
            assert described["unit"] == unit
            pixels, units = tiff.pages[0].tags["XResolution"].value
            assert units / pixels == pytest.approx(size, rel=1e-6)
            values = images.array(name)
            assert np.array_equal(tiff.asarray(), values.reshape(-1, *values.shape[-2:]))
        assert described["Labels"][1].startswith("thickness")
        x = rosetta_tiff(str(path))[0]["axes"][-1]
        assert (x["scale"], x["units"]) == (pytest.approx(size), unit)
        assert ours(path) == (pytest.approx(mine[0], rel=1e-6), mine[1])


def test_zarr(images: DatasetReader, tmp_path: Path) -> None:
    for _ in range(2):  # what is there is replaced
        (path,) = save_images(images, tmp_path, "zarr")
    found = xr.open_zarr(path, consolidated=False, chunks=None)
    xr.testing.assert_identical(found.load(), images.to_xarray().load())


def test_another_format_is_refused(images: DatasetReader, tmp_path: Path) -> None:
    wrong: FileFormat = "png"  # type: ignore[assignment]
    with pytest.raises(InvalidInputError, match="mrc, tiff, zarr"):
        save_images(images, tmp_path / "out", wrong)
    assert not (tmp_path / "out").exists()
