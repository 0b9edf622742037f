"""Results of the analyzer as datasets, and back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.imaging.average import AveragedCell
from cryolattice_analyzer.imaging.crystal_area import CrystalArea
from cryolattice_analyzer.imaging.lattice import Lattice2D, LatticeSpot
from cryolattice_analyzer.imaging.superlattice import Superlattice, SuperlatticeSpot
from cryolattice_analyzer.lens.ctf import CtfFit, LensCandidate
from cryolattice_analyzer.lens.transfer import Lens

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader
    from cryolattice.store.writer import DatasetWriter


@dataclass(frozen=True)
class StoredMicrograph:
    """A micrograph dataset: counts (y, x) and calibration."""

    counts: NDArray[np.float32]
    file_name: str
    pixel_size_angstrom: float
    dose_e_per_angstrom2: float | None
    energy_kev: float
    cs_mm: float
    warnings: list[str]


def load_micrograph(reader: DatasetReader) -> StoredMicrograph:
    """Read a micrograph dataset."""
    facts = reader.json("micrograph.json")
    names = {field.name for field in fields(StoredMicrograph)} & facts.keys()
    return StoredMicrograph(counts=reader.array("counts"), **{name: facts[name] for name in names})


@dataclass(frozen=True)
class StoredLattice:
    """A lattice dataset in which a lattice was found."""

    lattice: Lattice2D
    area: CrystalArea
    superlattice: Superlattice
    summary: dict[str, Any]


def save_lattice(
    output: DatasetWriter, lattice: Lattice2D, area: CrystalArea, superlattice: Superlattice
) -> None:
    """Write lattice, crystal area and superlattice."""
    output.add_array("reciprocal", lattice.reciprocal, ("vector", "xy"), "1/angstrom")
    output.add_array("covariance", lattice.covariance, ("element", "element_2"), "1/angstrom^2")
    for name in ("mask", "film", "outline"):
        output.add_array(name, getattr(area, name).astype(np.uint8), ("y", "x"))
    output.add_array("amplitude_map", area.amplitude_map.astype(np.float32), ("y", "x"))
    output.add_json(
        "spots.json",
        {
            "rotation_period_deg": lattice.rotation_period_deg,
            "log10_false_alarm": lattice.log10_false_alarm,
            "parent": [vars(spot) for spot in lattice.spots],
            "crystal_fraction": area.fraction,
            "map_snr": area.map_snr,
            "supercell": superlattice.supercell,
            "superlattice_snr": superlattice.superlattice_snr,
            "tested": superlattice.tested,
            "superlattice": [vars(spot) for spot in superlattice.spots],
        },
    )


def load_lattice(reader: DatasetReader) -> StoredLattice | None:
    """Read a lattice dataset; None where no lattice was found."""
    summary = reader.json("lattice.json")
    if not summary["found"]:
        return None
    spots = reader.json("spots.json")
    area = {name: reader.array(name).astype(bool) for name in ("mask", "film", "outline")}
    return StoredLattice(
        lattice=Lattice2D(
            reciprocal=reader.array("reciprocal"),
            covariance=reader.array("covariance"),
            spots=tuple(
                LatticeSpot(s["h"], s["k"], tuple(s["g_per_angstrom"]), s["snr"])
                for s in spots["parent"]
            ),
            log10_false_alarm=spots["log10_false_alarm"],
            rotation_period_deg=spots["rotation_period_deg"],
        ),
        area=CrystalArea(
            **area,
            fraction=spots["crystal_fraction"],
            amplitude_map=reader.array("amplitude_map").astype(float),
            map_snr=spots["map_snr"],
        ),
        superlattice=Superlattice(
            supercell=tuple(spots["supercell"]),
            superlattice_snr=spots["superlattice_snr"],
            tested=tuple(spots["tested"]),
            spots=tuple(
                SuperlatticeSpot(**{**s, "g_per_angstrom": tuple(s["g_per_angstrom"])})
                for s in spots["superlattice"]
            ),
        ),
        summary=summary,
    )


_AVERAGE_ARRAYS = (
    ("reciprocal", ("vector", "xy"), "1/angstrom"),
    ("h", ("coefficient",), "1"),
    ("k", ("coefficient",), "1"),
    ("g_per_angstrom", ("coefficient", "xy"), "1/angstrom"),
    ("coefficients", ("coefficient",), "1"),
    ("standard_error", ("coefficient",), "1"),
    ("image", ("v", "u"), "1"),
)
_AVERAGE_FACTS = ("image_standard_error", "cells", "mean_counts", "area_angstrom2")


def save_average(output: DatasetWriter, average: AveragedCell) -> None:
    """Write an averaged cell."""
    for name, dims, units in _AVERAGE_ARRAYS:
        output.add_array(name, getattr(average, name), dims, units)
    facts = {name: getattr(average, name) for name in _AVERAGE_FACTS}
    output.add_json(
        "average.json",
        {"supercell": average.supercell, "origin_px": average.origin_px, **facts},
    )


def load_average(reader: DatasetReader) -> AveragedCell:
    """Read an averaged cell."""
    facts = reader.json("average.json")
    fields: dict[str, Any] = {name: reader.array(name) for name, _, _ in _AVERAGE_ARRAYS}
    fields |= {name: facts[name] for name in _AVERAGE_FACTS}
    return AveragedCell(
        **fields,
        supercell=tuple(facts["supercell"]),
        origin_px=tuple(facts["origin_px"]),
    )


@dataclass(frozen=True)
class StoredSpectrum:
    """A power spectrum (ky, kx), zero frequency in the middle, and the lens it was taken with."""

    power: NDArray[np.floating]
    step_per_angstrom: tuple[float, float]
    energy_kev: float
    cs_mm: float


def load_power_spectrum(reader: DatasetReader) -> StoredSpectrum:
    """Read a power spectrum dataset."""
    facts = reader.json("power_spectrum.json")
    power = reader.array("power")
    ny, nx = power.shape
    pixel = facts["pixel_size_angstrom"]
    step = (1 / (nx * pixel), 1 / (ny * pixel))
    return StoredSpectrum(power, step, facts["energy_kev"], facts["cs_mm"])


def save_ctf(
    output: DatasetWriter, fit: CtfFit, spectrum: StoredSpectrum, amplitude_contrast: float
) -> None:
    """Write the fit of the film's rings and the spectrum that they are in."""
    output.add_array("power", spectrum.power.astype(np.float32), ("ky", "kx"))
    for axis, length, step in zip(
        ("ky", "kx"), spectrum.power.shape, spectrum.step_per_angstrom[::-1], strict=True
    ):
        output.add_array(axis, (np.arange(length) - length // 2) * step, (axis,), "1/angstrom")

    def lens(found: Lens) -> dict[str, float]:
        names = ("defocus_u_angstrom", "defocus_v_angstrom", "angle_deg")
        return {name: getattr(found, name) for name in names}

    summary: dict[str, Any] = {
        "found": fit.found,
        "score": fit.score,
        "energy_kev": spectrum.energy_kev,
        "cs_mm": spectrum.cs_mm,
        "amplitude_contrast": amplitude_contrast,
    }
    if fit.found:
        summary |= lens(fit.lens)
        summary["fit_resolution_angstrom"] = fit.fit_resolution_angstrom
        summary["ci95"] = {name: list(limits) for name, limits in fit.ci95.items()}
    summary["alternatives"] = [
        {**lens(other.lens), "score": other.score} for other in fit.alternatives
    ]
    output.add_json("ctf.json", summary)


def load_ctf(reader: DatasetReader) -> CtfFit:
    """Read the fit of the film's rings."""
    summary = reader.json("ctf.json")

    def lens(values: dict[str, float]) -> Lens:
        return Lens.from_uv(
            values["defocus_u_angstrom"], values["defocus_v_angstrom"], values["angle_deg"]
        )

    found = summary["found"]
    return CtfFit(
        found=found,
        defocus_u_angstrom=summary["defocus_u_angstrom"] if found else np.nan,
        defocus_v_angstrom=summary["defocus_v_angstrom"] if found else np.nan,
        angle_deg=summary["angle_deg"] if found else np.nan,
        fit_resolution_angstrom=summary["fit_resolution_angstrom"] if found else np.inf,
        ci95={name: (low, high) for name, (low, high) in summary.get("ci95", {}).items()},
        score=summary["score"],
        alternatives=tuple(
            LensCandidate(lens(other), other["score"]) for other in summary["alternatives"]
        ),
    )


def load_ctf_spectrum(reader: DatasetReader) -> tuple[StoredSpectrum, float]:
    """Read the spectrum of a ctf dataset, and the amplitude contrast of its fit."""
    summary = reader.json("ctf.json")
    step = tuple(float(np.diff(reader.array(axis)[:2])[0]) for axis in ("kx", "ky"))
    return (
        StoredSpectrum(
            reader.array("power"), (step[0], step[1]), summary["energy_kev"], summary["cs_mm"]
        ),
        summary["amplitude_contrast"],
    )
