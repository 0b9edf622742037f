"""What a report says of a micrograph and the ordering found in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.figures.evidence_figures import agreement_figure, comparison_figure
from cryolattice_analyzer.figures.ranking_figures import ranking_figure, thickness_profile_figure
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.report.cascade import cascade_table
from cryolattice_analyzer.report.contrast_transfer import ring_figures
from cryolattice_analyzer.report.findings import Findings, Ranked, gather
from cryolattice_analyzer.report.identify_answer import answer, name_of, picture_of
from cryolattice_analyzer.report.image import image_section
from cryolattice_analyzer.report.page import (
    DrawingsOfReport,
    FigureOfReport,
    Item,
    Page,
    Section,
    TableOfReport,
)
from cryolattice_analyzer.report.projected_cell import DISORDERED
from cryolattice_analyzer.report.ranked_fits import RankedFits
from cryolattice_analyzer.report.wording import integer, percent, plural, sites_text

if TYPE_CHECKING:
    from cryolattice.jobs.kinds import Inputs
    from cryolattice.store.reader import DatasetReader

_ROWS = 12
_EQUIVALENTS = 12
_DRAWN = 4

_TERMS = {
    "Ordering": "One way of leaving sites empty, up to the symmetry of the parent; its name is "
    "made from the sites.",
    "Score": "Correlation of the model's image of one cell with the averaged cell, 0 to 1.",
    "χ²/dof": "Mean square of what the model leaves, in units of noise and known model error: 1 is "
    "a perfect fit, much more than 1 a wrong model.",
    "Probability": "Share of the evidence that a candidate has among all that were searched, with "
    "thickness, lens and turn of the lattice free.",
    "Superlattice": "A repeat longer than the parent's. Its spots lie between those of the parent; "
    "their strength is given in standard deviations (σ) of the background around them.",
    "Homometric": "Different structures with the same strengths of all reflections: no diffraction "
    "pattern tells them apart.",
    "Defocus": "Positive is underfocus. Astigmatism is the greatest less the least defocus.",
    "Debye-Waller factor": "How far atoms swing (B, in Å²). Much B looks like another thickness, "
    "so several are tried.",
}


def describe_identification(page: Page, readers: dict[str, DatasetReader], inputs: Inputs) -> None:
    """Add what is known of a micrograph to a page."""
    found = gather(readers, inputs)
    page.notes += found.image.warnings
    answer(page, found)
    page.data = _data(page, found)
    terms = {"Superlattice": _TERMS["Superlattice"]}
    if found.ranked is not None:
        page.notes += found.ranked.ranking["warnings"]
        candidates = _candidates_section(found.ranked)
        steps = cascade_table(readers)
        if steps is not None:
            candidates.items.append(steps)
        page.sections += [_fit_section(found.ranked), candidates]
        terms = _TERMS
    page.sections.append(image_section(found))
    if found.ctf is not None and _holds(readers["ctf"], "power"):
        page.sections.append(
            Section(
                "The lens",
                "What the film's rings say: where the ranking begins its search for the lens.",
                [*ring_figures(readers["ctf"])],
            )
        )
    page.terms += list(terms.items())


def _holds(reader: DatasetReader, array: str) -> bool:
    return any(key.startswith(f"data.zarr/{array}/") for key in reader.keys)


def _data(page: Page, found: Findings) -> dict[str, Any]:
    data: dict[str, Any] = {
        "verdict": page.verdict,
        "lattice": found.lattice.summary if found.lattice else None,
    }
    if found.ranked is not None:
        spread = found.ranked.thickness
        data |= found.ranked.ranking
        data["homometric"] = found.ranked.homometric
        data["thickness"] = {
            "ci95_angstrom": [spread.low_angstrom, spread.high_angstrom],
            "thickness_angstrom": spread.thickness_angstrom.tolist(),
            "probability": spread.probability.tolist(),
        }
    return data


def _fit_section(ranked: Ranked) -> Section:
    best, average = ranked.best, ranked.average
    marked = None
    if best["vacant_sites"]:
        marked = ranked.fits.places(np.asarray(best["vacant_sites"])[:, :2])
    rings = " Rings mark the vacant sites." if marked is not None else ""
    title = f"{name_of(best)}, {best['thickness_angstrom']:.1f} Å"
    predictions = [(name_of(best), ranked.fits.best[0].prediction)]
    if ranked.fits.second is not None:
        predictions.append((name_of(ranked.ranking["ranking"][1]), ranked.fits.second.prediction))
    items: list[Item] = [
        FigureOfReport(
            "averaged_cell",
            to_png(comparison_figure(average, ranked.model_image, title, marked)),
            "The averaged cell beside the best model",
            "The first two must look alike, in the places and in the depth of grey; the difference "
            f"should have no pattern. It holds {_left(average.image, ranked.model_image)} of the "
            f"contrast.{rings} Mean of {integer(average.cells)} cells.",
            "Three panels: the averaged cell of the micrograph, the image of the best model on the "
            "same grey scale, and their difference in standard errors.",
            wide=True,
        ),
        FigureOfReport(
            "agreement",
            to_png(agreement_figure(average, predictions)),
            "Agreement from coarse to fine",
            "The best model should stay near 1 up to the dashed line, beyond which the average "
            "holds little signal. Where the next candidate falls away is what decides.",
            "Correlation of model and averaged cell against spatial frequency, for the best and "
            "the next candidate.",
        ),
        _thickness_figure(ranked.fits),
    ]
    return Section("The fit", "What the averaged image looks like, and what explains it.", items)


def _left(observed: NDArray[np.float64], predicted: NDArray[np.float64]) -> str:
    """Write how much of an image's contrast a model leaves."""
    return f"{100 * float((observed - predicted).std() / observed.std()):.1f} %"


