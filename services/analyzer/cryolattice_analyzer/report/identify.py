"""What a report says of a micrograph and the ordering found in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryolattice_analyzer.figures.micrograph_figures import (
    cell_figure,
    micrograph_figure,
    spectrum_figure,
)
from cryolattice_analyzer.figures.ranking_figures import ranking_figure, thickness_profile_figure
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.imaging.power_spectrum import power_spectrum
from cryolattice_analyzer.jobs.stored import (
    StoredLattice,
    StoredMicrograph,
    load_average,
    load_lattice,
    load_micrograph,
)
from cryolattice_analyzer.report.page import FigureOfReport, Page, TableOfReport

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

_ROWS = 12


def describe_identification(page: Page, readers: dict[str, DatasetReader]) -> None:
    """Add what is known of a micrograph to a page: field, spectrum, cell, ranking."""
    image = load_micrograph(readers["micrograph"])
    page.notes += image.warnings
    found = load_lattice(readers["lattice"]) if "lattice" in readers else None
    ranking = readers["ranking"].json("ranking.json") if "ranking" in readers else None
    if ranking is not None:
        _answer(page, ranking)
    elif found is None and "lattice" in readers:
        page.answer = "Undetermined: no lattice is found"
        page.explanation = readers["lattice"].json("lattice.json")["reason"]
    page.facts += _facts(image, found, ranking)
    _field_figures(page, image, found)
    if "average" in readers:
        _cell_figure(page, readers)
    if ranking is not None:
        _ranking_figures(page, readers["ranking"], ranking)
        page.tables.append(_ranking_table(ranking))


def sites_text(sites: list[list[float]]) -> str:
    """Write positions in units of the parent's axes."""
    return ", ".join("(" + " ".join(f"{x:g}" for x in site) + ")" for site in sites)


def _percent(probability: float) -> str:
    return "more than 99.9 %" if probability > 0.999 else f"{100 * probability:.1f} %"


def _answer(page: Page, ranking: dict[str, Any]) -> None:
    best = ranking["best"]
    verdict = ranking["verdict"]
    percent = _percent(best["probability"])
    if verdict == "ordered":
        page.answer = f"Ordered: vacancies at {sites_text(best['vacant_sites'])}"
        page.explanation = (
            f"Ordering {best['ordering_id']}, {best['thickness_angstrom']:.1f} Å thick, with a "
            f"probability of {percent} among {ranking['candidates_searched']} candidates. "
            "Positions are in units of the parent's axes, the third along the beam."
        )
        others = [e for e in best["equivalents"] if e["ordering_id"] != best["ordering_id"]]
        if others:
            names = ", ".join(other["ordering_id"] for other in others)
            page.explanation += f" This view cannot tell it from {names}."
    elif verdict == "disordered":
        page.answer = "Disordered: the vacancies follow no pattern"
        page.explanation = (
            f"The parent with its mean occupancies explains the image with a probability of "
            f"{percent} among {ranking['candidates_searched']} candidates."
        )
    else:
        page.answer = "Undetermined: the image does not decide"
        page.explanation = (
            f"No group of equivalent orderings reaches a probability of 95 %; the likeliest of "
            f"{ranking['candidates_searched']} candidates has {percent}."
        )


def _facts(
    image: StoredMicrograph, found: StoredLattice | None, ranking: dict[str, Any] | None
) -> list[tuple[str, str]]:
    facts = []
    if ranking is not None and ranking["best"]:
        best = ranking["best"]
        facts.append(("Thickness", f"{best['thickness_angstrom']:.1f} Å"))
        facts.append(("Score of the best", f"{best['score']:.4f}"))
    if found is not None:
        (lattice,) = found.summary["lattices"]
        facts.append(
            (
                "Repeat that is seen",
                f"{lattice['a_angstrom']:.3f} × {lattice['b_angstrom']:.3f} Å, "
                f"{lattice['gamma_deg']:.2f}°",
            )
        )
        facts.append(("Superlattice", f"{found.summary['superlattice_snr']:.1f} σ"))
    if ranking is not None and ranking["ctf"]:
        ctf = ranking["ctf"]
        facts.append(("Defocus", f"{ctf['defocus_angstrom']:.0f} Å"))
        facts.append(
            (
                "Astigmatism",
                f"{ctf['astigmatism_angstrom']:.0f} Å at {ctf['astigmatism_angle_deg']:.0f}°",
            )
        )
    dose = image.dose_e_per_angstrom2
    facts.append(("Dose", f"{dose:g} e/Å²" if dose else "not given"))
    facts.append(
        (
            "Microscope",
            f"{image.energy_kev:g} keV, Cs {image.cs_mm:g} mm, {image.pixel_size_angstrom:g} Å/px",
        )
    )
    return facts


