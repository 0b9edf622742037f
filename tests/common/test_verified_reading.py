"""Whoever reads arrays reads them verified: nothing but the store opens Zarr."""

from __future__ import annotations

import ast
from pathlib import Path

SERVICES = Path(__file__).resolve().parents[2] / "services"


def _opens_zarr(source: str) -> bool:
    if "zarr" not in source:
        return False
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if any(name.split(".")[0] == "zarr" for name in names):
            return True
        if isinstance(node, ast.Attribute) and node.attr in {"open_zarr", "from_zarr"}:
            return True
    return False


def test_only_the_store_opens_zarr() -> None:
    store = SERVICES / "common" / "cryolattice" / "store"
    found = {path for path in SERVICES.rglob("*.py") if _opens_zarr(path.read_text())}
    assert found
    assert {path.parent for path in found} == {store}
