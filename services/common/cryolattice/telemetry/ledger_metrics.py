"""Metrics of jobs, read from the ledger: every replica shows the same numbers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

import structlog
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from cryolattice.jobs.kinds import JobKind
from cryolattice.ledger.increments import (
    CANDIDATE_SECONDS,
    JOB_SECONDS,
    QUEUE_SECONDS,
    TILE_SECONDS,
    Distribution,
)
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.overview import ACTIVE, Overview
from cryolattice_api.common.v1 import job_pb2

log = structlog.get_logger()

_FRESH_SECONDS = 3.0
_OUTCOMES = ("succeeded", "failed", "cancelled", "answered")
_EMPTY = Overview(0.0, {}, {}, {}, {})


class LedgerCollector(Collector):
    """Shows the jobs of the given kinds.

    Parameters
    ----------
    ledger : Ledger
        Read at most every three seconds, however often somebody scrapes.
    kinds : sequence of JobKind
        The kinds that this server runs.
    """

    def __init__(self, ledger: Ledger, kinds: Sequence[JobKind]) -> None:
        self._ledger = ledger
        self._kinds = [kind.name for kind in kinds]
        self._tiled = [kind.name for kind in kinds if kind.tiled or kind.tiled_in_order]
        self._lock = threading.Lock()
        self._read_at = -_FRESH_SECONDS
        self._overview = _EMPTY
        self._readable = False

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering must not read the ledger."""
        return ()

    def _refresh(self) -> None:
        # while one scrape waits for a slow ledger, the others show what was known before
        if not self._lock.acquire(blocking=False):
            return
        try:
            if time.monotonic() - self._read_at >= _FRESH_SECONDS:
                self._read()
        finally:
            self._lock.release()

    def _read(self) -> None:
        try:
            self._overview = self._ledger.overview()
            self._readable = True
        except Exception as error:
            # the process itself can still be watched
            log.warning("the ledger cannot be read for its metrics", error=str(error))
            self._readable = False
        self._read_at = time.monotonic()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        self._refresh()
        yield GaugeMetricFamily(
            "cryolattice_ledger_up",
            "Whether the ledger could be read; if not, the job metrics are old.",
            value=float(self._readable),
        )
        yield from self._waiting(self._overview)
        totals = self._overview.totals
        yield self._counter(
            totals, "cryolattice_jobs_ended", "Jobs ended.", "outcome", "ended", _OUTCOMES
        )
        yield self._histogram(
            totals,
            QUEUE_SECONDS,
            "cryolattice_job_queue_seconds",
            "Time from queueing a job to its begin.",
        )
        yield self._histogram(
            totals, JOB_SECONDS, "cryolattice_job_duration_seconds", "Time from begin to end."
        )
        yield self._counter(
            totals,
            "cryolattice_job_store_bytes",
            "Bytes that jobs have moved from and to the store.",
            "direction",
            "store_bytes",
            ("read", "written"),
        )
        if self._tiled:
            yield self._counter(
                totals,
                "cryolattice_tiles",
                "Tiles of jobs: computed, found finished, failed.",
                "outcome",
                "tiles",
                ("computed", "reused", "failed"),
                self._tiled,
            )
            yield self._histogram(
                totals,
                TILE_SECONDS,
                "cryolattice_tile_duration_seconds",
                "Time to compute and store a tile, on its worker.",
                self._tiled,
            )
            yield self._histogram(
                totals,
                CANDIDATE_SECONDS,
                "cryolattice_candidate_duration_seconds",
                "A tile's time over its candidates: simulated models, or fits of a ranking.",
                self._tiled,
            )

    def _waiting(self, overview: Overview) -> Iterator[Metric]:
        jobs = GaugeMetricFamily(
            "cryolattice_jobs", "Jobs that have not ended.", labels=("kind", "state")
        )
        abandoned = GaugeMetricFamily(
            "cryolattice_jobs_abandoned", "Jobs whose worker is gone.", labels=("kind",)
        )
        age = GaugeMetricFamily(
            "cryolattice_job_oldest_queued_age_seconds",
            "How long the first of the queued jobs has waited; 0 when none waits.",
            labels=("kind",),
        )
        # by the database's clock, as are the times
        now = overview.time
        for kind in self._kinds:
            for state in ACTIVE:
                name = job_pb2.JobState.Name(state).removeprefix("JOB_STATE_").lower()
                jobs.add_metric((kind, name), overview.active.get((kind, state), 0))
            abandoned.add_metric((kind,), overview.abandoned.get(kind, 0))
            since = overview.queued_since.get(kind, now)
            age.add_metric((kind,), max(0.0, now - since))
        yield jobs
        yield abandoned
        yield age

    def _counter(
        self,
        totals: Mapping[str, Mapping[tuple[str, str], float]],
        metric: str,
        text: str,
        label: str,
        name: str,
        values: Sequence[str],
        kinds: Sequence[str] | None = None,
    ) -> Metric:
        family = CounterMetricFamily(metric, text, labels=("kind", label))
        for kind in self._kinds if kinds is None else kinds:
            for value in values:
                family.add_metric((kind, value), totals.get(kind, {}).get((name, value), 0.0))
        return family

    def _histogram(
        self,
        totals: Mapping[str, Mapping[tuple[str, str], float]],
        distribution: Distribution,
        metric: str,
        text: str,
        kinds: Sequence[str] | None = None,
    ) -> Metric:
        family = HistogramMetricFamily(metric, text, labels=("kind",))
        for kind in self._kinds if kinds is None else kinds:
            sums = totals.get(kind, {})
            counts = [sums.get((distribution.name, label), 0.0) for label in distribution.labels]
            bounds = (floatToGoString(label) for label in distribution.labels)  # type: ignore[no-untyped-call]
            buckets = list(zip(bounds, accumulate(counts), strict=True))
            family.add_metric((kind,), buckets, sums.get((distribution.name, "sum"), 0.0))
        return family
