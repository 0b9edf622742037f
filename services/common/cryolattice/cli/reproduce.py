"""``cryolattice reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cryolattice.cli.session import AsJson, Server, console, print_json, session


def reproduce(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder with the files of examples/na2nh2bh4; that of the source checkout where "
            "absent.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Write figures, movie, CIFs and report into this folder."),
    ] = Path("paper-figures"),
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Make the figures of the paper on Na2NH2BH4 again, with the numbers under them."""
    from cryolattice.workflows.reproduce import reproduce as run  # noqa: PLC0415

    with session(server, quiet=as_json, expects="job") as (lab, follow):
        result = run(lab, data, out=out, follow=follow).document
    if as_json:
        print_json(result)
        return
    table = Table("", "paper", "here", "95 %", "unit", box=None, header_style="bold")
    for row in result["comparison"]:
        low, high = row["ci95"] or (None, None)
        table.add_row(
            row["quantity"],
            f"{row['paper']:g}",
            f"{row['found']:.4g}",
            "" if low is None else f"{low:.3g} - {high:.3g}",
            row["unit"],
        )
    console.print(table)
    for warning in result["warnings"]:
        console.print(f"[yellow]note:[/] {escape(warning)}", highlight=False)
    console.print(
        f"{len(result['figures'])} figures and {escape(str(out / 'report.html'))}", soft_wrap=True
    )