def _field_figures(page: Page, image: StoredMicrograph, found: StoredLattice | None) -> None:
    pixel = image.pixel_size_angstrom
    area = found.area if found else None
    page.figures.append(
        FigureOfReport(
            "micrograph",
            to_png(micrograph_figure(image.counts, pixel, area)),
            f"Micrograph {image.file_name}",
            f"Low-passed for display; the outlined crystal covers {100 * area.fraction:.0f} % of "
            "the field."
            if area
            else "Low-passed for display.",
        )
    )
    page.figures.append(
        FigureOfReport(
            "power_spectrum",
            to_png(
                spectrum_figure(
                    power_spectrum(image.counts, pixel),
                    found.lattice if found else None,
                    found.superlattice if found else None,
                )
            ),
            "Power spectrum",
            "Over its local background; reflections of the parent and of the superlattice are "
            "marked in the right half.",
        )
    )


def _cell_figure(page: Page, readers: dict[str, DatasetReader]) -> None:
    average = load_average(readers["average"])
    model = None
    title = "Best model"
    if "ranking" in readers and "best_image" in _array_names(readers["ranking"]):
        model = readers["ranking"].array("best_image")
        best = readers["ranking"].json("ranking.json")["best"]
        title = f"{best['ordering_id']}, {best['thickness_angstrom']:.1f} Å"
    page.figures.append(
        FigureOfReport(
            "averaged_cell",
            to_png(cell_figure(average, model, model_title=title)),
            "Averaged cell beside the best model",
            f"Mean of {average.cells:.0f} cells, and the model's image through the fitted lens.",
            wide=True,
        )
    )


def _array_names(reader: DatasetReader) -> set[str]:
    return {key.split("/")[1] for key in reader.keys if key.startswith("data.zarr/")}


def _ranking_figures(page: Page, reader: DatasetReader, ranking: dict[str, Any]) -> None:
    page.figures.append(
        FigureOfReport(
            "ranking",
            to_png(ranking_figure(ranking["ranking"])),
            "Ranking",
            "Misfit of every candidate with its best thickness and lens, best first.",
        )
    )
    page.figures.append(
        FigureOfReport(
            "thickness",
            to_png(
                thickness_profile_figure(
                    reader.array("profile_thickness"), reader.array("profile_chi2_per_dof")
                )
            ),
            "Misfit of the best candidate over thickness",
            "Every thickness with the lens fitted again.",
        )
    )


def _ranking_table(ranking: dict[str, Any]) -> TableOfReport:
    rows = [
        [
            str(place),
            row["ordering_id"],
            sites_text(row["vacant_sites"]) or "mean occupancies",
            " ".join(str(x) for x in row["zone_axis"]),
            f"{row['thickness_angstrom']:.1f}",
            f"{row['chi2_per_dof']:.2f}",
            f"{row['score']:.4f}",
            f"{row['probability']:.4f}",
        ]
        for place, row in enumerate(ranking["ranking"][:_ROWS], start=1)
    ]
    return TableOfReport(
        "The likeliest candidates",
        [
            "",
            "ordering",
            "vacant sites",
            "zone axis",
            "thickness (Å)",
            "χ²/dof",
            "score",
            "probability",
        ],
        rows,
        f"{min(_ROWS, len(ranking['ranking']))} of {ranking['candidates_searched']} candidates. "
        "The score is the correlation of the coefficients of the averaged cell with the model's.",
    )
