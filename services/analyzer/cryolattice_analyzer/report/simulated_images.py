"""What a report shows of simulated images: those that a camera recorded of one model's beams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.figures.simulation_figures import images_figure
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.report.page import Answer, FigureOfReport

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

_PANELS = 16
_LARGE_COLUMNS = 4


@dataclass(frozen=True)
class SimulatedImages:
    """An `images` dataset.

    Attributes
    ----------
    image : ndarray, shape (thickness, defocus, y, x)
    corrected : ndarray, likewise, or None
        With phases flipped.
    thicknesses_angstrom, defoci_angstrom : ndarray
    edges_angstrom : (float, float)
        Width and height of the field.
    spec : dict
        What was asked.
    facts : dict
        ``images.json``.
    """

    image: NDArray[np.float32]
    corrected: NDArray[np.float32] | None
    thicknesses_angstrom: NDArray[np.float64]
    defoci_angstrom: NDArray[np.float64]
    edges_angstrom: tuple[float, float]
    spec: dict[str, Any]
    facts: dict[str, Any]

    @classmethod
    def read(cls, reader: DatasetReader) -> SimulatedImages:
        """Read an `images` dataset."""
        image = reader.array("image")
        spec = reader.manifest.spec
        pixel = float(spec["camera"]["pixel_size_angstrom"])
        corrected = reader.array("corrected") if spec["ctf_corrected"] else None
        return cls(
            image=image,
            corrected=corrected,
            thicknesses_angstrom=reader.array("thickness"),
            defoci_angstrom=reader.array("defocus"),
            edges_angstrom=(pixel * image.shape[3], pixel * image.shape[2]),
            spec=spec,
            facts=reader.json("images.json"),
        )

    def plane(self, thickness_angstrom: float) -> int:
        """Return the index of the nearest thickness."""
        return int(np.argmin(np.abs(self.thicknesses_angstrom - thickness_angstrom)))


def lens_answer(images: SimulatedImages) -> Answer:
    """Say through what lens the images were formed."""
    lens = images.spec["objective"]
    defoci = images.defoci_angstrom
    focus = (
        f"{defoci[0]:.0f} Å"
        if len(defoci) == 1
        else f"{defoci.min():.0f} to {defoci.max():.0f} Å ({len(defoci)} images)"
    )
    details = [
        f"{name} {value:g} {unit}."
        for name, value, unit in (
            ("Astigmatism", lens["astigmatism_angstrom"], "Å"),
            ("Focal spread", lens["focal_spread_angstrom"], "Å (standard deviation)"),
            ("Aperture", lens["aperture_mrad"], "mrad"),
            ("Envelope B", lens["envelope_b_angstrom2"], "Å²"),
        )
        if value
    ]
    details.append("The beams serve any other lens without another simulation.")
    return Answer("Through which lens?", f"Defocus {focus}, Cs {lens['cs_mm']:g} mm", details)


def camera_answer(images: SimulatedImages) -> Answer:
    """Say with what camera they were recorded."""
    camera = images.spec["camera"]
    dose = camera["dose_e_per_angstrom2"]
    rows, columns = images.image.shape[2:]
    source = camera.get("mtf", {}).get("source", "")
    blur = (
        f"Transfer of the camera: {source}, {images.facts['mtf_at_nyquist']:.3f} at Nyquist's "
        "frequency."
        if source
        else "The camera passes every frequency that its pixels hold."
    )
    return Answer(
        "Recorded how?",
        f"{dose:g} e/Å²" if dose else "Without noise",
        [
            f"{columns} × {rows} pixels of {camera['pixel_size_angstrom']:.4g} Å.",
            blur,
            f"Poisson counts, seed {camera['seed']}."
            if dose
            else "Intensities; the incident beam is 1.",
        ],
    )


def image_figures(images: SimulatedImages, at_angstrom: float) -> list[FigureOfReport]:
    """Draw the images: over thickness, over defocus, and corrected beside uncorrected."""
    thicknesses, defoci = images.thicknesses_angstrom, images.defoci_angstrom
    plane = images.plane(at_angstrom)
    at = float(thicknesses[plane])
    figures = []
    if len(thicknesses) > 1:
        some = np.linspace(0, len(thicknesses) - 1, min(len(thicknesses), _PANELS)).round()
        planes = sorted({*some.astype(int).tolist()})
        stack = images.image if images.corrected is None else images.corrected
        how = "" if images.corrected is None else ", CTF-corrected"
        panels = [(f"{thicknesses[i]:.1f} Å", stack[i, 0]) for i in planes]
        highlight = planes.index(plane) if plane in planes else None
        drawn = images_figure(panels, images.edges_angstrom, highlight=highlight)
        figures.append(
            FigureOfReport(
                "thickness_series",
                to_png(drawn),
                f"Images over thickness{how}",
                f"At a defocus of {defoci[0]:.0f} Å. Contrast reverses as the crystal grows: "
                "compare places, not only black and white. Each panel has its own grey scale.",
                "Simulated bright-field images at up to 16 thicknesses.",
                wide=True,
            )
        )
    if len(defoci) > 1:
        some = np.linspace(0, len(defoci) - 1, min(len(defoci), _PANELS)).round()
        chosen = sorted({*some.astype(int).tolist()})
        panels = [(f"{defoci[i]:.0f} Å", images.image[plane, i]) for i in chosen]
        figures.append(
            FigureOfReport(
                "defocus_series",
                to_png(images_figure(panels, images.edges_angstrom)),
                f"Images over defocus, {at:.1f} Å thick",
                "Positive is underfocus. Each panel has its own grey scale.",
                "Simulated bright-field images over defocus.",
                wide=True,
            )
        )
    panels = [("As recorded", images.image[plane, 0])]
    if images.corrected is not None:
        panels.append(("CTF-corrected", images.corrected[plane, 0]))
    figures.append(
        FigureOfReport(
            "image",
            to_png(images_figure(panels, images.edges_angstrom, columns=_LARGE_COLUMNS)),
            f"Bright-field image at {at:.1f} Å",
            f"At a defocus of {defoci[0]:.0f} Å."
            + (
                " Corrected: phases flipped where the transfer of the lens is negative."
                if images.corrected is not None
                else ""
            ),
            "A simulated bright-field image.",
            wide=images.corrected is not None,
        )
    )
    return figures
