"""Which engine answers: fast where it can, abTEM for the rest."""

from __future__ import annotations

from typing import NamedTuple

from cryolattice.errors import InvalidInputError
from cryolattice_simulator.beams import Structure
from cryolattice_simulator.engines.protocol import Engine
from cryolattice_simulator.engines.settings import Multislice

ENGINE_NAMES = ("fast", "abtem")
# Raised whenever the same question gets other numbers from the fast engine.
FAST_REVISION = "4"


class Choice(NamedTuple):
    """An engine, and why another than the wanted one answers (empty where it does)."""

    engine: Engine
    reason: str


def fast_refusal(settings: Multislice) -> str:
    """Say why the fast engine cannot do this; empty when it can."""
    if settings.projection == "finite":
        return "the fast engine projects atoms wholly into their slices"
    if settings.parametrization == "peng":
        return "the fast engine has no peng potentials"
    return ""


def engine_named(name: str) -> Engine:
    """Return an engine by its name.

    Raises
    ------
    InvalidInputError
        If there is none of this name.
    """
    if name == "fast":
        from cryolattice_simulator.engines.fast import FastEngine  # noqa: PLC0415

        return FastEngine()
    if name == "abtem":
        # takes seconds to import
        from cryolattice_simulator.engines.abtem_engine import AbtemEngine  # noqa: PLC0415

        return AbtemEngine()
    raise InvalidInputError(
        f"engine is {name!r}: choose auto, {' or '.join(ENGINE_NAMES)}", field="engine"
    )


def choose_engine(name: str, structure: Structure, settings: Multislice) -> Choice:
    """Return the engine for a calculation.

    Parameters
    ----------
    name : str
        ``"auto"`` or ``"fast"``: fast where it can do this, else abTEM, with the reason.
        ``"abtem"``: abTEM.
    structure : Structure
    settings : Multislice

    Returns
    -------
    Choice

    Raises
    ------
    InvalidInputError
        If no engine can do it, or there is none of this name.
    """
    first = engine_named("fast" if name == "auto" else name)
    refusal = first.cannot(structure, settings)
    if not refusal:
        return Choice(first, "")
    if first.name == "abtem":
        raise InvalidInputError(refusal, field="engine")
    other = engine_named("abtem")
    also = other.cannot(structure, settings)
    if also:
        raise InvalidInputError(f"{refusal}; {also}", field="engine")
    return Choice(other, f"{refusal}: abTEM answers instead")
