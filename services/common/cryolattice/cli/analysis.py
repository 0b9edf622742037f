"""``cryolattice identify`` and ``cryolattice dose``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cryolattice.cli.options import (
    FORMATS,
    CascadeChoice,
    Clusters,
    CsMm,
    EnergyKev,
    Out,
    PixelSize,
    Signal,
    Supercell,
    ZoneAxes,
    chosen_axes,
    parse_clusters,
)
from cryolattice.cli.session import AsJson, Server, console, print_json, session

_SHOWN = 5


def identify(
    micrograph: Annotated[
        Path, typer.Argument(metavar="MICROGRAPH", help=f"Image or movie: {FORMATS}.")
    ],
    parent: Annotated[Path, typer.Option(help="CIF of the parent crystal.", metavar="P.cif")],
    supercell: Supercell,
    dose: Annotated[
        float | None,
        typer.Option(help="Of this image, e/angstrom^2; by default the file's, else unknown."),
    ] = None,
    pixel_size: PixelSize = None,
    energy_kev: EnergyKev = None,
    cs_mm: CsMm = None,
    signal: Signal = None,
    zone_axes: Annotated[
        ZoneAxes, typer.Option(help="View along c, or along every axis of the supercell.")
    ] = ZoneAxes.C,
    thickness_max: Annotated[float, typer.Option(help="Greatest thickness, angstrom.")] = 300.8,
    thickness_step: Annotated[
        float | None, typer.Option(help="Angstrom; one period along the beam unless given.")
    ] = None,
    debye_waller: Annotated[
        list[float] | None,
        typer.Option(
            metavar="B",
            help="Tried for all atoms, angstrom^2; repeat it for several. 0.2, 0.5 and 1 unless "
            "given.",
        ),
    ] = None,
    cluster: Clusters = None,
    cascade: Annotated[
        CascadeChoice,
        typer.Option(
            help="Screen all candidates, refine the best tenth, confirm the best few with abTEM; "
            "auto: where there are 200 or more."
        ),
    ] = CascadeChoice.AUTO,
    out: Out = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Say which ordering of the parent crystal a micrograph shows, and how sure that is."""
    from cryolattice.workflows.identify import (  # noqa: PLC0415
        B_LEVELS_ANGSTROM2,
        IdentifyOptions,
    )
    from cryolattice.workflows.identify import identify as run  # noqa: PLC0415

    options = IdentifyOptions(
        pixel_size_angstrom=pixel_size,
        dose_e_per_angstrom2=dose,
        energy_kev=energy_kev,
        cs_mm=cs_mm,
        signal=signal,
        zone_axes=chosen_axes(zone_axes),
        greatest_thickness_angstrom=thickness_max,
        thickness_step_angstrom=thickness_step,
        clusters=parse_clusters(cluster),
        b_levels_angstrom2=tuple(debye_waller) if debye_waller else B_LEVELS_ANGSTROM2,
        cascade=cascade.value,
    )
    with session(server, quiet=as_json, expects="tiles") as (lab, follow):
        answer = run(lab, micrograph, parent, supercell, options, out=out, follow=follow)
    result = answer.document
    if as_json:
        print_json(result)
        return
    _show_identified(result)
    if out is not None:
        console.print(f"report in {escape(str(out / 'report.html'))}", soft_wrap=True)


def _sites(sites: list[list[float]]) -> str:
    return "  ".join("(" + " ".join(f"{x:g}" for x in site) + ")" for site in sites)


