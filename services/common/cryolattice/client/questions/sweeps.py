"""Sweeps: many models over thickness, energy, tilt and vibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryolattice.client.datasets import Dataset
from cryolattice.client.jobs import Job
from cryolattice.client.questions.asking import Asking
from cryolattice.workflows.sweep import prepare_sweep, read_sweep, run_sweep


@dataclass(frozen=True)
class SweepEstimate:
    """What a sweep would take.

    Attributes
    ----------
    candidates : int
        Models.
    tiles : int
    store_bytes : int
        Before compression.
    worker_peak_bytes : int
        Greatest memory of a process that computes.
    core_seconds : float
        On one core; a rough guess.
    committed : str
        Name of the dataset that answers it already; empty where there is none.
    remarks : list of str
        What was assumed, and which engine answers where the question left it open.
    """

    candidates: int
    tiles: int
    store_bytes: int
    worker_peak_bytes: int
    core_seconds: float
    committed: str
    remarks: list[str]


class SweepQuestions(Asking):
    """Sweeps as they are written down."""

    def sweep(self, question: Path | str | Mapping[str, Any]) -> Dataset:
        """Simulate every model of a sweep by multislice.

        Parameters
        ----------
        question : path or mapping
            A YAML file, or what would stand in it: the fields of `SweepSpec`, and as ``models`` the
            name of a models dataset or ``{"parent": CIF, "supercell": [m, n, p]}`` with the further
            arguments of `models`.

        Returns
        -------
        Dataset
            Of kind ``beams``, with the chosen outputs.

        Raises
        ------
        CryolatticeError
            What is wrong with the question, or why it failed.
        """
        read = read_sweep(question)
        with self._waiting() as (connection, follow):
            ref = run_sweep(connection, prepare_sweep(connection, read, follow), follow)
        return self._at(ref)

    def estimate_sweep(self, question: Path | str | Mapping[str, Any]) -> SweepEstimate:
        """Check a sweep and say what it would take; only its models are built.

        Raises
        ------
        CryolatticeError
            What is wrong with the question.
        """
        read = read_sweep(question)
        with self._waiting() as (connection, follow):
            prepared = prepare_sweep(connection, read, follow)
        estimate = prepared.estimate
        return SweepEstimate(
            candidates=prepared.candidates,
            tiles=estimate.tile_count,
            store_bytes=estimate.store_bytes,
            worker_peak_bytes=estimate.worker_peak_bytes,
            core_seconds=estimate.core_seconds,
            committed=estimate.committed.name,
            remarks=prepared.remarks,
        )

    def submit_sweep(self, question: Path | str | Mapping[str, Any]) -> Job:
        """Start a sweep and return its job; the question as in `sweep`."""
        read = read_sweep(question)
        with self._waiting() as (connection, follow):
            prepared = prepare_sweep(connection, read, follow)
        return self.submit(self.connection.simulator.CreateSweepJob, prepared.request)
