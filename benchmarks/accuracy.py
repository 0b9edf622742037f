"""Error of the exit waves against grid, slices, thickness and k_max, as tables and a picture.

Usage: ``python benchmarks/accuracy.py [--out docs/images/accuracy.png] [--ordering ID]``.
The crystal is the paper's ordering of the example with mean hydrogens, at 300 keV. Errors are
|psi - reference| / |reference| over the beams up to k_max. Takes two minutes of one core.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

import cryolattice
from cryolattice.settings import Settings
from cryolattice_simulator.beams import ExitBeams, Structure
from cryolattice_simulator.engines import Multislice, engine_named
from cryolattice_simulator.imaging import Lens, image
from cryolattice_simulator.models_data import structures_of

ROOT = Path(__file__).resolve().parents[1]
PARENT = ROOT / "examples" / "na2nh2bh4" / "na2nh2bh4_cubic.cif"
EDGE, PERIOD = 9.4, 4.7
THICKNESSES = [18.8 * i for i in range(1, 17)]
PAPER = 8  # 169.2 angstrom
GRIDS = (48, 56, 64, 80, 96, 108, 128, 160, 192)
REFERENCE_GRID = 288
FINEST_ABTEM_GRID = 384
SLICES = (1, 2, 4, 8, 16)
REFERENCE_SLICES = 32
K_MAX = (0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.4)
WIDE_K_MAX = 2.0
LENS = Lens(2500.0, 2500.0, cs_mm=2.7, focal_spread_angstrom=30.0)
COLOURS = {"fast": "#0072B2", "abtem": "#D55E00"}


def crystal(ordering: str) -> Structure:
    """Build the ordering as the product does."""
    with (
        tempfile.TemporaryDirectory() as home,
        cryolattice.connect(settings=Settings(home=Path(home)), show_progress=False) as lab,
    ):
        models = lab.models(PARENT, (2, 2, 1), orderings=[ordering])
        return structures_of(lab.connection.open_ref(models.ref))[0]


def simulate(structure: Structure, engine: str, points: int, slices: int = 2) -> ExitBeams:
    """Simulate with what an accurate sweep would take but for grid and slices."""
    settings = Multislice(
        energy_kev=300.0,
        thicknesses_angstrom=THICKNESSES,
        gpts=(points, points),
        k_max_per_angstrom=min(WIDE_K_MAX, 0.3 * points / EDGE),
        slice_thickness_angstrom=PERIOD / slices,
        precision="float64",
        device="cpu",
    )
    return engine_named(engine).exit_beams(structure, settings)


def kept(beams: ExitBeams, k_max: float) -> ExitBeams:
    """Leave out the beams beyond a limit."""
    inside = np.hypot(*beams.g_per_angstrom.T) <= k_max * (1 + 1e-9)
    return replace(beams, h=beams.h[inside], k=beams.k[inside], psi=beams.psi[:, inside])


def errors(beams: ExitBeams, reference: ExitBeams, k_max: float = 1.0) -> NDArray[np.float64]:
    """Relative difference after each thickness, over the beams that both have up to k_max."""
    both = min(k_max, *(float(np.hypot(*b.g_per_angstrom.T).max()) for b in (beams, reference)))
    found, wanted = kept(beams, both).psi, kept(reference, both).psi
    apart = np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    return np.asarray(apart)


def contrast_error(reference: ExitBeams, k_max: float) -> float:
    """Error of an image at 169.2 angstrom without the beams beyond k_max, over its contrast."""
    shape = (128, 128)
    wanted = image(reference, PAPER, LENS, shape=shape)
    found = image(kept(reference, k_max), PAPER, LENS, shape=shape)
    return float(np.std(found - wanted) / np.std(wanted))


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    print(f"\n{title}")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)))


def percent(*shares: float) -> list[str]:
    return [f"{100 * share:.3f} %" for share in shares]


def draw(axes: Axes, x: Sequence[float], shares: Sequence[float], **style: Any) -> None:
    axes.loglog(x, 100 * np.asarray(shares), marker="o", markersize=4, **style)


def compare_grids(
    structure: Structure, reference: ExitBeams, by_grid: Axes, by_thickness: Axes
) -> None:
    found = {
        name: {n: errors(simulate(structure, name, n), reference) for n in GRIDS}
        for name in COLOURS
    }
    finest = errors(simulate(structure, "abtem", FINEST_ABTEM_GRID), reference)
    rows = [["points", "angstrom", "fast 169.2", "abtem 169.2", "fast 300.8", "abtem 300.8"]]
    for n in GRIDS:
        shares = [found[name][n][plane] for plane in (PAPER, -1) for name in COLOURS]
        rows.append([str(n), f"{EDGE / n:.3f}", *percent(*shares)])
    table(f"Grid, against fast with {REFERENCE_GRID} points", rows)
    at_paper, at_end = percent(finest[PAPER], finest[-1])
    print(f"abTEM with {FINEST_ABTEM_GRID} points: {at_paper} at 169.2, {at_end} at 300.8 angstrom")
    steps = [EDGE / n for n in GRIDS]
    for name, colour in COLOURS.items():
        curve = found[name]
        draw(by_grid, steps, [curve[n][PAPER] for n in GRIDS], color=colour, label=name)
        for points, line in ((128, "-"), (64, "--")):
            label = f"{name}, {EDGE / points:.3f} Å"
            style = {"color": colour, "linestyle": line, "label": label}
            draw(by_thickness, THICKNESSES, list(curve[points]), **style)
    by_grid.axvline(0.075, color="0.6", linewidth=0.8)


def compare_slices(structure: Structure, by_slices: Axes, by_thickness: Axes) -> None:
    thinnest = simulate(structure, "fast", 128, REFERENCE_SLICES)
    found = {n: errors(simulate(structure, "fast", 128, n), thinnest) for n in SLICES}
    rows = [["slices", "angstrom", "169.2", "300.8"]]
    for n, curve in found.items():
        rows.append([str(n), f"{PERIOD / n:.3f}", *percent(curve[PAPER], curve[-1])])
    table(f"Slices a period, against {REFERENCE_SLICES}", rows)
    steps = [PERIOD / n for n in SLICES]
    draw(by_slices, steps, [found[n][PAPER] for n in SLICES], color=COLOURS["fast"])
    draw(by_thickness, THICKNESSES, list(found[2]), color="0.4", label="slices of 2.35 Å")
    by_slices.axvline(PERIOD / 2, color="0.6", linewidth=0.8)


def compare_limits(reference: ExitBeams, axes: Axes) -> None:
    lost = [1 - float(kept(reference, k).intensities[PAPER].sum()) for k in K_MAX]
    shown = [contrast_error(reference, k) for k in K_MAX]
    rows = [["k_max", "intensity beyond", "error of an image"]]
    rows += [[f"{k:g}", *percent(*both)] for k, *both in zip(K_MAX, lost, shown, strict=True)]
    table("k_max in 1/angstrom, at 169.2 angstrom, defocus 2500", rows)
    draw(axes, K_MAX, lost, color=COLOURS["fast"], label="intensity beyond")
    draw(axes, K_MAX, shown, color=COLOURS["abtem"], label="contrast of an image, 2500 Å defocus")
    axes.axvline(1.0, color="0.6", linewidth=0.8)


def finish(axes: Axes, title: str, label: str, ticks: Sequence[float]) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(label)
    axes.set_ylabel("error (%)")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter("")
    axes.grid(visible=True, which="both", linewidth=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "accuracy.png")
    parser.add_argument("--ordering", default="o-3701586fcc")
    options = parser.parse_args()
    structure = crystal(options.ordering)
    reference = simulate(structure, "fast", REFERENCE_GRID)
    figure, panels = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    (by_grid, by_slices), (by_thickness, by_limit) = panels
    compare_grids(structure, reference, by_grid, by_thickness)
    compare_slices(structure, by_slices, by_thickness)
    compare_limits(reference, by_limit)
    finish(by_grid, "Grid, at 169.2 Å", "distance of points (Å)", (0.05, 0.075, 0.1, 0.15, 0.2))
    finish(by_slices, "Slices, at 169.2 Å", "thickness of a slice (Å)", (0.3, 0.6, 1.2, 2.35, 4.7))
    finish(by_thickness, "Thickness", "thickness (Å)", (20, 50, 100, 200, 300))
    finish(by_limit, "Band limit, at 169.2 Å", "k_max (1/Å)", (0.4, 0.5, 0.6, 0.8, 1.0, 1.4))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, dpi=110)
    print(f"\n{options.out}")


if __name__ == "__main__":
    main()
