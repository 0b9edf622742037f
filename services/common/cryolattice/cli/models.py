"""``cryolattice models``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cryolattice.cli.crystals import CellCounts, Matrix, Parent
from cryolattice.cli.options import Clusters, parse_clusters
from cryolattice.cli.session import AsJson, Server, console, print_json, session
from cryolattice.errors import InvalidInputError
from cryolattice.local_files import require_folder

_SHOWN = 40


class Hydrogens(StrEnum):
    """What becomes of the hydrogens of cluster ions."""

    MEAN = "mean"
    RANDOM = "random"
    NONE = "none"


class FileFormat(StrEnum):
    """How models are written."""

    CIF = "cif"
    CIF_FOUND = "cif-found"
    POSCAR = "poscar"
    EXTXYZ = "extxyz"


def models(
    parent: Parent,
    supercell: CellCounts = None,
    matrix: Matrix = None,
    ordering: Annotated[
        list[str] | None,
        typer.Option(help="Id from 'enumerate'; repeat it. All of them unless given."),
    ] = None,
    as_given: Annotated[
        bool,
        typer.Option("--as-given", help="The crystal as its file gives it, not its orderings."),
    ] = False,
    pbcm_rivals: Annotated[
        bool,
        typer.Option(
            "--pbcm-rivals",
            help="Instead of a supercell: the orthorhombic rivals of a cubic parent.",
        ),
    ] = False,
    transforms: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yaml",
            help="What is done to each model, step after step: strain, tilt, displacements, "
            "molecule, flat_crystal, antiphase_domains, twin.",
        ),
    ] = None,
    zone_axes: Annotated[
        str,
        typer.Option(metavar="c|all|low-index|U,V,W", help="Along what the beam goes."),
    ] = "c",
    cluster: Clusters = None,
    hydrogens: Annotated[
        Hydrogens | None,
        typer.Option(help="Of cluster ions: the mean over all orientations unless given."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random orientations.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Write each model and a picture of all into this folder."),
    ] = None,
    file_format: Annotated[
        FileFormat,
        typer.Option(
            "--format",
            help="CIF with every atom (cif), or with the space group that is found; POSCAR; "
            "extended XYZ.",
        ),
    ] = FileFormat.CIF,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Build structures: orderings seen along the beam, strained, tilted, shaken, cut, twinned."""
    from cryolattice.messages import message_dict  # noqa: PLC0415
    from cryolattice.workflows.models import (  # noqa: PLC0415
        ModelOptions,
        build_models,
        models_question,
        save_models,
    )

    if sum((supercell is not None, matrix is not None, pbcm_rivals)) != 1:
        raise InvalidInputError(
            "give one of --supercell M N P, --matrix with nine numbers, and --pbcm-rivals",
            field="supercell",
        )
    require_folder(out)
    options = ModelOptions(
        hydrogens=None if hydrogens is None else hydrogens.value,
        seed=seed,
        transforms=transforms or (),
        as_given=as_given,
        pbcm_rivals=pbcm_rivals,
    )
    with session(server, quiet=as_json, expects="job") as (lab, follow):
        question = models_question(
            *(
                lab,
                parent,
                supercell if matrix is None else (matrix[0:3], matrix[3:6], matrix[6:9]),
            ),
            zone_axes=zone_axes,
            clusters=parse_clusters(cluster),
            orderings=ordering or (),
            options=options,
        )
        ref = build_models(lab, question.spec, follow)
        if out is not None:
            save_models(lab, ref, out, file_format.value)
        records = lab.open_ref(ref).json("models.json")
        dataset = message_dict(lab.get_dataset(ref.name))
    if as_json:
        print_json(dataset)
        return
    _print_models(records)
    for remark in question.remarks:
        console.print(f"[yellow]note:[/] {escape(remark)}", highlight=False)
    console.print(f"{len(records):,} models in {dataset['name']}", soft_wrap=True)
    if out is not None:
        console.print(f"files and models.png in {escape(str(out))}", soft_wrap=True)


def _print_models(records: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold")
    table.add_column("model")
    table.add_column("a, b (angstrom), gamma", justify="right")
    table.add_column("period along the beam (angstrom)", justify="right")
    table.add_column("what was done")
    for record in records[:_SHOWN]:
        plane, (across, along, _) = record["plane_cell"], record["view_supercell"]
        cell = (
            f"{plane['a_angstrom'] * across:.3f}  {plane['b_angstrom'] * along:.3f}  "
            f"{plane['gamma_deg']:.2f}"
        )
        steps = ", ".join(step["name"] for step in record.get("transforms", []))
        table.add_row(record["model_id"], cell, f"{record['period_angstrom']:.3f}", steps)
    console.print(table)
    if len(records) > _SHOWN:
        console.print(f"... and {len(records) - _SHOWN:,} more")
