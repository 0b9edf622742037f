"""``cryolattice enumerate``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cryolattice.cli.session import AsJson, Server, console, print_json, session
from cryolattice.errors import InvalidInputError

if TYPE_CHECKING:
    from cryolattice.workflows.orderings import EnumerateOptions

_GROUPS_SHOWN = 12
_IDS_SHOWN = 6

Parent = Annotated[
    Path,
    typer.Argument(
        metavar="PARENT.cif",
        help="CIF of the parent crystal; or extended XYZ with an occupancy column.",
    ),
]


CellCounts = Annotated[
    tuple[int, int, int] | None,
    typer.Option(help="Parent cells along a, b and c.", metavar="M N P"),
]
Matrix = Annotated[
    tuple[int, int, int, int, int, int, int, int, int] | None,
    typer.Option(
        help="Instead: the supercell's three axes in units of the parent's, nine numbers.",
        metavar="AX AY AZ BX BY BZ CX CY CZ",
    ),
]


class CifSymmetry(StrEnum):
    """How structures are written down."""

    P1 = "p1"
    FOUND = "found"


def enumerate_orderings(
    parent: Parent,
    supercell: CellCounts = None,
    matrix: Matrix = None,
    up_to_index: Annotated[
        int | None,
        typer.Option(
            help="Instead: every inequivalent supercell of up to so many primitive cells, each "
            "with the orderings that no smaller one holds."
        ),
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Count, and list nothing.")] = False,
    limit: Annotated[
        int | None, typer.Option(help="Refuse more classes than this; 100,000 unless given.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(help="Draw so many classes at random instead, all equally likely."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write each ordering as a CIF into this new folder, and pictures of all."
        ),
    ] = None,
    job: Annotated[
        bool,
        typer.Option(
            "--job",
            help="Write all into a dataset instead, millions if need be: a job that can be "
            "interrupted and resumed.",
        ),
    ] = False,
    views: Annotated[
        str | None,
        typer.Option(
            metavar="c|all|low-index|U,V,W",
            help="Compare what the orderings look like along the beam: along c (and the axes equal "
            "to it), all axes, every direction with indices of at most 1, or a direction.",
        ),
    ] = None,
    k_max: Annotated[
        float,
        typer.Option(help="With --views --json: structure factors up to here, 1/angstrom."),
    ] = 0.0,
    cif_symmetry: Annotated[
        CifSymmetry,
        typer.Option(help="CIFs list every atom (p1), or use the space group that is found."),
    ] = CifSymmetry.P1,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List every symmetry-inequivalent ordering of the partially occupied sites."""
    from cryolattice.workflows.orderings import EnumerateOptions  # noqa: PLC0415
    from cryolattice.workflows.orderings import enumerate_orderings as run  # noqa: PLC0415
    from cryolattice.workflows.view_lists import beam_fields, compare_views  # noqa: PLC0415

    if sum(choice is not None for choice in (supercell, matrix, up_to_index)) != 1:
        raise InvalidInputError(
            "give one of --supercell M N P, --matrix with nine numbers, and --up-to-index N",
            field="supercell",
        )
    if count and out is not None:
        raise InvalidInputError("--count writes no structures: leave out --out", field="out")
    options = EnumerateOptions(
        supercell=supercell if matrix is None else (matrix[0:3], matrix[3:6], matrix[6:9]),
        up_to_index=up_to_index,
        count_only=count,
        limit=limit,
        sample=sample,
        seed=seed,
        cif_symmetry=cif_symmetry.value,
    )
    if views is not None and (up_to_index is not None or count or sample is not None):
        raise InvalidInputError(
            "--views compares all orderings of one supercell: leave out --up-to-index, --count "
            "and --sample",
            field="views",
        )
    if job:
        others = (up_to_index, limit, sample, out, views)
        if count or any(choice is not None for choice in others):
            raise InvalidInputError(
                "--job writes all orderings of one supercell: leave out --up-to-index, --count, "
                "--limit, --sample, --views and --out",
                field="job",
            )
        _commit(parent, options, server, as_json=as_json)
        return
    if views is not None:
        beam_fields(views)  # before anything is written
    with session(server, quiet=as_json) as (lab, follow):
        result = run(
            *(lab, parent, options),
            out=out,
            on_progress=follow.counter("orderings"),
            on_page=follow.counter("contact sheet") if out is not None else None,
        )
        if views is not None and options.supercell is not None:
            result["views"] = compare_views(
                *(lab, parent, options.supercell),
                along=views,
                k_max_per_angstrom=k_max,
                on_progress=follow.counter("views"),
            )
    if as_json:
        print_json(result)
        return
    _print_result(result, "parent" if supercell is not None else "supercell")
    if out is not None:
        sheet = "" if "sample" in result else " and a contact sheet"
        console.print(f"CIFs{sheet} in {escape(str(out))}")