def _thickness_figure(ranked: RankedFits) -> FigureOfReport:
    fits = ranked.best
    freedom = max(fits[0].terms - fits[0].parameters.shape[1], 1)
    thickness = np.unique(np.concatenate([f.thickness_angstrom for f in fits]).round(6))
    best = np.array(
        [
            min(
                float(f.chi2[np.isclose(f.thickness_angstrom, t)].min(initial=np.inf)) for f in fits
            )
            for t in thickness
        ]
    )
    return FigureOfReport(
        "thickness",
        to_png(thickness_profile_figure(thickness, best / freedom)),
        "Misfit over thickness",
        "One deep minimum fixes the thickness; a second of the same depth would be an alternative. "
        "The lens is fitted again at every thickness, and the best Debye-Waller factor taken.",
        "Chi square per degree of freedom of the best candidate against thickness, with its "
        "minimum marked.",
    )


def _candidates_section(ranked: Ranked) -> Section:
    ranking = ranked.ranking
    rows = ranking["ranking"]
    items: list[Item] = [
        FigureOfReport(
            "ranking",
            to_png(ranking_figure(rows)),
            "Misfit of every candidate",
            "A gap between the first and the next is what makes the answer sure. Each is shown "
            "with the thickness and lens that suit it best.",
            "Chi square per degree of freedom of all candidates, best first.",
        )
    ]
    drawn = [
        (picture.svg, (name_of(row), f"χ²/dof {row['chi2_per_dof']:.3g}"))
        for row in rows[:_DRAWN]
        if (picture := picture_of(ranked.models, row)) is not None
    ]
    if drawn:
        items.append(
            DrawingsOfReport(
                "The best and its rivals",
                drawn,
                "How much a rival differs: candidates far apart in misfit may differ by one atom.",
            )
        )
    items.append(_ranking_table(ranking))
    members = rows[0]["equivalents"]
    if len(members) > 1:
        items.append(
            TableOfReport(
                "What this view cannot tell apart",
                ["ordering", "vacant sites"],
                [[m["ordering_id"], _sites(m["vacant_sites"])] for m in members[:_EQUIVALENTS]],
                f"{min(len(members), _EQUIVALENTS)} of {plural(len(members), 'ordering')} that "
                "project alike along the beam; the rest is in the JSON.",
            )
        )
    return Section(
        "The candidates",
        f"{plural(ranking['candidates_searched'], 'candidate')}: every inequivalent ordering of "
        "the supercell, and the parent without order.",
        items,
    )


def _sites(sites: list[list[float]]) -> str:
    return sites_text(sites, 24) or "mean occupancies"


def _ranking_table(ranking: dict[str, Any]) -> TableOfReport:
    rows = [
        [
            str(place),
            "without order" if row["ordering_id"] == DISORDERED else row["ordering_id"],
            _sites(row["vacant_sites"]),
            " ".join(str(x) for x in row["zone_axis"]),
            f"{row['thickness_angstrom']:.1f}",
            f"{row['chi2_per_dof']:.2f}",
            f"{row['score']:.4f}",
            percent(row["probability"]),
        ]
        for place, row in enumerate(ranking["ranking"][:_ROWS], start=1)
    ]
    return TableOfReport(
        "The likeliest candidates",
        ["", "ordering", "vacant sites", "beam", "thickness (Å)", "χ²/dof", "score", "probability"],
        rows,
        f"{len(rows)} of {len(ranking['ranking'])} groups that differ in this view. Sites in units "
        "of the parent's axes, the third along the beam.",
        numbers=4,
        marked=1 if ranking["verdict"] != "undetermined" else 0,
    )
