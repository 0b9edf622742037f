"""``cryolattice``: the command and its exit codes.

2 is the user's mistake, 1 is ours, 130 an interrupt.
"""

from __future__ import annotations

import sys

import click
import typer

from cryolattice.cli import analysis, crystals, datasets, jobs, serve
from cryolattice.cli.session import errors, print_json
from cryolattice.errors import CryolatticeError, JobCancelledError, is_users_mistake

app = typer.Typer(
    name="cryolattice",
    help="Which atomic arrangement does a low-dose micrograph show?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("identify")(analysis.identify)
app.command("dose")(analysis.dose)
app.command("enumerate")(crystals.enumerate_orderings)
app.command("simulate")(crystals.simulate)
app.command("serve")(serve.serve)
app.add_typer(jobs.app, name="jobs", help="List, show, watch, cancel and resume jobs.")
app.add_typer(datasets.app, name="datasets", help="List, show, export and verify datasets.")


def _report(reason: str, field: str, message: str) -> None:
    if "--json" in sys.argv[1:]:
        print_json({"error": {"reason": reason, "field": field, "message": message}})
    else:
        errors.print(
            f"[bold red]error:[/] {click.unstyle(message)}", highlight=False, soft_wrap=True
        )


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        code = app(arguments, standalone_mode=False)
    except CryolatticeError as error:
        _report(error.reason, error.field, error.message)
        if isinstance(error, JobCancelledError):
            return 130
        return 2 if is_users_mistake(error) else 1
    except click.UsageError as error:
        usage = error.ctx.get_usage() if error.ctx and "--json" not in sys.argv[1:] else ""
        if usage:
            errors.print(usage, highlight=False)
        parameter = getattr(error, "param", None)
        _report("USAGE", (parameter.name if parameter else "") or "", error.format_message())
        return 2
    except click.ClickException as error:
        _report("USAGE", "", error.format_message())
        return 2
    except (KeyboardInterrupt, click.Abort):
        errors.print("interrupted")
        return 130
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the ``cryolattice`` command."""
    raise SystemExit(run())


if __name__ == "__main__":
    main()
