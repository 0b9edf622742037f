"""Find which atomic arrangement a low-dose micrograph shows.

>>> import cryolattice
>>> lab = cryolattice.connect()                  # or connect("HOST:PORT") for a deployment
>>> found = lab.identify("micrograph.mrc", "parent.cif", (2, 2, 1), dose_e_per_angstrom2=22)
>>> found.verdict, found.best.thickness_angstrom
>>> lab.jobs, lab.datasets                       # everything that was made, as tables
>>> lab.close()

`Lab` has the questions; its answers are `Identification`, `CriticalDoses`, `Orderings`,
`Views`, `Simulation`, `Ctf`, `Lattices`, `AveragedCell` and `Reproduction`. `Job` is work that can
be watched, cancelled and found again, `Dataset` what it made: arrays for xarray, files, figures,
structures for ASE. Errors are in `cryolattice.errors`.
Lengths are in angstrom, doses in e/angstrom^2, energies in keV, angles in degrees.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryolattice.client.datasets import Dataset
    from cryolattice.client.jobs import Job
    from cryolattice.client.lab import Lab, connect
    from cryolattice.client.results.doses import CriticalDoses
    from cryolattice.client.results.identification import Identification
    from cryolattice.client.results.imaging import AveragedCell, Ctf, Lattices
    from cryolattice.client.results.orderings import Orderings
    from cryolattice.client.results.reproduction import Reproduction
    from cryolattice.client.results.simulation import Simulation
    from cryolattice.client.results.views import Views

__all__ = [
    "AveragedCell",
    "CriticalDoses",
    "Ctf",
    "Dataset",
    "Identification",
    "Job",
    "Lab",
    "Lattices",
    "Orderings",
    "Reproduction",
    "Simulation",
    "Views",
    "connect",
]

# the client brings gRPC and zarr: a module that needs neither should not pay for them
_MODULES = {
    "AveragedCell": "results.imaging",
    "CriticalDoses": "results.doses",
    "Ctf": "results.imaging",
    "Dataset": "datasets",
    "Identification": "results.identification",
    "Job": "jobs",
    "Lab": "lab",
    "Lattices": "results.imaging",
    "Orderings": "results.orderings",
    "Reproduction": "results.reproduction",
    "Simulation": "results.simulation",
    "Views": "results.views",
    "connect": "lab",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"cryolattice.client.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
