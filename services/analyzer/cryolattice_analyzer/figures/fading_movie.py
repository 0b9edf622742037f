"""The fading movie: diffraction patterns of growing dose, frame by frame."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from cryolattice_analyzer.figures import pictures, style
from cryolattice_analyzer.figures.pattern_figures import MeasuredSeries, measured_panel
from cryolattice_analyzer.figures.style import styled

LIMIT_PER_ANGSTROM = 1.0
_SIDE_MM = 62.0
_DOTS_PER_INCH = 140
_MILLISECONDS = 250
# 33 greys from black to white: enough for the eye, and a third of the bytes
_FEWER_GREYS = [min(8 * round(grey / 8), 255) for grey in range(256)]


@styled
def fading_movie(series: Sequence[MeasuredSeries]) -> bytes:
    """Draw series beside each other as an animated GIF that repeats.

    Parameters
    ----------
    series : sequence of MeasuredSeries
        Frame by frame side by side; one that is shorter stands still at its end.

    Returns
    -------
    bytes
        One picture a frame, each labelled with the dose accumulated at its end.
    """
    figure = style.new_figure(_SIDE_MM * len(series), _SIDE_MM + 3)
    panels = figure.subplots(1, len(series), squeeze=False)[0]
    drawn = []
    for panel, one in zip(panels, series, strict=True):
        drawn.append(measured_panel(panel, one, 0, LIMIT_PER_ANGSTROM))
        panel.set_title(_title(one, 0))
        pictures.scale_bar(panel, "Å⁻¹", colour="black")
    images = []
    for frame in range(max(len(one.frames) for one in series)):
        for panel, one, image in zip(panels, series, drawn, strict=True):
            shown = min(frame, len(one.frames) - 1)
            image.set_data(one.shown(shown))
            image.set_extent(one.extent(shown))
            panel.set_title(_title(one, shown))
        picture = Image.open(io.BytesIO(style.to_png(figure, dots_per_inch=_DOTS_PER_INCH)))
        figure.set_layout_engine("none")  # the first picture arranged the panels
        images.append(picture.convert("L").point(_FEWER_GREYS))
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=_MILLISECONDS,
        loop=0,
        disposal=1,
    )
    return buffer.getvalue()


def _title(series: MeasuredSeries, frame: int) -> str:
    dose = (frame + 1) * series.dose_per_frame_e_per_angstrom2
    return f"{series.label}, {dose:.1f} e/Å²"
