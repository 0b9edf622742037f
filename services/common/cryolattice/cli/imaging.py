"""``cryolattice ctf``, ``lattice`` and ``average``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cryolattice.cli.options import (
    FORMATS,
    CsMm,
    EnergyKev,
    Out,
    PixelSize,
    Signal,
    ZoneAxes,
    chosen_axes,
)
from cryolattice.cli.session import AsJson, Server, console, print_json, session

_SHOWN = 12

Micrograph = Annotated[Path, typer.Argument(metavar="MICROGRAPH", help=f"{FORMATS}.")]
Parent = Annotated[
    Path | None,
    typer.Option(help="CIF of the parent crystal; any lattice without it.", metavar="P.cif"),
]
Axes = Annotated[ZoneAxes, typer.Option(help="View the parent along c, or along each of its axes.")]


def ctf(
    micrograph: Annotated[
        Path, typer.Argument(metavar="MICROGRAPH", help=f"{FORMATS}; see --power-spectrum.")
    ],
    power_spectrum: Annotated[
        bool,
        typer.Option(
            "--power-spectrum",
            help="The file holds a power spectrum, zero frequency in the middle; --pixel-size is "
            "that of the image it was made from.",
        ),
    ] = False,
    parent: Annotated[
        Path | None,
        typer.Option(
            help="CIF of the crystal, to tell it from the film; any lattice without it.",
            metavar="P.cif",
        ),
    ] = None,
    pixel_size: PixelSize = None,
    energy_kev: EnergyKev = None,
    cs_mm: CsMm = None,
    amplitude_contrast: Annotated[
        float | None, typer.Option(help="Share of the film's contrast, 0 to 1; default 0.07.")
    ] = None,
    defocus: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH", help="Range searched, angstrom; default 300 to 30000.", min=0
        ),
    ] = None,
    resolution: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="COARSE FINE",
            help="Spacings of the rings fitted, angstrom; chosen from the rings by default.",
        ),
    ] = None,
    signal: Signal = None,
    out: Out = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Measure defocus and astigmatism from the rings of an amorphous film."""
    from cryolattice.workflows.ctf import CtfOptions, measure_ctf  # noqa: PLC0415
    from cryolattice.workflows.images import ImageOptions  # noqa: PLC0415

    options = CtfOptions(
        image=ImageOptions(
            pixel_size_angstrom=pixel_size, energy_kev=energy_kev, cs_mm=cs_mm, signal=signal
        ),
        power_spectrum=power_spectrum,
        parent=parent,
        amplitude_contrast=amplitude_contrast,
        defocus_range_angstrom=defocus,
        resolution_angstrom=resolution,
    )
    with session(server, quiet=as_json, expects="job") as (lab, follow):
        result = measure_ctf(lab, micrograph, options, out=out, follow=follow).document
    if as_json:
        print_json(result)
        return
    if result["found"]:
        _show_lens(result)
    else:
        console.print("[bold]no rings found[/]")
    _show_end(result["warnings"], out)


def _show_lens(result: dict[str, Any]) -> None:
    table = Table("", "", "95 %", box=None, show_header=True, header_style="bold")
    for label, name, unit, digits in (
        ("defocus U", "defocus_u_angstrom", "angstrom", 0),
        ("defocus V", "defocus_v_angstrom", "angstrom", 0),
        ("angle of U", "angle_deg", "degrees", 1),
    ):
        low, high = result["ci95"][name]
        table.add_row(
            label,
            f"{result[name]:.{digits}f} {unit}",
            f"{low:.{digits}f} to {high:.{digits}f}",
        )
    table.add_row("rings seen to", f"{result['fit_resolution_angstrom']:.2f} angstrom", "")
    console.print(table, highlight=False)


