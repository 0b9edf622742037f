"""``cryolattice datasets``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cryolattice.cli.session import AsJson, Server, console, print_json, session
from cryolattice.messages import message_dict

# kinds that come from an instrument's file, whose facts are worth showing
_UPLOADED = {"micrograph", "diffraction_series"}

app = typer.Typer(no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(metavar="DATASET", help="projects/PROJECT/datasets/ID, or the ID.")
]


def _full(name: str, parent: str) -> str:
    return name if "/" in name else f"{parent}/datasets/{name}"


@app.command("list")
def list_datasets(
    kind: Annotated[str, typer.Option(help="Only this kind.")] = "",
    limit: Annotated[int, typer.Option(help="At most this many.")] = 20,
    order_by: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="create_time or kind, such as 'kind, create_time desc'; by default newest first.",
        ),
    ] = "",
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List the newest datasets."""
    with session(server, quiet=True) as (lab, _):
        found = lab.list_datasets(kind, limit, order_by)
    if as_json:
        print_json({"datasets": [message_dict(dataset) for dataset in found]})
        return
    table = Table(box=None, header_style="bold")
    for heading in ("id", "kind", "objects", "bytes", "created"):
        # an id that is cut off cannot be given to another command
        table.add_column(heading, no_wrap=heading == "id")
    for dataset in found:
        lost = not dataset.manifest_sha256
        created = dataset.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(
            dataset.name.rsplit("/", 1)[-1],
            dataset.kind,
            str(dataset.object_count),
            f"{dataset.size_bytes:,}",
            "lost by the store" if lost else created,
        )
    console.print(table)


@app.command()
def show(name: Name, server: Server = None, as_json: AsJson = False) -> None:
    """Show what a dataset is, what was asked and what it was made from."""
    with session(server, quiet=True) as (lab, _):
        full = _full(name, lab.parent)
        dataset = lab.get_dataset(full)
        if as_json:
            print_json(message_dict(dataset))
            return
        reader = lab.open(full)
        arrays = any(key.startswith("data.zarr/") for key in reader.keys)
        contents = reader.to_xarray() if arrays else None
        facts = reader.json(f"{dataset.kind}.json") if dataset.kind in _UPLOADED else {}
    for label, value in (
        ("dataset", dataset.name),
        ("kind", dataset.kind),
        ("where", dataset.uri),
        ("job", dataset.job),
        ("made from", ", ".join(dataset.input_ids)),
        ("size", f"{dataset.size_bytes:,} bytes in {dataset.object_count} objects"),
        ("manifest", dataset.manifest_sha256),
        ("asked", dataset.spec_json),
    ):
        if value:
            console.print(f"[dim]{label:>10}[/]  {value}", highlight=False, soft_wrap=True)
    if facts:
        console.print()
        for fact, value in _flat(facts):
            console.print(f"[dim]{fact:>26}[/]  {escape(value)}", highlight=False, soft_wrap=True)
    if contents is not None:
        console.print()
        console.print(contents)


def _flat(facts: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Name every fact that is known."""
    for key, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        elif isinstance(value, list):
            yield from ((above + key.removesuffix("s"), str(item)) for item in value)
        elif value not in {None, ""}:
            yield above + key, f"{value:.6g}" if isinstance(value, float) else str(value)


@app.command()
def verify(name: Name, server: Server = None, as_json: AsJson = False) -> None:
    """Hash every object of a dataset again."""
    from cryolattice.client.datasets import require_intact  # noqa: PLC0415

    with session(server, quiet=True) as (lab, _):
        full = _full(name, lab.parent)
        result = lab.verify_dataset(full)
    if as_json:
        print_json(message_dict(result))
        raise typer.Exit(1 if result.problems else 0)
    require_intact(full, result)
    console.print(f"{result.object_count} objects, all as committed")


@app.command()
def gc(
    older_than_hours: Annotated[
        float, typer.Option(min=0, help="Only what nobody has touched for so long.")
    ] = 24.0,
    remove: Annotated[bool, typer.Option("--remove", help="Remove it, not only list it.")] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List what the store holds without need; with --remove, remove it.

    That is what no committed dataset and no job needs: datasets whose job was deleted before it
    finished, and the files of killed writers. Without --remove nothing is changed.
    """
    with session(server, quiet=True) as (lab, _):
        response = lab.collect_garbage(3600 * older_than_hours, remove=remove)
    if as_json:
        print_json(message_dict(response))
        return
    for garbage in response.garbage:
        what = f"{garbage.kind} {garbage.dataset_id}" if garbage.kind else "files of killed writers"
        console.print(
            f"{what}: {garbage.object_count} objects, {garbage.size_bytes:,} bytes", highlight=False
        )
    count = sum(garbage.object_count for garbage in response.garbage)
    if not count:
        console.print("nothing to remove")
    else:
        console.print(
            f"{count} objects removed" if remove else f"{count} objects; --remove removes"
        )


@app.command()
def export(
    name: Name,
    out: Annotated[Path, typer.Option(help="A folder that does not exist yet.")],
    server: Server = None,
) -> None:
    """Copy a dataset, verified, into a folder."""
    from cryolattice.client.datasets import Dataset  # noqa: PLC0415

    with session(server, quiet=True) as (lab, _):
        count = Dataset(lab, _full(name, lab.parent)).export(out)
    console.print(f"{count} objects in {escape(str(out))}")
