"""Images in every format, with what must be found in each file."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

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
