"""What a store holds without need: datasets that nobody will commit, files of killed writers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass

from cryolattice.store.array_store import ArrayStore
from cryolattice.store.manifest import MANIFEST_KEY

_DATASETS = "datasets"


@dataclass(frozen=True)
class Garbage:
    """Objects of one uncommitted dataset, or (without an id) what killed writers left.

    Attributes
    ----------
    kind, id : str
        Which dataset.
    keys : tuple of str
        Its objects.
    size_bytes : int
        Their sizes; unknown remains count as 0.
    """

    kind: str
    id: str
    keys: tuple[str, ...]
    size_bytes: int


def find_garbage(
    root: ArrayStore, needed: Set[tuple[str, str]], older_than_seconds: float
) -> Iterator[Garbage]:
    """Yield what may be removed.

    Parameters
    ----------
    root : ArrayStore
    needed : set of (kind, id)
        Datasets that a job writes or may go on to write.
    older_than_seconds : float
        What was touched later may belong to somebody whom `needed` does not know, such as an
        upload: it stays.
    """
    found: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for key, size in root.list(_DATASETS):
        _, kind, identifier, *_ = key.split("/")
        found[kind, identifier].append((key, size))
    for (kind, identifier), objects in found.items():
        keys = tuple(key for key, _ in objects)
        committed = f"{_DATASETS}/{kind}/{identifier}/{MANIFEST_KEY}" in keys
        if committed or (kind, identifier) in needed:
            continue
        if min(map(root.age_seconds, keys)) >= older_than_seconds:
            yield Garbage(kind, identifier, keys, sum(size for _, size in objects))
    remains = tuple(root.remains(older_than_seconds))
    if remains:
        yield Garbage("", "", remains, 0)


def remove(root: ArrayStore, garbage: Garbage) -> None:
    """Remove it, unless it has been committed meanwhile."""
    if garbage.id and root.exists(f"{_DATASETS}/{garbage.kind}/{garbage.id}/{MANIFEST_KEY}"):
        return
    # receipts first: what is half removed must not look finished
    for key in sorted(garbage.keys, key=lambda key: "/receipts/" not in key):
        root.delete(key)
