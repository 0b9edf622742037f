"""What a report says of a simulation alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryolattice_analyzer.figures import style
from cryolattice_analyzer.figures.cell_figures import cells_figure
from cryolattice_analyzer.figures.pattern_figures import diffraction_figure
from cryolattice_analyzer.figures.simulated_crystal import SimulatedCrystal
from cryolattice_analyzer.figures.simulation_figures import exit_wave_figure, thickness_figure
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.jobs.simulated import load_crystal
from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.report.cell_drawing import draw_cell
from cryolattice_analyzer.report.page import (
    Answer,
    FigureOfReport,
    Item,
    Page,
    Picture,
    Section,
    TableOfReport,
)
from cryolattice_analyzer.report.projected_cell import Models, columns
from cryolattice_analyzer.report.simulated_images import (
    SimulatedImages,
    camera_answer,
    image_figures,
    lens_answer,
)
from cryolattice_analyzer.report.wording import formula, listed, sites_text

if TYPE_CHECKING:
    from cryolattice.jobs.kinds import Inputs
    from cryolattice.store.reader import DatasetReader
    from cryolattice_api.analyzer.v1 import analyzer_pb2

_PANELS = 16
_STRONGEST = 12
_DRAWN_ATOMS = 400
_PARENT = "Parent, mean occupancies"

_TERMS = [
    (
        "Beam",
        "A Fourier coefficient of the exit wave: image and diffraction pattern at any lens setting "
        "follow from them. Amplitude 1 is the whole incident wave.",
    ),
    (
        "Multislice",
        "The wave passes thin slices of the crystal in turn: multiple scattering is in.",
    ),
    ("Defocus", "Positive is underfocus."),
]


@dataclass(frozen=True)
class _Shown:
    """A crystal with what a figure calls it."""

    crystal: SimulatedCrystal
    title: str


def describe_simulation(
    page: Page,
    readers: dict[str, DatasetReader],
    spec: analyzer_pb2.ReportSpec,
    inputs: Inputs,
) -> None:
    """Add the images and diffraction patterns of one model to a page."""
    models = Models(readers["models"])
    place = _shown_place(models, readers)
    record = models.records[place]
    crystal = load_crystal(readers["models"], readers["beams"], place)
    energy, h, psi = crystal.energy_kev, crystal.h, crystal.psi
    thicknesses = crystal.thicknesses_angstrom
    k_max = float(readers["beams"].manifest.spec["k_max_per_angstrom"])
    middle = len(thicknesses) // 2
    if spec.thickness_angstrom:
        middle = crystal.plane(spec.thickness_angstrom)
    loss = 1 - (np.abs(psi) ** 2).sum(axis=1)
    several = len(thicknesses) > 1
    span = (
        f"{thicknesses[0]:.1f} to {thicknesses[-1]:.1f} Å"
        if several
        else (f"{thicknesses[0]:.1f} Å")
    )

    page.kicker = page.title
    page.headline = f"{_name(record['ordering_id'])}, {span} thick"
    page.lead = f"Multislice simulation at {energy:g} keV, seen along the beam."
    if len(crystal.numbers) <= _DRAWN_ATOMS:
        page.picture = _picture(models, place)
    page.answers = [
        _crystal(models, place, crystal.lengths_angstrom),
        Answer(
            "How thick?",
            span,
            [
                f"{len(thicknesses)} exit wave{'s' if several else ''} in one pass; the cell is "
                f"{record['period_angstrom']:.2f} Å long along the beam."
            ],
        ),
        Answer(
            "How fine?",
            f"{len(h)} beams, to {1 / k_max:.2f} Å",
            [
                f"Outside of them lies {100 * float(loss[middle]):.2g} % of the intensity at "
                f"{thicknesses[middle]:.1f} Å, {100 * float(loss[-1]):.2g} % at the last."
            ],
        ),
    ]
    page.data = {
        "model": record,
        "thicknesses_angstrom": thicknesses.tolist(),
        "energy_kev": energy,
        "beams": len(h),
        "intensity_outside_the_beams": loss.tolist(),
    }
    page.terms += _TERMS
    if "images" in readers:
        images = SimulatedImages.read(readers["images"])
        page.answers += [lens_answer(images), camera_answer(images)]
        page.data["images"] = images.facts
        figures = image_figures(images, float(thicknesses[middle]))
    else:
        page.answers.append(_coherent_lens(spec))
        figures = [_coherent_series(crystal, spec)]
    shown = [_Shown(crystal, _name(record["ordering_id"]))]
    potentials = [readers.get("potential")]
    if spec.HasField("compare_beams"):
        beside = load_crystal(
            inputs.open(spec.compare_models, "models", field="compare_models"),
            inputs.open(spec.compare_beams, "beams", field="compare_beams"),
            0,
        )
        shown = [_Shown(beside, _PARENT), *shown]
        if spec.HasField("compare_potential"):
            other = inputs.open(spec.compare_potential, "potential", field="compare_potential")
            potentials.insert(0, other)
    at = float(thicknesses[middle])
    items: list[Item] = [*figures, *_wave_figures(shown, potentials, at)]
    items.append(_strongest(crystal, middle))
    page.sections.append(Section("Images and beams", "", items))


def _coherent_lens(spec: analyzer_pb2.ReportSpec) -> Answer:
    return Answer(
        "Shown through which lens?",
        f"Defocus {spec.defocus_angstrom:.0f} Å, Cs {spec.cs_mm:g} mm",
        ["Coherent; the beams serve any other lens without another simulation."],
    )


def _coherent_series(crystal: SimulatedCrystal, spec: analyzer_pb2.ReportSpec) -> FigureOfReport:
    thicknesses = crystal.thicknesses_angstrom
    some = np.linspace(0, len(thicknesses) - 1, min(len(thicknesses), _PANELS)).round()
    shown = thicknesses[some.astype(int)].tolist()
    return FigureOfReport(
        "thickness_series",
        to_png(thickness_figure(crystal, shown, Lens(spec.defocus_angstrom), spec.cs_mm)),
        "Images over thickness",
        "Contrast reverses as the crystal grows: compare places, not only black and white. "
        "2 × 2 cells; each panel has its own grey scale.",
        "Simulated bright-field images at up to 16 thicknesses.",
        wide=True,
    )


def _wave_figures(
    shown: list[_Shown], potentials: list[DatasetReader | None], at: float
) -> Iterator[FigureOfReport]:
    crystal = shown[-1].crystal
    projected = [(one, reader) for one, reader in zip(shown, potentials, strict=False) if reader]
    if projected:
        panels = [
            (one.title, reader.array("potential")[0].astype(np.float64))
            for one, reader in projected
        ]
        brightest = float(np.percentile(np.concatenate([p.ravel() for _, p in panels]), 99.2))
        drawn = cells_figure(
            panels,
            np.diag(crystal.lengths_angstrom),
            "Projected potential (V Å)",
            colours=style.SEQUENTIAL_MAP,
            limits=(0.0, brightest),
        )
        yield FigureOfReport(
            "projected_potential",
            to_png(drawn),
            "Projected potential",
            "What the beam passes in one period. Peaks are cut off.",
            "The crystal's potential projected along the beam.",
            wide=len(panels) > 1,
        )
    yield FigureOfReport(
        "exit_wave",
        to_png(exit_wave_figure(crystal, at)),
        f"Exit wave at {at:.1f} Å",
        "What leaves the crystal, before any lens: amplitude, and phase against the direct beam.",
        "Amplitude and phase of the simulated exit wave.",
        wide=True,
    )
    superlattice = (
        "First orders of the parent are ringed, those of a superlattice boxed: the latter exist "
        "only by the order of the vacancies."
    )
    yield FigureOfReport(
        "diffraction",
        to_png(diffraction_figure([s.crystal for s in shown], [s.title for s in shown], at)),
        f"Diffraction pattern at {at:.1f} Å",
        superlattice if max(crystal.repeats) > 1 else "The innermost spots are ringed.",
        "Simulated diffraction pattern, first orders marked.",
        wide=len(shown) > 1,
    )


def _strongest(crystal: SimulatedCrystal, plane: int) -> TableOfReport:
    h, k, psi = crystal.h, crystal.k, crystal.psi[plane]
    strongest = np.argsort(-np.abs(psi))[:_STRONGEST]
    return TableOfReport(
        f"Strongest beams at {crystal.thicknesses_angstrom[plane]:.1f} Å",
        ["h", "k", "d (Å)", "amplitude", "phase (°)"],
        [_beam(int(h[i]), int(k[i]), complex(psi[i]), crystal.lengths_angstrom) for i in strongest],
        "Indices on the cell of the model.",
        numbers=5,
        wide=False,
    )


def _name(ordering: str) -> str:
    return f"Ordering {ordering}" if ordering.startswith("o-") else "The crystal as given"


def _shown_place(models: Models, readers: dict[str, DatasetReader]) -> int:
    """Return the place of the images' model, or without images of the first that has beams."""
    if "images" not in readers:
        return int(readers["beams"].array("model")[0])
    wanted = readers["images"].json("images.json")["model_id"]
    return next(i for i, record in enumerate(models.records) if record["model_id"] == wanted)


