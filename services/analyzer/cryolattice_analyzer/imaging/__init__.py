"""From a micrograph to its lattice, the crystal's area and the averaged cell."""
