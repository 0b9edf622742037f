"""Lattice, CTF and average: from a micrograph to its unit cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cryolattice.errors import PreconditionError
from cryolattice_analyzer.jobs.kinds import greatest_g_max
from cryolattice_api.analyzer.v1 import analyzer_pb2

if TYPE_CHECKING:
    from cryolattice.jobs.context import JobContext
    from cryolattice_analyzer.imaging.lattice import Lattice2D
    from cryolattice_analyzer.imaging.superlattice import Superlattice

# scipy and the science are imported where they are used: workers start faster


def run_lattice(context: JobContext, spec: analyzer_pb2.LatticeSpec) -> None:
    """Find the lattice, the crystal's area and the superlattice."""
    from cryolattice_analyzer.imaging.average import refine_on_crystal  # noqa: PLC0415
    from cryolattice_analyzer.imaging.crystal_area import find_crystal  # noqa: PLC0415
    from cryolattice_analyzer.imaging.lattice import find_lattice  # noqa: PLC0415
    from cryolattice_analyzer.imaging.parent_cell import ParentCell  # noqa: PLC0415
    from cryolattice_analyzer.imaging.power_spectrum import power_spectrum  # noqa: PLC0415
    from cryolattice_analyzer.imaging.superlattice import find_superlattice  # noqa: PLC0415
    from cryolattice_analyzer.jobs.stored import load_micrograph, save_lattice  # noqa: PLC0415

    image = load_micrograph(context.inputs.open(spec.micrograph, "micrograph", field="micrograph"))
    pixel = image.pixel_size_angstrom
    cell = spec.parent_cell if spec.HasField("parent_cell") else None
    parent = ParentCell(cell.a_angstrom, cell.b_angstrom, cell.gamma_deg) if cell else None
    context.progress(0, 4, "power spectrum")
    spectrum = power_spectrum(image.counts, pixel)
    context.progress(1, 4, "lattice")
    search = find_lattice(image.counts, pixel, parent, spectrum=spectrum)
    if search.lattice is None or not search.found:
        context.output.add_json(
            "lattice.json", {"found": False, "reason": search.reason, "lattices": []}
        )
        return
    context.progress(2, 4, "crystal area")
    area = find_crystal(image.counts, pixel, search.lattice)
    lattice = refine_on_crystal(image.counts, pixel, search.lattice, area.mask, spectrum=spectrum)
    context.progress(3, 4, "superlattice")
    tested = (spec.supercell_a, spec.supercell_b)
    superlattice = find_superlattice(image.counts, pixel, lattice, area.mask, tested)
    save_lattice(context.output, lattice, area, superlattice)
    context.output.add_json("lattice.json", _summary(lattice, superlattice, spec))
    context.progress(4, 4, "done")


def _summary(
    lattice: Lattice2D, superlattice: Superlattice, spec: analyzer_pb2.LatticeSpec
) -> dict[str, Any]:
    m, n = superlattice.supercell
    mismatch = None
    if spec.HasField("parent_cell"):
        expected = (spec.parent_cell.a_angstrom, spec.parent_cell.b_angstrom)
        seen = (lattice.a_angstrom, lattice.b_angstrom)
        worst = max((s / e - 1 for s, e in zip(seen, expected, strict=True)), key=abs)
        mismatch = 100 * worst
    return {
        "found": True,
        "lattices": [
            {
                "a_angstrom": lattice.a_angstrom * m,
                "b_angstrom": lattice.b_angstrom * n,
                "gamma_deg": lattice.gamma_deg,
                "rotation_deg": lattice.rotation_deg,
                "spots": len(lattice.spots),
                "superlattice": None if (m, n) == (1, 1) else [m, n],
                "mismatch_percent": mismatch,
            }
        ],
        "superlattice_snr": superlattice.superlattice_snr,
        "log10_false_alarm": lattice.log10_false_alarm,
    }


def run_average(context: JobContext, spec: analyzer_pb2.AverageSpec) -> None:
    """Average the unit cells."""
    from cryolattice_analyzer.imaging.average import average_cell  # noqa: PLC0415
    from cryolattice_analyzer.jobs.stored import (  # noqa: PLC0415
        load_lattice,
        load_micrograph,
        save_average,
    )

    image = load_micrograph(context.inputs.open(spec.micrograph, "micrograph", field="micrograph"))
    found = load_lattice(context.inputs.open(spec.lattice, "lattice", field="lattice"))
    if found is None:
        raise PreconditionError(
            "no lattice was found in this micrograph: there is no cell to average", field="lattice"
        )
    limit = min(spec.g_max_per_angstrom, greatest_g_max(image.pixel_size_angstrom))
    average = average_cell(
        image.counts,
        image.pixel_size_angstrom,
        found.lattice,
        found.area.mask,
        (spec.supercell_a, spec.supercell_b),
        g_max_per_angstrom=limit,
    )
    save_average(context.output, average)


def run_ctf(context: JobContext, spec: analyzer_pb2.CtfSpec) -> None:
    """Fit defocus and astigmatism to the rings of the film."""
    from cryolattice_analyzer.jobs.stored import (  # noqa: PLC0415
        StoredSpectrum,
        load_lattice,
        load_micrograph,
        load_power_spectrum,
        save_ctf,
    )
    from cryolattice_analyzer.lens.ctf import (  # noqa: PLC0415
        DEFOCUS_RANGE_ANGSTROM,
        film_spectrum,
        fit_ctf,
        fit_ctf_spectrum,
    )

    options: dict[str, Any] = {
        "amplitude_contrast": spec.amplitude_contrast,
        "defocus_range_angstrom": (spec.defocus_min_angstrom, spec.defocus_max_angstrom)
        if spec.HasField("defocus_min_angstrom")
        else DEFOCUS_RANGE_ANGSTROM,
        "resolution_angstrom": (spec.spacing_max_angstrom, spec.spacing_min_angstrom)
        if spec.HasField("spacing_max_angstrom")
        else None,
    }
    film = None
    if spec.lattice.name:
        found = load_lattice(context.inputs.open(spec.lattice, "lattice", field="lattice"))
        if found is not None:
            film = found.area.film
            options["spots_per_angstrom"] = np.asarray(
                [spot.g_per_angstrom for spot in found.superlattice.spots]
            )
    if spec.power_spectrum.name:
        spectrum = load_power_spectrum(
            context.inputs.open(spec.power_spectrum, "power_spectrum", field="power_spectrum")
        )
        options |= {"energy_kev": spectrum.energy_kev, "cs_mm": spectrum.cs_mm}
        fit = fit_ctf_spectrum(spectrum.power, spectrum.step_per_angstrom, **options)
    else:
        image = load_micrograph(
            context.inputs.open(spec.micrograph, "micrograph", field="micrograph")
        )
        pixel = image.pixel_size_angstrom
        options |= {"energy_kev": image.energy_kev, "cs_mm": image.cs_mm}
        fit = fit_ctf(image.counts, pixel, film=film, **options)
        power, step = film_spectrum(image.counts, pixel, film)
        spectrum = StoredSpectrum(power, step, image.energy_kev, image.cs_mm)
    save_ctf(context.output, fit, spectrum, spec.amplitude_contrast)
