"""HDF5 files: which layout one has, and whether it is safe to read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import h5py

from cryolattice.errors import UnreadableFileError
from cryolattice_analyzer.files.expansion import largest_expansion


class Layout(StrEnum):
    """Who arranged the file."""

    HYPERSPY = "HyperSpy"
    VELOX = "Velox EMD"
    BERKELEY = "Berkeley EMD"
    PLAIN = "HDF5"


def find_layout(path: Path, name: str, field: str) -> Layout:
    """Say how an HDF5 file is arranged.

    Raises
    ------
    UnreadableFileError
        The file refers to other files, which are not ours to open, or promises far more than it
        holds.
    OSError
        Damaged.
    """
    limit = largest_expansion(path.stat().st_size)
    with h5py.File(path, "r") as file:
        datasets = list(_datasets(file, name, field))
        total = sum(int(dataset.nbytes) for dataset in datasets)
        if total > limit:
            raise UnreadableFileError(
                f"{name}: promises {total:,} bytes in a file of {path.stat().st_size:,}: "
                "it is damaged, or empty; check that it was copied completely",
                field=field,
            )
        if file.attrs.get("file_format") in {"HyperSpy", b"HyperSpy"} or "Experiments" in file:
            return Layout.HYPERSPY
        if "Data" in file and "Version" in file:
            return Layout.VELOX
        if any("emd_group_type" in dataset.parent.attrs for dataset in datasets):
            return Layout.BERKELEY
        return Layout.PLAIN


def _datasets(group: h5py.Group, name: str, field: str) -> list[h5py.Dataset]:
    """List the datasets below `group`; nothing outside the file is followed."""
    found: list[h5py.Dataset] = []
    todo = [group]
    seen: set[int] = set()
    while todo:
        parent = todo.pop()
        address = h5py.h5o.get_info(parent.id).addr
        if address in seen:
            continue
        seen.add(address)
        for key in parent:
            link = parent.get(key, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise _elsewhere(name, field)
            if isinstance(link, h5py.SoftLink):
                continue
            item = parent[key]
            if isinstance(item, h5py.Group):
                todo.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise _elsewhere(name, field)
                found.append(item)
    return found


def _elsewhere(name: str, field: str) -> UnreadableFileError:
    return UnreadableFileError(
        f"{name}: keeps its data in other files, which are not read; save one file with everything "
        "in it",
        field=field,
    )