def _commit(parent: Path, options: EnumerateOptions, server: str | None, *, as_json: bool) -> None:
    from cryolattice.workflows.orderings import commit_orderings  # noqa: PLC0415

    with session(server, quiet=as_json, expects="job") as (lab, follow):
        result = commit_orderings(lab, parent, options.supercell or (), follow)
    if as_json:
        print_json(result)
        return
    console.print(f"{result['total']:,} orderings in {_classes(result['classes'])}")
    console.print(f"arrays in {result['dataset']}", soft_wrap=True)


def _classes(number: int) -> str:
    return f"{number:,} class{'' if number == 1 else 'es'}"


def _print_result(result: dict[str, Any], axes: str) -> None:
    if "superlattices" in result:
        _print_superlattices(result["superlattices"])
    if "orderings" in result:
        _print_orderings(result["orderings"], axes)
    classes = _classes(result["classes"])
    repeated = " (those of a smaller supercell counted again)" if "superlattices" in result else ""
    console.print(f"{result['total']:,} orderings in {classes}{repeated}")
    if "sample" in result:
        drawn = result["sample"]
        console.print(
            f"a random sample of {drawn['size']:,} classes, seed {drawn['seed']}: "
            f"each class is in it with probability {drawn['probability']:.3g}"
        )
    if "views" in result:
        _print_views(result["views"])


def _print_orderings(orderings: list[dict[str, Any]], axes: str) -> None:
    several = any("superlattice" in ordering for ordering in orderings)
    table = Table(box=None, header_style="bold")
    if several:
        table.add_column("supercell", justify="right")
    table.add_column("ordering")
    table.add_column("multiplicity", justify="right")
    table.add_column("space group")
    table.add_column(f"vacant sites (units of the {axes}'s axes)")
    for ordering in orderings:
        sites = "  ".join(" ".join(f"{x:g}" for x in site) for site in ordering["vacant_sites"])
        row = [ordering["id"], str(ordering["multiplicity"]), ordering["space_group"], sites]
        table.add_row(*([str(ordering["superlattice"])] if several else []), *row)
    console.print(table)


def _print_superlattices(superlattices: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold")
    for name in ("supercell", "primitive cells", "orderings", "classes"):
        table.add_column(name, justify="right")
    table.add_column("axes (units of the parent's)")
    for place, item in enumerate(superlattices):
        axes = "   ".join(" ".join(f"{x:g}" for x in axis) for axis in item["axes"])
        table.add_row(
            str(place), str(item["index"]), f"{item['total']:,}", f"{item['classes']:,}", axes
        )
    console.print(table)


def _print_views(views: dict[str, Any]) -> None:
    console.print(
        f"{views['candidates']:,} views along {views['along']}: {views['distinct']:,} that differ, "
        f"{views['projections']:,} as projected columns, {views['patterns']:,} as sets of |F(hk)|"
    )
    for name, told in (
        ("project_alike", "project alike"),
        ("homometric", "have one set of |F(hk)|: no diffraction pattern tells them apart"),
    ):
        groups = views[name]
        for group in groups[:_GROUPS_SHOWN]:
            more = f" and {len(group) - _IDS_SHOWN} more" if len(group) > _IDS_SHOWN else ""
            console.print(f"{', '.join(group[:_IDS_SHOWN])}{more} {told}", soft_wrap=True)
        if len(groups) > _GROUPS_SHOWN:
            console.print(f"... and {len(groups) - _GROUPS_SHOWN:,} more groups: --json lists them")
