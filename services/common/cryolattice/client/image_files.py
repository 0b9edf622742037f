"""Simulated images as files that other programs read, with the size of a pixel in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from cryolattice.errors import InvalidInputError

if TYPE_CHECKING:
    import xarray as xr

    from cryolattice.store.reader import DatasetReader

FileFormat = Literal["mrc", "tiff", "zarr"]
FILE_FORMATS: tuple[str, ...] = get_args(FileFormat)

_PER_NM = 10.0
_STACKED = ("thickness", "defocus")


def save_images(images: DatasetReader, folder: Path, file_format: FileFormat) -> list[Path]:
    """Write the arrays of an `images` dataset into a folder; files of the same names are replaced.

    MRC and TIFF: one file for each array, a stack where there are several thicknesses or defoci,
    and ``images.json``, which says what each section is. MRC has the size of a pixel in its header:
    angstrom, for diffraction patterns 1/angstrom. TIFF has it as ImageJ and DigitalMicrograph
    write it, in nm and 1/nm. Zarr: one group ``images.zarr`` with all coordinates.

    Parameters
    ----------
    images : DatasetReader
    folder : Path
        Is made where it is missing.
    file_format : "mrc", "tiff" or "zarr"

    Returns
    -------
    list of Path

    Raises
    ------
    InvalidInputError
        The format is none of these.
    """
    if file_format not in FILE_FORMATS:
        raise InvalidInputError(
            f"format is {file_format!r}: choose {', '.join(FILE_FORMATS)}", field="format"
        )
    arrays = images.to_xarray().load()
    folder.mkdir(parents=True, exist_ok=True)
    if file_format == "zarr":
        path = folder / "images.zarr"
        arrays.drop_encoding().to_zarr(path, mode="w", zarr_format=3, consolidated=False)
        return [path]
    paths, facts = [], {}
    # a store lists its arrays in any order
    for name, array in sorted(arrays.data_vars.items()):
        pixel = float(np.diff(array[array.dims[-1]].values).mean())
        unit = str(array[array.dims[-1]].attrs["units"])
        sections = _sections(array)
        stack = array.values.reshape(len(sections), *array.shape[-2:])
        values = stack[0] if len(stack) == 1 else stack
        path = folder / f"{name}.{file_format}"
        (_write_mrc if file_format == "mrc" else _write_tiff)(path, values, pixel, unit, sections)
        paths.append(path)
        facts[path.name] = {
            "pixel_size": pixel,
            "pixel_unit": unit,
            "value_unit": array.attrs["units"],
            "sections": sections,
        }
    described = folder / "images.json"
    asked = {"simulation": images.manifest.spec, "files": facts}
    described.write_text(json.dumps(asked, indent=1) + "\n", encoding="utf-8")
    return [*paths, described]


def _sections(array: xr.DataArray) -> list[dict[str, float]]:
    """Say of each image of a stack at what thickness and defocus it is."""
    axes = [dim for dim in array.dims if dim in _STACKED]
    return [
        {
            f"{axis}_angstrom": float(array[axis].values[i])
            for axis, i in zip(axes, place, strict=True)
        }
        for place in np.ndindex(*(array.sizes[axis] for axis in axes))
    ]


def _write_mrc(
    path: Path, values: Any, pixel: float, unit: str, _sections: list[dict[str, float]]
) -> None:
    import mrcfile  # noqa: PLC0415 - only who writes files pays for it

    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(values)
        if values.ndim > 2:
            mrc.set_image_stack()
        mrc.voxel_size = (pixel, pixel, 1.0)
        mrc.add_label(f"Cryolattice simulation; pixel {pixel:.6g} {unit}")


def _write_tiff(
    path: Path, values: Any, pixel: float, unit: str, sections: list[dict[str, float]]
) -> None:
    import tifffile  # noqa: PLC0415 - only who writes files pays for it

    size, name = (pixel / _PER_NM, "nm") if unit == "angstrom" else (pixel * _PER_NM, "1/nm")
    labels = [
        ", ".join(f"{key.removesuffix('_angstrom')} {value:g} A" for key, value in section.items())
        for section in sections
    ]
    tifffile.imwrite(
        path,
        values,
        imagej=True,
        resolution=(1 / size, 1 / size),
        extratags=_digitalmicrograph_tags(size, name),
        metadata={"axes": "TYX" if values.ndim > 2 else "YX", "unit": name, "Labels": labels},
    )


def _digitalmicrograph_tags(size: float, unit: str) -> list[tuple[int, int, int, Any, bool]]:
    """Units and scales of y and x: what HyperSpy and RosettaSciIO read."""
    text, number = 2, 12  # TIFF's types of ASCII and of a double
    return [
        (65003, text, 0, unit, False),
        (65004, text, 0, unit, False),
        (65009, number, 1, size, False),
        (65010, number, 1, size, False),
    ]