def _picture(models: Models, place: int) -> Picture:
    record = models.records[place]
    atoms = models.atoms(place)
    vacant = record["vacant_sites"]
    drawing = draw_cell(
        atoms,
        columns(atoms, vacant, models.vacancies(place)),
        models.mobile,
        "One cell of the model along the beam"
        + (
            f", vacant sites at {sites_text(record['vacant_sites'])}."
            if record["vacant_sites"]
            else "."
        ),
    )
    axis = " ".join(str(i) for i in record["zone_axis"])
    return Picture(drawing.svg, f"One cell, along the beam [{axis}].", drawing.legend)


def _crystal(models: Models, place: int, lengths: tuple[float, float]) -> Answer:
    record = models.records[place]
    atoms = models.atoms(place)
    kinds = [
        f"{atoms.species.count(species)} {formula(species)}"
        for species in dict.fromkeys(atoms.species)
    ]
    details = [f"Cell {lengths[0]:.2f} × {lengths[1]:.2f} Å with {listed(kinds)}."]
    if record["vacant_sites"]:
        details.append(
            f"Vacant: {sites_text(record['vacant_sites'])}, in units of the parent's axes."
        )
    return Answer("Which crystal?", f"Space group {record['space_group']}", details)


def _beam(h: int, k: int, psi: complex, lengths: tuple[float, float]) -> list[str]:
    g = float(np.hypot(h / lengths[0], k / lengths[1]))
    spacing = f"{1 / g:.3f}" if g > 0 else "∞"
    phase = f"{np.degrees(np.angle(psi)):.1f}"
    return [str(h), str(k), spacing, f"{abs(psi):.4f}", phase]
