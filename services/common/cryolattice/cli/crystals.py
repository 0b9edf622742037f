"""``cryolattice enumerate`` and ``cryolattice simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cryolattice.cli.session import AsJson, Server, console, print_json, session

Parent = Annotated[Path, typer.Argument(metavar="PARENT.cif", help="CIF of the parent crystal.")]


def enumerate_orderings(
    parent: Parent,
    supercell: Annotated[
        tuple[int, int, int], typer.Option(help="Parent cells along a, b and c.", metavar="M N P")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write each ordering as a CIF into this new folder.")
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List every symmetry-inequivalent ordering of the partially occupied sites."""
    from cryolattice.workflows.orderings import enumerate_orderings as run  # noqa: PLC0415

    with session(server, quiet=as_json) as (lab, follow):
        row = follow.progress.add_task("orderings", total=None, message="")
        result = run(
            lab,
            parent,
            supercell,
            out=out,
            on_progress=lambda done, total: follow.progress.update(
                row, completed=done, total=total
            ),
        )
    if as_json:
        print_json(result)
        return
    table = Table(box=None, header_style="bold")
    table.add_column("ordering")
    table.add_column("multiplicity", justify="right")
    table.add_column("space group")
    table.add_column("vacant sites (units of the parent's axes)")
    for ordering in result["orderings"]:
        sites = "  ".join(" ".join(f"{x:g}" for x in site) for site in ordering["vacant_sites"])
        table.add_row(ordering["id"], str(ordering["multiplicity"]), ordering["space_group"], sites)
    console.print(table)
    console.print(f"{result['total']:,} orderings in {result['classes']:,} classes")
    if out is not None:
        console.print(f"CIFs in {out}")


def simulate() -> None:
    """X"""
