"""Small functions from a structure to a structure, for use one after the other.

Each takes ASE atoms and returns new ones; what was done, with its seed, is appended to
``atoms.info["transforms"]``. The beam is along z.
"""

from cryolattice_modeler.transforms.displacements import (
    displaced,
    frozen_phonons,
    mean_square_from_b,
)
from cryolattice_modeler.transforms.domains import antiphase_domains, twin
from cryolattice_modeler.transforms.flat_crystals import Terrace, flat_crystal
from cryolattice_modeler.transforms.molecules import distinct_orientations, place_molecule
from cryolattice_modeler.transforms.orthorhombic import pbcm_orderings, pbcm_rivals
from cryolattice_modeler.transforms.overlaps import require_apart
from cryolattice_modeler.transforms.strain import strained, strained_to
from cryolattice_modeler.transforms.tilt import tilted

__all__ = [
    "Terrace",
    "antiphase_domains",
    "displaced",
    "distinct_orientations",
    "flat_crystal",
    "frozen_phonons",
    "mean_square_from_b",
    "pbcm_orderings",
    "pbcm_rivals",
    "place_molecule",
    "require_apart",
    "strained",
    "strained_to",
    "tilted",
    "twin",
]
