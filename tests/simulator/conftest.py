from __future__ import annotations

import numpy as np
import pytest

from cryolattice_simulator.beams import Structure

A = 4.70
# The paper's ordering: the four Na around the NH2 at (1/2, 1/2, 1/2) are missing.
VACANT = {(0.5, 0.0, 0.5), (0.5, 1.0, 0.5), (0.0, 0.5, 0.5), (1.0, 0.5, 0.5)}


def sphere(count: int) -> np.ndarray:
    """Points spread evenly over the unit sphere (Fibonacci lattice)."""
    i = np.arange(count) + 0.5
    polar, azimuth = np.arccos(1 - 2 * i / count), np.pi * (1 + 5**0.5) * i
    return np.stack(
        [np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=1
    )


def build(hydrogen_points: int) -> Structure:
    numbers, positions, weights = [], [], []
    for i in range(2):
        for j in range(2):
            for x, y, z in ((0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5)):
                if (i + x, j + y, z) not in VACANT:
                    numbers.append(11)
                    positions.append((i + x, j + y, z))
                    weights.append(1.0)
            for number, at, radius, hydrogens in (
                (5, (i, j, 0.0), 1.22, 4),
                (7, (i + 0.5, j + 0.5, 0.5), 1.03, 2),
            ):
                numbers.append(number)
                positions.append(at)
                weights.append(1.0)
                if hydrogen_points:
                    numbers += [1] * hydrogen_points
                    positions += list(np.array(at) + radius / A * sphere(hydrogen_points))
                    weights += [hydrogens / hydrogen_points] * hydrogen_points
    return Structure(
        np.diag([2 * A, 2 * A, A]),
        np.array(numbers),
        A * np.array(positions, dtype=float),
        np.array(weights),
    )


@pytest.fixture(scope="session")
def heavy() -> Structure:
    """The ordered crystal without hydrogens: every atom on a grid point."""
    return build(0)


@pytest.fixture(scope="session")
def crystal() -> Structure:
    """The ordered crystal with hydrogens in their orientational mean."""
    return build(24)
