"""Which atomic arrangement does a low-dose micrograph show? Shared parts and client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryolattice.client.lab import Lab, connect

__all__ = ["Lab", "connect"]


def __getattr__(name: str) -> Any:
    # the client brings gRPC and zarr: a module that needs neither should not pay for them
    if name in __all__:
        from cryolattice.client import lab  # noqa: PLC0415

        return getattr(lab, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
