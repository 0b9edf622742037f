"""The first screen of an identification: what is missing, how thick, how sure, what else."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from cryolattice_analyzer.imaging.average import AveragedCell
from cryolattice_analyzer.jobs.stored import StoredLattice, StoredMicrograph
from cryolattice_analyzer.ranking.verdict import CERTAINTY, WORST_CHI2_PER_DOF
from cryolattice_analyzer.report.cell_drawing import draw_cell
from cryolattice_analyzer.report.findings import Findings, Ranked
from cryolattice_analyzer.report.page import Answer, Page, Picture
from cryolattice_analyzer.report.projected_cell import (
    DISORDERED,
    Models,
    columns,
    vacant_neighbours,
)
from cryolattice_analyzer.report.scales import probability_scale, thickness_scale
from cryolattice_analyzer.report.wording import (
    certainty,
    formula,
    listed,
    number,
    percent,
    plural,
    sentence,
    sites_text,
)

_NAMES_SHOWN = 3
_LOW_DOSE = 5.0
_FEW_CELLS = 300
_MISSING = "Which atoms are missing?"


def answer(page: Page, found: Findings) -> None:
    """Fill the first screen of a page."""
    page.kicker = f"Which ordering does {found.image.file_name} show?"
    ranked = found.ranked
    if ranked is None:
        _no_lattice(page, found)
        return
    page.verdict = ranked.ranking["verdict"]
    page.tone = "open" if page.verdict == "undetermined" else "sure"
    page.picture = picture_of(ranked.models, ranked.best)
    searched = ranked.ranking["candidates_searched"]
    missing = _missing(ranked, found.lattice)
    if page.verdict == "ordered":
        page.headline = _ordered_headline(ranked)
        page.lead = (
            f"Ordering {ranked.best['ordering_id']} is the one of {searched} candidates that "
            "explains the averaged image."
        )
    elif page.verdict == "disordered":
        page.headline = "The vacancies follow no pattern"
        page.lead = (
            "The parent with its mean occupancies explains the averaged image better than every "
            f"ordering of the {searched} candidates."
        )
    else:
        page.headline = (
            "No candidate explains the image"
            if ranked.best["chi2_per_dof"] > WORST_CHI2_PER_DOF
            else "The image does not decide between the candidates"
        )
        reasons = ranked.ranking["warnings"]
        page.lead = sentence(reasons[0]) if reasons else ""
        drawn = f"Drawn is only the likeliest, {name_of(ranked.best)}."
        if page.picture is not None:
            page.picture = Picture(
                page.picture.svg, "The likeliest candidate, not an answer.", page.picture.legend
            )
        missing = Answer(
            _MISSING, "This image does not say", [drawn, *_help(found.image, ranked.average)]
        )
    page.answers = [missing, _thickness(ranked), how_sure(ranked.ranking), _else(ranked)]


def name_of(row: dict[str, Any]) -> str:
    """Name a candidate for a sentence."""
    if row["ordering_id"] == DISORDERED:
        return "the parent without order"
    return str(row["ordering_id"])


def picture_of(models: Models, row: dict[str, Any]) -> Picture | None:
    """Draw a candidate of the ranking."""
    index = models.index(row["ordering_id"], row["zone_axis"])
    if index is None:
        return None
    atoms = models.atoms(index)
    sites = row["vacant_sites"]
    described = f"vacant sites at {sites_text(sites)}" if sites else "its sites filled alike"
    drawing = draw_cell(
        atoms,
        columns(atoms, sites, models.vacancies(index)),
        models.mobile,
        f"One cell of {name_of(row)} along the beam: {described}.",
    )
    axis = " ".join(str(i) for i in row["zone_axis"])
    return Picture(drawing.svg, f"One cell, along the beam [{axis}].", drawing.legend)


def _kinds_missing(ranked: Ranked) -> Counter[str]:
    index = ranked.models.index(ranked.best["ordering_id"], ranked.best["zone_axis"])
    return Counter(ranked.models.vacancies(index) if index is not None else [])


def _ordered_headline(ranked: Ranked) -> str:
    kinds = _kinds_missing(ranked)
    what = listed([f"{number(count)} {formula(kind)}" for kind, count in kinds.items()])
    verb = "is" if sum(kinds.values()) == 1 else "are"
    lengths = np.linalg.norm(ranked.average.direct, axis=1).tolist()
    index = ranked.models.index(ranked.best["ordering_id"], ranked.best["zone_axis"])
    if index is not None:
        atoms = ranked.models.atoms(index)
        lengths.append(atoms.supercell[2] * float(np.linalg.norm(atoms.edges[2])))
    cell = " × ".join(f"{length:.2f}" for length in lengths)
    return f"{what[:1].upper()}{what[1:]} {verb} missing from every {cell} Å cell"


def _repeat(lattice: StoredLattice) -> str:
    (found,) = lattice.summary["lattices"]
    return f"{found['a_angstrom']:.2f} × {found['b_angstrom']:.2f} Å"


def _missing(ranked: Ranked, lattice: StoredLattice | None) -> Answer:
    sites = ranked.best["vacant_sites"]
    index = ranked.models.index(ranked.best["ordering_id"], ranked.best["zone_axis"])
    if not sites or index is None:
        return _missing_at_random(ranked.models, lattice)
    atoms = ranked.models.atoms(index)
    vacancies = ranked.models.vacancies(index)
    kinds = Counter(vacancies)
    value = listed(
        [
            f"{count} of the {count + atoms.species.count(kind)} {formula(kind)}"
            for kind, count in kinds.items()
        ]
    )
    details = [f"At {sites_text(sites)}, in units of the parent's axes."]
    for kind in kinds:
        own = [s for s, species in zip(sites, vacancies, strict=True) if species == kind]
        details += [
            _surroundings(formula(species), counts, coordination, formula(kind))
            for species, (counts, coordination) in vacant_neighbours(atoms, own, kind).items()
            if len(set(counts)) > 1
        ]
    return Answer(_MISSING, value, details)


def _surroundings(species: str, counts: list[int], coordination: int, mobile: str) -> str:
    """Say how the vacancies crowd around some atoms of a species."""
    most = counts[0]
    crowded = counts.count(most)
    rest = list(dict.fromkeys(str(count) for count in counts[crowded:]))
    return (
        f"{number(crowded).capitalize()} {species} in {number(len(counts))} "
        f"{'lacks' if crowded == 1 else 'lack'} {most} of the {coordination} nearest {mobile}, the "
        f"{'other' if len(counts) - crowded == 1 else 'others'} {' or '.join(rest)}."
    )


def _missing_at_random(models: Models, lattice: StoredLattice | None) -> Answer:
    mean = models.index(DISORDERED)
    names = listed([formula(kind) for kind in sorted(models.mobile)]) or "the sites"
    details = []
    if mean is not None:
        atoms = models.atoms(mean)
        for kind in sorted(models.mobile):
            shares = [o for s, o in zip(atoms.species, atoms.occupancy, strict=True) if s == kind]
            empty = 100 * (1 - sum(shares) / len(shares))
            details.append(
                f"Each {formula(kind)} site is empty with the same chance, {empty:.0f} %."
            )
    if lattice is not None:
        details.append(
            f"The repeat that is seen is {_repeat(lattice)}; superlattice positions hold "
            f"{lattice.summary['superlattice_snr']:.1f} σ."
        )
    return Answer(_MISSING, f"{names}, at random", details)


def _thickness(ranked: Ranked) -> Answer:
    spread = ranked.thickness
    interval = f"95 % within {spread.low_angstrom:.0f} to {spread.high_angstrom:.0f} Å"
    if spread.high_angstrom - spread.low_angstrom <= 1.01 * spread.step_angstrom:
        interval += f", one step of {spread.step_angstrom:.1f} Å"
    level = ranked.best["b_angstrom2"]
    value = f"{ranked.best['thickness_angstrom']:.1f} Å"
    if ranked.ranking["verdict"] == "undetermined":
        value += ", if the likeliest is right"
    return Answer(
        "How thick is it?",
        value,
        [
            f"{interval}.",
            f"The Debye-Waller factor that fits best is {level:g} Å²; another shifts it.",
        ],
        thickness_scale(spread),
    )


def how_sure(ranking: dict[str, Any]) -> Answer:
    """Say the probability of the best of a ranking and what it is relative to."""
    best = ranking["best"]
    probability = float(best["probability"])
    details = [
        f"{percent(probability)} among the {ranking['candidates_searched']} candidates searched; "
        "it says nothing of structures that are not among them.",
        _misfit_words(best["chi2_per_dof"]),
    ]
    value = certainty(probability).capitalize()
    if ranking["verdict"] == "undetermined":
        # where no candidate fits, or noise does as well, even a high share of them says nothing
        value = "Not sure" if probability >= CERTAINTY else f"Not sure: {percent(probability)}"
    return Answer("How sure is that?", value, details, probability_scale(probability, CERTAINTY))


def _misfit_words(chi2_per_dof: float) -> str:
    if chi2_per_dof < 1.5:
        quality = "noise explains what is left"
    elif chi2_per_dof < WORST_CHI2_PER_DOF:
        quality = "more is left than noise"
    else:
        quality = "the model does not explain the image"
    return f"χ²/dof {chi2_per_dof:.2f}: {quality}."


def _else(ranked: Ranked) -> Answer:
    best, rows = ranked.best, ranked.ranking["ranking"]
    alike = dict.fromkeys(entry["ordering_id"] for entry in best["equivalents"])
    others = [name for name in alike if name != best["ordering_id"]]
    details = []
    value = "Nothing else that was searched"
    if others:
        value = f"{plural(len(others), 'other ordering')} would look the same"
        details.append(f"This view cannot tell it from {_names(others)}; another view may.")
    elif ranked.ranking["verdict"] == "undetermined":
        close = [row for row in rows if row["probability"] >= 0.01]
        value = f"{plural(len(close), 'candidate')} of 1 % or more"
    if len(rows) > 1:
        details.append(_runner_up(best, rows[1]))
    if ranked.homometric:
        image = (
            "" if ranked.ranking["verdict"] == "undetermined" else "; the image does, by its phases"
        )
        details.append(
            f"A diffraction pattern alone could not tell it from {_names(ranked.homometric)} "
            f"(homometric){image}."
        )
    return Answer("What else could it be?", value, details)


def _runner_up(best: dict[str, Any], second: dict[str, Any]) -> str:
    probability = float(second["probability"])
    chance = "below 10⁻⁹" if probability < 1e-9 else percent(probability)
    return (
        f"Next is {name_of(second)}, {second['thickness_angstrom']:.0f} Å: χ²/dof "
        f"{second['chi2_per_dof']:.3g} against {best['chi2_per_dof']:.3g}, probability {chance}."
    )


def _names(names: list[str]) -> str:
    shown = names[:_NAMES_SHOWN]
    if len(names) > _NAMES_SHOWN:
        shown.append(f"{len(names) - _NAMES_SHOWN} more, listed below")
    return listed(shown)


def _help(image: StoredMicrograph, average: AveragedCell) -> list[str]:
    """Say what would help an image that does not decide."""
    advice = []
    dose = image.dose_e_per_angstrom2
    if dose is None:
        advice.append("Give the dose: without it no damage is expected.")
    elif dose < _LOW_DOSE:
        advice.append(f"{dose:g} e/Å² is little: more dose or more images would help.")
    if average.cells < _FEW_CELLS:
        advice.append(f"Only {average.cells:.0f} cells were averaged: show more crystal.")
    return advice or ["More dose or crystal, another defocus or another view would help."]


def _no_lattice(page: Page, found: Findings) -> None:
    if not found.no_lattice:
        page.kicker, page.headline = page.title, f"The micrograph {found.image.file_name}"
        return
    page.verdict, page.tone = "undetermined", "open"
    page.headline = "No lattice of the parent is found"
    page.lead = "Without a lattice there are no cells to average, so no ordering was compared."
    dose, pixel = found.image.dose_e_per_angstrom2, found.image.pixel_size_angstrom
    advice = ["Is a crystal in the field, on the zone axis, thicker than a few layers?"]
    if dose is not None and dose < _LOW_DOSE:
        advice.insert(0, f"{dose:g} e/Å² is little: sum more frames, or take more dose.")
    checks = [
        f"Pixel size {pixel:g} Å: a scale that is wrong by more than 4 % hides the lattice.",
        "The parent's CIF: its lattice, in the view along the beam, is what was searched for.",
    ]
    page.answers = [
        Answer(_MISSING, "Cannot be said", [sentence(found.no_lattice)]),
        Answer("How thick is it?", "Not measured", ["Thickness comes from the averaged cell."]),
        Answer("What would help?", "More signal", advice),
        Answer("What to check?", "Scale and parent", checks),
    ]
    mean = found.models.index(DISORDERED) if found.models else None
    if found.models is None or mean is None:
        return
    picture = picture_of(found.models, found.models.records[mean])
    if picture is not None:
        page.picture = Picture(
            picture.svg, "What was searched for, not what was found.", picture.legend
        )
