"""``cryolattice identify`` and ``cryolattice dose``."""


def identify() -> None:
    """x"""

def dose() -> None:
    """x"""
