"""What jobs and tiles add to the sums of their kind; without a database, for those that compute."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

# name of the sum, and what it is a sum of: a state, a direction, the upper bound of a bucket
Key = tuple[str, str]


class Increments(defaultdict[Key, float]):
    """What is to be added to the sums of one kind of job."""

    def __init__(self, values: Mapping[Key, float] | None = None) -> None:
        super().__init__(float, values or {})

    def add(self, others: Mapping[Key, float]) -> None:
        """Add what is to be added besides."""
        for key, value in others.items():
            self[key] += value


@dataclass(frozen=True)
class Distribution:
    """A quantity of which a histogram is kept.

    Attributes
    ----------
    name : str
        Name of the sums.
    bounds : tuple of float
        Inclusive upper bounds of the buckets, increasing; one without a bound follows.
    """

    name: str
    bounds: tuple[float, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each bucket."""
        return (*(f"{bound:g}" for bound in self.bounds), "+Inf")

    def observe(self, into: Increments, value: float, weight: int = 1) -> None:
        """Add `weight` observations of `value`."""
        into[self.name, self.labels[bisect_left(self.bounds, value)]] += weight
        into[self.name, "sum"] += value * weight


QUEUE_SECONDS = Distribution("queue_seconds", (0.1, 0.5, 2, 10, 60, 300, 1800, 7200, 86400))
JOB_SECONDS = Distribution("job_seconds", (0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 14400, 86400))
TILE_SECONDS = Distribution("tile_seconds", (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000))
CANDIDATE_SECONDS = Distribution(
    "candidate_seconds", (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
)
