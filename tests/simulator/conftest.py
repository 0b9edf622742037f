from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cryolattice.jobs.context import JobContext
from cryolattice.jobs.kinds import Inputs
from cryolattice.ledger.ledger import JobRecord, Ledger
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.writer import DatasetWriter
from cryolattice_api.common.v1 import job_pb2
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


@contextmanager
def running(kind: str, root: ArrayStore, folder: Path) -> Iterator[JobContext]:
    """What a job of this kind sees while it runs."""
    name = "projects/p/jobs/j"
    ledger = Ledger(f"sqlite:///{folder}/ledger.db")
    job = job_pb2.Job(name=name, kind=kind, state=job_pb2.JOB_STATE_QUEUED)
    record = JobRecord(job, "simulator", kind, "0f", 0.0)
    ledger.create(record, request_id="", request_sha256="")
    begun = ledger.begin_attempt(name, "me", 30.0)
    yield JobContext(ledger, begun, "me", Inputs(root), DatasetWriter(root, kind, "0f"))
    ledger.close()


@pytest.fixture(scope="session")
def heavy() -> Structure:
    """The ordered crystal without hydrogens: every atom on a grid point."""
    return build(0)


@pytest.fixture(scope="session")
def crystal() -> Structure:
    """The ordered crystal with hydrogens in their orientational mean."""
    return build(24)
