"""``cryolattice jobs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cryolattice.cli.session import AsJson, Server, console, print_json, session
from cryolattice.messages import message_dict

if TYPE_CHECKING:
    from cryolattice_api.common.v1.job_pb2 import Job

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="JOB", help="projects/PROJECT/jobs/ID, or the ID.")]


def _full(name: str, parent: str) -> str:
    return name if "/" in name else f"{parent}/jobs/{name}"


def _state(job: Job) -> str:
    from cryolattice_api.common.v1 import job_pb2  # noqa: PLC0415

    return job_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_")


def _show(job: Job, as_json: bool) -> None:
    if as_json:
        print_json(message_dict(job))
        return
    table = Table.grid(padding=(0, 2))
    done = job.progress.succeeded
    for label, value in (
        ("job", job.name),
        ("kind", job.kind),
        ("state", _state(job)),
        ("", job.state_message),
        ("progress", f"{done} of {job.progress.tile_count}, {job.progress.reused} reused"),
        ("attempt", str(job.attempt)),
        ("created", job.create_time.ToJsonString()),
        ("ended", job.end_time.ToJsonString() if job.HasField("end_time") else ""),
        ("dataset", job.output.name),
    ):
        if value:
            table.add_row(f"[dim]{label}", value)
    console.print(table)


@app.command("list")
def list_jobs(
    limit: Annotated[int, typer.Option(help="At most this many.")] = 20,
    filter_text: Annotated[
        str,
        typer.Option(
            "--filter",
            metavar="TEXT",
            help="Comparisons of state, kind, create_time and labels.NAME joined by AND, such as "
            "'state = RUNNING AND kind != report'.",
        ),
    ] = "",
    order_by: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Fields of create_time, update_time, kind and state, such as 'kind, create_time "
            "desc'; by default newest first.",
        ),
    ] = "",
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """List the newest jobs."""
    with session(server, quiet=True) as (lab, _):
        found = lab.list_jobs(limit, filter_text, order_by)
    if as_json:
        print_json({"jobs": [message_dict(job) for job in found]})
        return
    table = Table(box=None, header_style="bold")
    for heading in ("id", "kind", "state", "tiles", "created", ""):
        # an id that is cut off cannot be given to another command
        table.add_column(heading, no_wrap=heading == "id")
    for job in found:
        tiles = f"{job.progress.succeeded}/{job.progress.tile_count}"
        created = job.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
        identifier = job.name.rsplit("/", 1)[-1]
        table.add_row(identifier, job.kind, _state(job), tiles, created, job.state_message)
    console.print(table)


@app.command()
def show(name: Name, server: Server = None, as_json: AsJson = False) -> None:
    """Show one job."""
    with session(server, quiet=True) as (lab, _):
        _show(lab.get_job(_full(name, lab.parent)), as_json)


@app.command()
def watch(name: Name, server: Server = None, as_json: AsJson = False) -> None:
    """Follow a job until it ends."""
    with session(server, quiet=as_json) as (lab, follow):
        show_progress = follow(name.rsplit("/", 1)[-1])
        for job in lab.watch_job(_full(name, lab.parent)):
            show_progress(job)
    _show(job, as_json)


@app.command()
def cancel(name: Name, server: Server = None, as_json: AsJson = False) -> None:
    """Stop a job. What it has finished is kept for a resume."""
    with session(server, quiet=True) as (lab, _):
        full = _full(name, lab.parent)
        lab.cancel_job(full)
        *_, job = lab.watch_job(full)
        _show(job, as_json)


@app.command()
def resume(name: Name, server: Server = None, as_json: AsJson = False) -> None:
    """Run a failed or cancelled job again; finished tiles are reused."""
    with session(server, quiet=as_json) as (lab, follow):
        full = _full(name, lab.parent)
        lab.wait_for(lab.resume_job(full), follow(name.rsplit("/", 1)[-1]))
        _show(lab.get_job(full), as_json)


@app.command()
def delete(name: Name, server: Server = None) -> None:
    """Forget an ended job; its dataset stays."""
    with session(server, quiet=True) as (lab, _):
        lab.delete_job(_full(name, lab.parent))
