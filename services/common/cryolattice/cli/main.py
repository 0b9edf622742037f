"""``cryolattice``: the command and its exit codes.

2 is the user's mistake, 1 is ours, 130 an interrupt.
"""

from __future__ import annotations

import sys
from typing import Annotated, cast

import typer
from rich.markup import escape

from cryolattice.cli import datasets, jobs
from cryolattice.cli.analysis import dose, identify
from cryolattice.cli.crystals import enumerate_orderings
from cryolattice.cli.imaging import average, ctf, lattice
from cryolattice.cli.models import models
from cryolattice.cli.reproduce import reproduce
from cryolattice.cli.serve import serve
from cryolattice.cli.session import errors, print_json
from cryolattice.cli.simulate import simulate
from cryolattice.cli.sweep import sweep
from cryolattice.errors import CryolatticeError, JobCancelledError, is_users_mistake

# typer carries its own copy of click; of its exceptions only these leaves are public names
_USAGE_ERROR, _CLICK_ERROR = cast("list[type[Exception]]", typer.BadParameter.__mro__[1:3])

app = typer.Typer(
    name="cryolattice",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"cryolattice {version('cryolattice')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Which atomic arrangement does a low-dose micrograph show?"""  # noqa: D400


app.command("identify")(identify)
app.command("dose")(dose)
app.command("ctf")(ctf)
app.command("lattice")(lattice)
app.command("average")(average)
app.command("enumerate")(enumerate_orderings)
app.command("models")(models)
app.command("simulate")(simulate)
app.command("sweep")(sweep)
app.command("reproduce")(reproduce)
app.command("serve")(serve)
app.add_typer(jobs.app, name="jobs", help="List, show, watch, cancel and resume jobs.")
app.add_typer(datasets.app, name="datasets", help="List, show, export and verify datasets.")


def _report(reason: str, field: str, message: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"error": {"reason": reason, "field": field, "message": message}})
    else:
        errors.print(f"[bold red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)


def _report_usage(error: Exception, *, as_json: bool) -> None:
    context = getattr(error, "ctx", None)
    message: str = error.format_message()  # type: ignore[attr-defined]
    if not message and not as_json:
        return  # nothing was asked: the help has been printed
    if isinstance(error, _USAGE_ERROR) and context is not None and not as_json:
        errors.print(context.get_usage(), highlight=False)
    parameter = getattr(error, "param", None)
    _report("USAGE", (parameter.name if parameter else "") or "", message, as_json=as_json)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(arguments, standalone_mode=False)
    except CryolatticeError as error:
        _report(error.reason, error.field, error.message, as_json=as_json)
        return _exit_code(error)
    except _CLICK_ERROR as error:
        _report_usage(error, as_json=as_json)
        return 2
    except OSError as error:
        # a folder that cannot be written, a disk that is full
        if error.filename is None:
            raise
        message = f"{error.filename}: {error.strerror}; name another place, or mend this one"
        _report("PRECONDITION_FAILED", "", message, as_json=as_json)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        errors.print("interrupted")
        return 130
    except Exception as error:
        if not as_json:
            raise
        _report("INTERNAL", "", f"{type(error).__name__}: {error}", as_json=True)
        return 1
    return code if isinstance(code, int) else 0


def _exit_code(error: CryolatticeError) -> int:
    if isinstance(error, JobCancelledError):
        return 130
    return 2 if is_users_mistake(error) else 1


def main() -> None:
    """Entry point of the ``cryolattice`` command."""
    raise SystemExit(run())


if __name__ == "__main__":
    main()
