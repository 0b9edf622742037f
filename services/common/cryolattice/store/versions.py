"""What made a dataset: this program and its libraries."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

_RECORDED = ("abtem", "ase", "numpy", "scipy", "spglib", "gemmi", "zarr")


@cache
def component_versions() -> dict[str, str]:
    """Return the versions of this program and of the libraries that shape its numbers."""
    found = {}
    for package in ("cryolattice", *_RECORDED):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
