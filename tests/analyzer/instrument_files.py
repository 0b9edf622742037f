"""Files as instruments write them: one function a format, returning the bytes."""

from __future__ import annotations

import io
import json
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import mrcfile
import numpy as np
import rsciio.hspy
import rsciio.tiff
import tifffile
from numpy.typing import NDArray

Values = NDArray[Any]


def _through_file(suffix: str, write: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        write(path)
        return path.read_bytes()


def mrc(values: Values, voxel: Any = 0.5) -> bytes:
    """An MRC file; `voxel` in angstrom, None leaves it out."""

    def write(path: Path) -> None:
        with mrcfile.new(path) as file:
            file.set_data(values)
            if voxel is not None:
                file.voxel_size = voxel

    return _through_file(".mrc", write)


def tiff(values: Values, **options: Any) -> bytes:
    """A TIFF file; options of tifffile.imwrite."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def imagej_tiff(values: Values, pixel: float, unit: str) -> bytes:
    """A TIFF file as ImageJ saves it."""
    metadata = {"unit": unit, **({"axes": "TYX"} if values.ndim == 3 else {})}
    return tiff(values, imagej=True, resolution=(1 / pixel, 1 / pixel), metadata=metadata)


def hyperspy_signal(
    values: Values, scale: Any, unit: str, metadata: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A signal as RosettaSciIO's writers take it; `scale` one number, or (x, y)."""
    x, y = scale if isinstance(scale, tuple) else (scale, scale)
    scales = [1.0] * (values.ndim - 2) + [y, x]
    axes = [
        {
            "_type": "UniformDataAxis",
            "index_in_array": index,
            "name": name,
            "scale": float(step),
            "offset": 0.0,
            "size": size,
            "units": unit if name in {"x", "y"} else "",
            "navigate": name not in {"x", "y"},
            "is_binned": False,
        }
        for index, (name, step, size) in enumerate(
            zip(["scan", "frame", "y", "x"][-values.ndim :], scales, values.shape, strict=True)
        )
    ]
    return {
        "data": values,
        "axes": axes,
        "metadata": {
            "General": {"title": "a title"},
            "Signal": {"signal_type": ""},
            **(metadata or {}),
        },
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "tmp_parameters": {},
        "package_info": {"package": "rosettasciio", "package_version": "0"},
        "models": {},
    }


def hspy(values: Values, scale: Any, unit: str, metadata: Mapping[str, Any] | None = None) -> bytes:
    """A HyperSpy file."""
    return hspy_of(hyperspy_signal(values, scale, unit, metadata))


def hspy_of(signal: Mapping[str, Any]) -> bytes:
    """A HyperSpy file of a signal."""
    return _through_file(".hspy", lambda path: rsciio.hspy.file_writer(str(path), signal))


def tiff_of_hyperspy(values: Values, scale: float, unit: str) -> bytes:
    """A TIFF file with DigitalMicrograph's tags."""
    signal = hyperspy_signal(values, scale, unit)
    return _through_file(".tif", lambda path: rsciio.tiff.file_writer(str(path), signal))


def hdf5(fill: Callable[[h5py.File], None]) -> bytes:
    """An HDF5 file."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        fill(file)
    return stream.getvalue()


def berkeley(values: Values, axes: list[tuple[str, float, str]]) -> bytes:
    """A Berkeley EMD file; name, step and unit of each axis in the order of `values`."""

    def fill(file: h5py.File) -> None:
        file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
        file.create_group("microscope").attrs["high tension"] = 200e3
        group = file.create_group("data/scan")
        group.attrs["emd_group_type"] = 1
        group["data"] = values
        for number, (name, step, unit) in enumerate(axes, 1):
            axis = group.create_dataset(
                f"dim{number}", data=np.arange(values.shape[number - 1]) * step
            )
            axis.attrs["name"], axis.attrs["units"] = name, f"[{unit}]"

    return hdf5(fill)


def velox(images: Mapping[str, Values], pixel_m: float, unit: str = "m") -> bytes:
    """A Velox EMD file; images (y, x) or (frame, y, x) by detector."""

    def fill(file: h5py.File) -> None:
        version = json.dumps({"format": "Velox", "version": "11"}).encode()
        file.create_dataset("Version", data=np.array([version], dtype=object), dtype=STRING)
        for number, (detector, values) in enumerate(images.items()):
            group = file.create_group(f"Data/Image/{number:032x}")
            frames = values[None] if values.ndim == 2 else values
            group["Data"] = np.moveaxis(frames, 0, 2)
            facts = {
                "Core": {"MetadataDefinitionVersion": "7.9"},
                "Instrument": {"InstrumentModel": "Titan", "InstrumentClass": "Titan"},
                "Optics": {"AccelerationVoltage": "200000", "CameraLength": "0.1"},
                "Scan": {"FrameTime": "1.5"},
                "Acquisition": {
                    "AcquisitionStartDatetime": {"DateTime": "1500000000"},
                    "SourceType": "Camera",
                },
                "BinaryResult": {
                    "Detector": detector,
                    "DetectorIndex": "0",
                    "PixelSize": {"width": str(pixel_m), "height": str(pixel_m)},
                    "Offset": {"x": "0", "y": "0"},
                    "PixelUnitX": unit,
                    "PixelUnitY": unit,
                },
                "Detectors": {
                    "Detector-0": {"DetectorName": detector, "ExposureTime": "1.5"},
                },
                "CustomProperties": {},
            }
            text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
            block = np.zeros((64000, frames.shape[0]), np.uint8)
            block[: text.size] = text[:, None]
            group["Metadata"] = block

    return hdf5(fill)


STRING = h5py.string_dtype()
_DM_TYPES = {"<i4": 3, "<u2": 4, "<f4": 6, "<f8": 7}
_DM_IMAGE_TYPES = {"f4": 2, "i4": 7, "u2": 10}


def dm3(
    values: Values, pixel: tuple[float, float], units: tuple[str, str], tags: Mapping[str, Any]
) -> bytes:
    """A DigitalMicrograph file; pixel and units along x and y, `tags` below ImageTags."""

    def array(code: str, content: Values) -> bytes:
        info = struct.pack(">III", 20, _DM_TYPES[code], content.size)
        return b"%%%%" + struct.pack(">I", 3) + info + content.astype(code).tobytes()

    def scalar(code: str, value: float) -> bytes:
        info = struct.pack(">II", 1, _DM_TYPES[code])
        return b"%%%%" + info + np.array(value, code).tobytes()

    def node(value: Any) -> tuple[int, bytes]:
        if isinstance(value, Mapping):
            items = list(value.items())
        elif isinstance(value, list):
            items = [("", item) for item in value]
        elif isinstance(value, str):
            return 21, array("<u2", np.frombuffer(value.encode("utf-16-le"), "<u2"))
        elif isinstance(value, np.ndarray):
            return 21, array(f"<{value.dtype.str[1:]}", value.ravel())
        else:
            return 21, scalar("<f8" if isinstance(value, float) else "<i4", value)
        content = struct.pack(">BBI", 0, 0, len(items))
        for name, item in items:
            kind, data = node(item)
            content += struct.pack(">BH", kind, len(name)) + name.encode("latin-1") + data
        return 20, content

    # x first, and frames have no unit
    scales = [*zip(pixel, units, strict=True), *[(1.0, "")] * (values.ndim - 2)]
    dimensions = [{"Origin": 0.0, "Scale": float(s), "Units": u} for s, u in scales]
    image = {
        "ImageData": {
            "Calibrations": {
                "Brightness": {"Origin": 0.0, "Scale": 1.0, "Units": ""},
                "Dimension": dimensions,
            },
            "Data": values,
            "DataType": _DM_IMAGE_TYPES[values.dtype.str[1:]],
            "Dimensions": list(reversed(values.shape)),
            "PixelDepth": values.dtype.itemsize,
        },
        "ImageTags": tags,
        "Name": "a title",
    }
    root = node({"ImageList": [image]})[1]
    return struct.pack(">III", 3, len(root), 1) + root + bytes(8)


def ser(values: Values, pixel_m: float) -> bytes:
    """A TIA series of one image of 32-bit integers; the pixel in metre or 1/metre."""
    header = struct.pack("<HHHIIIIII", 0x4949, 0x0197, 0x0210, 0x4122, 0x4152, 1, 1, 68, 1)
    header += struct.pack("<IddII", 1, 0.0, 1.0, 0, 6) + b"Number" + struct.pack("<I", 0)
    header += struct.pack("<II", 76, 0)
    rows, columns = values.shape
    calibration = struct.pack("<ddI", 0.0, pixel_m, 0) * 2
    data = calibration + struct.pack("<HII", 6, columns, rows)
    # TIA begins with the lowest row
    return header + data + values[::-1].astype("<i4").tobytes() + struct.pack("<HHI", 0x4152, 0, 0)


def emi(mode: str) -> bytes:
    """The other half of a TIA pair: mode ``TEM uP SA Zoom Image`` or ``... Diffraction``."""
    described = {
        "Microscope": ("Tecnai", ""),
        "High tension": ("200", "kV"),
        "Mode": (mode, ""),
        "Camera length": ("0.5", "m"),
    }
    data = "".join(
        f"<Data><Label>{label}</Label><Value>{value}</Value><Unit>{unit}</Unit></Data>"
        for label, (value, unit) in described.items()
    )
    return (
        b"JB\x03\x02"
        + (
            "<ObjectInfo><Uuid>x</Uuid><ExperimentalDescription><Root>"
            f"{data}</Root></ExperimentalDescription><AcquireInfo><CameraNamePath>Orius"
            "</CameraNamePath><DwellTimePath>0.5</DwellTimePath></AcquireInfo>"
            "<AcquireDate>Sun Feb 21 17:51:15 2016</AcquireDate></ObjectInfo>"
        ).encode()
        + bytes(8)
    )
