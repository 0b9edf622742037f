"""``cryolattice sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from cryolattice.cli.session import AsJson, Server, console, errors, print_json, session

if TYPE_CHECKING:
    from cryolattice.workflows.sweep import PreparedSweep


def sweep(
    spec: Annotated[
        Path,
        typer.Argument(
            metavar="SPEC.yaml",
            help="What to simulate, in the fields of SweepSpec; models as a dataset, or a parent "
            "crystal with its supercell.",
        ),
    ],
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate", help="Check it and say what it would take; only the models are built."
        ),
    ] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Simulate many models over thickness, energy, tilt and vibration, as a file says."""
    from cryolattice.messages import message_dict  # noqa: PLC0415
    from cryolattice.workflows.steps import verification_of  # noqa: PLC0415
    from cryolattice.workflows.sweep import (  # noqa: PLC0415
        best_scores,
        prepare_sweep,
        read_sweep,
        run_sweep,
    )

    question = read_sweep(spec)
    with session(server, quiet=as_json, expects="tiles") as (lab, follow):
        prepared = prepare_sweep(lab, question, follow)
        if not as_json:
            for remark in prepared.remarks:
                errors.print(f"[yellow]note:[/] {escape(remark)}", highlight=False, soft_wrap=True)
        if estimate:
            document = message_dict(prepared.estimate)
        else:
            beams = run_sweep(lab, prepared, follow)
            dataset = lab.get_dataset(beams.name)
            document = message_dict(dataset)
            models = lab.open_ref(prepared.request.spec.models)
            scores = best_scores(lab.open_ref(beams), models)
            if scores:
                document["scores"] = scores
            verification = verification_of(lab, beams)
    if as_json:
        print_json(document)
    elif estimate:
        _print_estimate(prepared)
    else:
        console.print(f"beams in {dataset.name}, {dataset.size_bytes:,} bytes", soft_wrap=True)
        _print_scores(scores)
        _print_verification(verification)


def _print_estimate(prepared: PreparedSweep) -> None:
    estimate = prepared.estimate
    committed = estimate.committed.name
    for label, value in (
        ("models", f"{prepared.candidates:,} in {prepared.request.spec.models.name}"),
        ("tiles", f"{estimate.tile_count:,}"),
        ("store", f"{estimate.store_bytes / 1e6:,.3g} MB before compression"),
        ("worker", f"{estimate.worker_peak_bytes / 1e6:,.0f} MB at most"),
        ("core seconds", f"{estimate.core_seconds:,.3g}"),
        ("answered", f"{committed}: it costs nothing" if committed else ""),
    ):
        if value:
            console.print(f"[dim]{label:>12}[/]  {value}", highlight=False, soft_wrap=True)


def _print_scores(scores: list[dict[str, Any]]) -> None:
    units = {"thickness": " A", "score_defocus": " A", "energy": " keV", "b_level": " A^2"}
    for row in scores:
        name, score = row.pop("model_id"), row.pop("score")
        where = ", ".join(
            f"{axis.removeprefix('score_')} {value:g}{units.get(axis, '')}"
            for axis, value in row.items()
        )
        console.print(f"[dim]{score:8.4f}[/]  {name}: {where}", highlight=False, soft_wrap=True)


def _print_verification(verification: dict[str, Any]) -> None:
    checks = verification.get("checks", [])
    found = [
        f"{told} {max(values):.1g}"
        for told, name in (
            ("propagating the same slices", "propagation_error"),
            ("its own potential on a finer grid", "potential_error"),
        )
        if (values := [check[name] for check in checks if check[name] is not None])
    ]
    if found:
        console.print(f"{len(checks)} against abTEM: {'; '.join(found)}", soft_wrap=True)
    for warning in verification.get("warnings", []):
        errors.print(f"[yellow]note:[/] {escape(warning)}", highlight=False, soft_wrap=True)