def _show_identified(result: dict[str, Any]) -> None:
    console.print(f"[bold]{result['verdict']}[/]")
    lattice, ctf, best = result["lattice"], result["ctf"], result["best"]
    facts = Table.grid(padding=(0, 2))
    if lattice:
        m, n = lattice["supercell"]
        facts.add_row(
            "lattice",
            f"a {lattice['a_angstrom']:.3f}  b {lattice['b_angstrom']:.3f} angstrom  "
            f"gamma {lattice['gamma_deg']:.2f}  rotation {lattice['rotation_deg']:.2f} degrees  "
            f"({m} x {n} of the parent, superlattice {lattice['superlattice_snr']:.1f} sigma)",
        )
    if ctf:
        facts.add_row(
            "lens",
            f"defocus {ctf['defocus_angstrom']:.0f}  astigmatism "
            f"{ctf['astigmatism_angstrom']:.0f} angstrom at "
            f"{ctf['astigmatism_angle_deg']:.0f} degrees",
        )
    if best:
        vacant = _sites(best["vacant_sites"])
        facts.add_row("best", best["ordering_id"] + (f", vacant {vacant}" if vacant else ""))
        facts.add_row(
            "",
            f"thickness {best['thickness_angstrom']:.1f} angstrom, "
            f"probability {best['probability']:.3f}, score {best['score']:.3f}",
        )
        others = [e for e in best["equivalents"] if e["ordering_id"] != best["ordering_id"]]
        if others:
            names = ", ".join(other["ordering_id"] for other in others)
            facts.add_row("", f"this view cannot tell it from {names}")
    console.print(facts, highlight=False)
    if result["ranking"]:
        table = Table(box=None, header_style="bold")
        for heading in ("rank", "ordering", "thickness", "score", "probability"):
            table.add_column(heading, justify="left" if heading == "ordering" else "right")
        for place, row in enumerate(result["ranking"][:_SHOWN], start=1):
            table.add_row(
                str(place),
                row["ordering_id"],
                f"{row['thickness_angstrom']:.1f}",
                f"{row['score']:.4f}",
                f"{row['probability']:.4f}",
            )
        console.print(table)
        console.print(f"{result['candidates_searched']} candidates searched")
    for warning in result["warnings"]:
        console.print(f"[yellow]note:[/] {escape(warning)}", highlight=False)


def dose(
    series: Annotated[
        Path, typer.Argument(metavar="SERIES", help=f"Stack of patterns: {FORMATS}.")
    ],
    dose_per_frame: Annotated[
        float | None, typer.Option(help="Of each frame, e/angstrom^2.")
    ] = None,
    pixel_size: Annotated[
        float | None, typer.Option(help="Of a detector pixel, 1/angstrom; the files' by default.")
    ] = None,
    signal: Signal = None,
    lattice: Annotated[
        float | None, typer.Option(help="A spacing that the crystal is known to have, angstrom.")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(help="A second series, such as at room temperature.")
    ] = None,
    compare_dose_per_frame: Annotated[
        float | None, typer.Option(help="Of each frame of --compare, e/angstrom^2.")
    ] = None,
    out: Out = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Measure the critical dose of every spacing of a diffraction series."""
    from cryolattice.workflows.dose import DoseOptions, measure_dose  # noqa: PLC0415

    options = DoseOptions(
        dose_per_frame_e_per_angstrom2=dose_per_frame,
        pixel_size_per_angstrom=pixel_size,
        signal=signal,
        lattice_angstrom=lattice,
        compare=compare,
        compare_dose_per_frame_e_per_angstrom2=compare_dose_per_frame,
    )
    with session(server, quiet=as_json, expects="job") as (lab, follow):
        result = measure_dose(lab, series, options, out=out, follow=follow).document
    if as_json:
        print_json(result)
        return
    _show_doses(series.name, result["reflections"])
    if compare is not None:
        _show_doses(compare.name, result["compare"])
        table = Table("d (angstrom)", "factor", "95 %", box=None, header_style="bold")
        for row in result["improvement"]:
            low, high = row["ci95"]
            table.add_row(
                f"{row['d_angstrom']:.3f}", f"{row['factor']:.2f}", f"{low:.2f} - {high:.2f}"
            )
        console.print(table)
    for warning in result["warnings"]:
        console.print(f"[yellow]note:[/] {escape(warning)}", highlight=False)
    if out is not None:
        console.print(f"report in {escape(str(out / 'report.html'))}", soft_wrap=True)


def _show_doses(name: str, rows: list[dict[str, Any]]) -> None:
    table = Table(
        "d (angstrom)",
        "spots",
        "critical dose (e/angstrom^2)",
        "95 %",
        "model",
        title=name,
        title_justify="left",
        box=None,
        header_style="bold",
    )
    for row in rows:
        low, high = row["ci95"]
        table.add_row(
            f"{row['d_angstrom']:.3f}",
            str(row["spots"]),
            f"{row['critical_dose_e_per_angstrom2']:.2f}",
            f"{low:.2f} - {high:.2f}",
            row["model"],
        )
    console.print(table)
