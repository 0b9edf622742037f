"""Logs and traces of a tile, on the worker that computes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from cryolattice.errors import CryolatticeError
from cryolattice.settings import Settings
from cryolattice.telemetry.logs import configure_logs
from cryolattice.telemetry.tracing import (
    configure_tracing,
    flush_traces,
    job_attributes,
    work_span,
)

log = structlog.get_logger()


@dataclass(frozen=True)
class TileWatch:
    """What a worker needs to log and trace like the driver, on whichever machine it is.

    Attributes
    ----------
    settings : Settings
        The driver's: level and format of the logs.
    job, kind : str
        Whose tiles they are.
    attempt : int
        Which run of the job.
    traceparent : str
        W3C trace context of the driver's span; empty where traces are off.
    environment : dict of str to str
        Variables that say where traces go.
    """

    settings: Settings
    job: str
    kind: str
    attempt: int
    traceparent: str
    environment: dict[str, str]

    @contextmanager
    def over(self, tile: int) -> Iterator[None]:
        """Log and trace while the tile is computed."""
        os.environ.update(self.environment)
        configure_logs(self.settings)
        try:
            configure_tracing("cryolattice-tile")
        except CryolatticeError as error:
            # the tile is worth more than its trace
            log.warning("tiles are not traced", error=error.message)
        parents = [self.traceparent] if self.traceparent else []
        attributes = job_attributes(self.job, self.kind, self.attempt)
        with (
            structlog.contextvars.bound_contextvars(
                job=self.job, kind=self.kind, attempt=self.attempt, tile=tile
            ),
            work_span("tile", parents, {**attributes, "cryolattice.tile": tile}),
        ):
            yield
        # Ray may end the worker at any time
        flush_traces()
