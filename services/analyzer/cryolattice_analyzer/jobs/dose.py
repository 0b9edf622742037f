"""The dose job: critical doses of one series, or of two and their ratio."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from cryolattice_analyzer.dose.critical_dose import (
    DoseResult,
    DoseRow,
    FadingCurve,
    analyse_dose_series,
    compare,
)
from cryolattice_analyzer.dose.diffraction_lattice import DiffractionLattice
from cryolattice_analyzer.dose.diffraction_series import series_from_frames
from cryolattice_api.analyzer.v1 import analyzer_pb2

if TYPE_CHECKING:
    from cryolattice.jobs.context import JobContext
    from cryolattice.store.reader import DatasetReader
    from cryolattice.store.writer import DatasetWriter

_CURVE_ARRAYS = (
    ("dose_e_per_angstrom2", "electron/angstrom^2"),
    ("intensity", "1"),
    ("standard_error", "1"),
    ("fine_dose_e_per_angstrom2", "electron/angstrom^2"),
    ("fitted", "1"),
)
_RESULT_ARRAYS = (
    ("summed", ("ky", "kx"), "electron"),
    ("drift_px", ("frame", "yx"), "pixel"),
    ("reflections_px", ("reflection", "yx"), "pixel"),
)


def run_dose(context: JobContext, spec: analyzer_pb2.DoseSpec) -> None:
    """Measure the critical doses."""
    series = [context.inputs.open(spec.series, "diffraction_series", field="series")]
    if spec.compare.name:
        series.append(context.inputs.open(spec.compare, "diffraction_series", field="compare"))
    results = []
    for index, reader in enumerate(series):
        context.progress(index, len(series), f"series {index + 1} of {len(series)}")
        results.append(_analyse(reader, spec.lattice_angstrom or None))
    for index, result in enumerate(results):
        save_dose(context.output, result, f"series_{index}")
    summary: dict[str, Any] = {
        "reflections": [_row(row) for row in results[0].rows],
        "warnings": [note for result in results for note in result.warnings],
    }
    for reader in series:
        summary["warnings"] += reader.json("diffraction_series.json")["warnings"]
    if len(results) == 2:
        summary["compare"] = [_row(row) for row in results[1].rows]
        summary["improvement"] = [
            {
                "d_angstrom": row.d_angstrom,
                "factor": row.factor,
                "ci95": [row.ci95_low, row.ci95_high],
            }
            for row in compare(results[0].rows, results[1].rows)
        ]
    context.output.add_json("dose.json", summary)
    context.progress(len(series), len(series), "done")


def _analyse(reader: DatasetReader, lattice_angstrom: float | None) -> DoseResult:
    facts = reader.json("diffraction_series.json")
    series = series_from_frames(
        reader.array("frames"), facts["file_name"], facts["pixel_size_per_angstrom"]
    )
    return analyse_dose_series(series, facts["dose_per_frame_e_per_angstrom2"], lattice_angstrom)


def _row(row: DoseRow) -> dict[str, Any]:
    return {
        "d_angstrom": row.d_angstrom,
        "spots": row.spots,
        "critical_dose_e_per_angstrom2": row.critical_dose_e_per_angstrom2,
        "ci95": [row.ci95_low, row.ci95_high],
        "model": row.model,
    }


def save_dose(output: DatasetWriter, result: DoseResult, prefix: str) -> None:
    """Write everything measured on one series."""
    for name, units in _CURVE_ARRAYS:
        values = np.stack([getattr(curve, name) for curve in result.curves])
        output.add_array(f"{prefix}_{name}", values, ("reflection_row", name), units)
    for name, dims, units in _RESULT_ARRAYS:
        output.add_array(f"{prefix}_{name}", getattr(result, name), dims, units)
    output.add_array(f"{prefix}_mask", result.mask.astype(np.uint8), ("ky", "kx"))
    lattice = asdict(result.lattice)
    output.add_json(
        f"{prefix}.json",
        {
            "name": result.name,
            "pixel_size_per_angstrom": result.pixel_size_per_angstrom,
            "dose_per_frame_e_per_angstrom2": result.dose_per_frame_e_per_angstrom2,
            "warnings": result.warnings,
            "rows": [asdict(row) for row in result.rows],
            "curves": [
                {"d_angstrom": curve.d_angstrom, "plateau": curve.plateau}
                for curve in result.curves
            ],
            "lattice": {key: np.asarray(value).tolist() for key, value in lattice.items()},
        },
    )


def load_dose(reader: DatasetReader) -> list[DoseResult]:
    """Read the results of a dose dataset, one for each series."""
    results = []
    for prefix in ("series_0", "series_1"):
        if f"{prefix}.json" not in reader.file_names:
            continue
        facts = reader.json(f"{prefix}.json")
        arrays = {name: reader.array(f"{prefix}_{name}") for name, _ in _CURVE_ARRAYS}
        lattice = facts["lattice"]
        lattice["basis_px"] = np.asarray(lattice["basis_px"])
        lattice["origin_px"] = np.asarray(lattice["origin_px"])
        results.append(
            DoseResult(
                rows=tuple(DoseRow(**row) for row in facts["rows"]),
                curves=tuple(
                    FadingCurve(**curve, **{name: values[i] for name, values in arrays.items()})
                    for i, curve in enumerate(facts["curves"])
                ),
                lattice=DiffractionLattice(**lattice),
                mask=reader.array(f"{prefix}_mask").astype(bool),
                pixel_size_per_angstrom=facts["pixel_size_per_angstrom"],
                dose_per_frame_e_per_angstrom2=facts["dose_per_frame_e_per_angstrom2"],
                name=facts["name"],
                warnings=tuple(facts["warnings"]),
                **{name: reader.array(f"{prefix}_{name}") for name, _, _ in _RESULT_ARRAYS},
            )
        )
    return results
