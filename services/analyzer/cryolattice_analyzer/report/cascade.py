"""What a report says of the steps in which many candidates were ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryolattice_analyzer.report.page import TableOfReport
from cryolattice_analyzer.report.wording import integer

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

_ENGINES = {"ENGINE_FAST": "", "ENGINE_ABTEM": "abTEM "}


def cascade_table(readers: dict[str, DatasetReader]) -> TableOfReport | None:
    """List the steps of a cascade; None where all candidates were ranked alike."""
    by_id = {reader.manifest.id: reader for reader in readers.values()}
    ranking = readers["ranking"]
    screen = by_id.get(ranking.manifest.spec.get("screened", {}).get("name", ""))
    if screen is None:
        return None
    steps = [("screen", screen), ("thorough", ranking)]
    steps += [
        ("confirmation", reader)
        for reader in readers.values()
        if reader.manifest.kind == "ranking" and reader not in (screen, ranking)
    ]
    rows = []
    for name, reader in steps:
        beams = by_id.get(reader.manifest.spec["beams"]["name"])
        found = reader.json("ranking.json")
        first = found["ranking"][0]
        rows.append(
            [
                name,
                _simulated(beams),
                _waves(beams),
                first["ordering_id"],
                f"{first['thickness_angstrom']:.1f}",
                f"{first['chi2_per_dof']:.2f}",
                f"{first['score']:.4f}",
            ]
        )
    kept = len(screen.json("ranking.json")["kept"])
    return TableOfReport(
        "The steps of the search",
        ["step", "models", "waves", "first", "thickness (Å)", "χ²/dof", "score"],
        rows,
        f"Of {integer(screen.json('ranking.json')['candidates_searched'])} candidates one of each "
        f"set that projects alike was screened, and {integer(kept)} were kept. Those that were "
        "dropped count in the probabilities by the most that they may be worth. " + _verdict(rows),
        numbers=3,
    )


def _verdict(rows: list[list[str]]) -> str:
    if rows[-1][0] != "confirmation":
        return "abTEM could not confirm the first place: it needs right angles."
    if rows[-1][3] == rows[1][3]:
        return "abTEM's independent waves give the same first place."
    return "abTEM's independent waves give another first place: do not rely on this one."


def _simulated(beams: DatasetReader | None) -> str:
    chosen: dict[str, Any] = beams.manifest.spec.get("selection", {}) if beams else {}
    return integer(len(chosen["model_ids"])) if chosen else ""


def _waves(beams: DatasetReader | None) -> str:
    if beams is None:
        return ""
    spec = beams.manifest.spec
    engine = f"{_ENGINES.get(spec['engine'], '')}{spec['engine_revision']}"
    return f"{engine}, {spec['sampling_angstrom']:.3g} Å"
