"""Exit waves of one crystal, from settings by name."""

from typing import Any

from cryolattice_simulator.beams import ExitBeams, Structure
from cryolattice_simulator.engines import Multislice, choose_engine


def exit_beams(structure: Structure, *, engine: str = "auto", **settings: Any) -> ExitBeams:
    asked = Multislice(**settings)
    chosen, reason = choose_engine(engine, structure, asked)
    assert engine in ("auto", chosen.name), reason
    return chosen.exit_beams(structure, asked)
