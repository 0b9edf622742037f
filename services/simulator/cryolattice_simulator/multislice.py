"""Exit waves by multislice, handed over as beams."""

from __future__ import annotations

from typing import Any

from cryolattice_simulator.beams import ExitBeams, Structure
from cryolattice_simulator.engines import Multislice, choose_engine


def exit_beams(structure: Structure, *, engine: str = "auto", **settings: Any) -> ExitBeams:
    """Simulate the exit waves of one crystal for a plane wave along z.

    One pass gives the whole thickness series. The crystal is shifted along z by less than a slice
    so that atoms lie mid-slice (see `cryolattice_simulator.slicing.mid_slice_shift`); x and y are
    kept.

    Parameters
    ----------
    structure : Structure
        One period.
    engine : str
        ``"auto"``, ``"fast"`` or ``"abtem"``; see `cryolattice_simulator.engines.choose_engine`.
    **settings
        As `cryolattice_simulator.engines.Multislice`.

    Returns
    -------
    ExitBeams
        Direct beam first.

    Raises
    ------
    InvalidInputError
        If a value cannot be right; ``field`` names it.
    """
    asked = Multislice(**settings)
    return choose_engine(engine, structure, asked).engine.exit_beams(structure, asked)
