"""What every engine offers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from cryolattice_simulator.beams import ExitBeams, Structure
from cryolattice_simulator.engines.settings import Multislice, Plan


class Engine(Protocol):
    """A multislice engine; `exit_beams` is the whole calculation, the rest its steps.

    The steps allow one engine to propagate the slices of another.
    """

    @property
    def name(self) -> str:
        """``"fast"`` or ``"abtem"``."""
        ...

    @property
    def revision(self) -> str:
        """Changes when the engine's numbers change."""
        ...

    def cannot(self, structure: Structure, settings: Multislice) -> str:
        """Say why this engine cannot do this; empty when it can."""
        ...

    def plan(self, structure: Structure, settings: Multislice) -> Plan:
        """Choose the grid and check everything; raises `InvalidInputError`."""
        ...

    def period_slices(self, structure: Structure, plan: Plan) -> NDArray[Any]:
        """Project the potential of every slice, in V angstrom.

        Shape (plan.slices, nx, ny), or (plan.all_slices, nx, ny) with a phonon seed; complex where
        sites are filled at random. Axes are a and b.
        """
        ...

    def propagate(self, slices: NDArray[Any], plan: Plan) -> NDArray[Any]:
        """Send a plane wave through slices, repeated as often as the last plane needs.

        Returns Fourier coefficients at the exit planes, shape (planes, nx, ny) in the order of the
        FFT, with psi_00 = 1 at the entrance; `Plan.beams` names those that are kept.
        """
        ...

    def exit_beams(self, structure: Structure, settings: Multislice) -> ExitBeams:
        """Simulate the exit waves of a crystal for a plane wave."""
        ...

    def many_exit_beams(
        self, structures: Sequence[Structure], settings: Multislice
    ) -> Iterator[ExitBeams]:
        """Simulate crystals one after the other, in their order."""
        ...