def lattice(
    micrograph: Micrograph,
    parent: Parent = None,
    zone_axes: Axes = ZoneAxes.C,
    supercell: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="M N", help="Greatest repeat to look for along a and b; default 2 2."),
    ] = None,
    pixel_size: PixelSize = None,
    signal: Signal = None,
    out: Out = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Find the lattice of a micrograph and compare it with its parent's."""
    from cryolattice.workflows.images import ImageOptions  # noqa: PLC0415
    from cryolattice.workflows.lattice import LatticeOptions, find_lattice  # noqa: PLC0415

    options = LatticeOptions(
        image=ImageOptions(pixel_size_angstrom=pixel_size, signal=signal),
        parent=parent,
        zone_axes=chosen_axes(zone_axes),
        supercell=supercell,
    )
    with session(server, quiet=as_json, expects="job") as (lab, follow):
        result = find_lattice(lab, micrograph, options, out=out, follow=follow).document
    if as_json:
        print_json(result)
        return
    if result["found"]:
        for found in result["lattices"]:
            _show_lattice(found, result["superlattice_snr"])
    else:
        console.print("[bold]no lattice found[/]")
        console.print(escape(result["reason"]), highlight=False)
    _show_end(result["warnings"], out)


def _show_lattice(found: dict[str, Any], superlattice_snr: float) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "lattice",
        f"a {found['a_angstrom']:.3f}  b {found['b_angstrom']:.3f} angstrom  gamma "
        f"{found['gamma_deg']:.2f}  rotation {found['rotation_deg']:.2f} degrees",
    )
    repeat = found["superlattice"]
    table.add_row(
        "superlattice",
        f"{repeat[0]} x {repeat[1]}, {superlattice_snr:.1f} sigma" if repeat else "none",
    )
    table.add_row("spots", str(found["spots"]))
    if found["mismatch_percent"] is not None:
        table.add_row("mismatch with the parent", f"{found['mismatch_percent']:+.2f} %")
    console.print(table, highlight=False)


def average(
    micrograph: Micrograph,
    parent: Parent = None,
    zone_axes: Axes = ZoneAxes.C,
    supercell: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="M N", help="The cell to average, in parent cells; the repeat seen by default."
        ),
    ] = None,
    g_max: Annotated[
        float | None,
        typer.Option(help="Greatest spatial frequency, 1/angstrom; default 0.7.", min=0.0),
    ] = None,
    pixel_size: PixelSize = None,
    signal: Signal = None,
    out: Out = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Average the unit cells of a micrograph, each Fourier coefficient with its standard error."""
    from cryolattice.workflows.average import AverageOptions, average_cell  # noqa: PLC0415
    from cryolattice.workflows.images import ImageOptions  # noqa: PLC0415
    from cryolattice.workflows.lattice import LatticeOptions  # noqa: PLC0415

    options = AverageOptions(
        lattice=LatticeOptions(
            image=ImageOptions(pixel_size_angstrom=pixel_size, signal=signal),
            parent=parent,
            zone_axes=chosen_axes(zone_axes),
            supercell=supercell,
        ),
        g_max_per_angstrom=g_max,
    )
    with session(server, quiet=as_json, expects="job") as (lab, follow):
        result = average_cell(lab, micrograph, options, out=out, follow=follow).document
    if as_json:
        print_json(result)
        return
    if result["found"]:
        _show_average(result)
    else:
        console.print("[bold]no lattice found[/]")
    _show_end(result["warnings"], out)


def _show_average(result: dict[str, Any]) -> None:
    cell = result["cell"]
    m, n = cell["supercell"]
    console.print(
        f"cell of {m} x {n}: a {cell['a_angstrom']:.3f}  b {cell['b_angstrom']:.3f} angstrom  "
        f"gamma {cell['gamma_deg']:.2f} degrees\n{result['cells']:.0f} cells averaged over "
        f"{result['area_angstrom2'] / 100:.0f} nm2, {result['mean_counts']:.2f} counts a pixel, "
        f"standard error of the image {result['image_standard_error']:.4f} of its mean",
        highlight=False,
    )
    table = Table(box=None, header_style="bold")
    for heading in ("h", "k", "d (angstrom)", "amplitude", "phase (degrees)", "sigma"):
        table.add_column(heading, justify="right")
    for row in result["reflections"][:_SHOWN]:
        table.add_row(
            str(row["h"]),
            str(row["k"]),
            f"{row['d_angstrom']:.3f}",
            f"{row['amplitude']:.4f}",
            f"{row['phase_deg']:.0f}",
            f"{row['snr']:.1f}",
        )
    console.print(table)


def _show_end(warnings: list[str], out: Path | None) -> None:
    for warning in warnings:
        console.print(f"[yellow]note:[/] {escape(warning)}", highlight=False)
    if out is not None:
        console.print(f"report in {escape(str(out / 'report.html'))}", soft_wrap=True)
