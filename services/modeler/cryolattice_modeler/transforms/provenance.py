"""What was done to a structure, kept with it."""

from __future__ import annotations

from typing import Any

import ase


def with_record(atoms: ase.Atoms, name: str, **parameters: Any) -> ase.Atoms:
    """Append a step to the list in ``atoms.info["transforms"]``, and return the atoms.

    Parameters
    ----------
    atoms : ase.Atoms
        New ones: they are changed in place, but no list that others hold.
    name : str
    **parameters
        Numbers, strings and lists: they can be written as JSON.
    """
    steps = list(atoms.info.get("transforms", []))
    atoms.info = {**atoms.info, "transforms": [*steps, {"name": name, **parameters}]}
    return atoms
