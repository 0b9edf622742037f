"""Files that the client writes on the user's machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryolattice.errors import CorruptDataError, InvalidInputError


def inside(folder: Path, key: str) -> Path:
    """Return the path of `key` below `folder`.

    Raises
    ------
    CorruptDataError
        The key leads out of the folder: a server must not choose where a client writes.
    """
    root = folder.resolve()
    path = (root / key).resolve()
    if root not in path.parents:
        raise CorruptDataError(f"the server names an object {key!r} outside the dataset")
    return path


def require_folder(out: Path | None) -> None:
    """Refuse an output folder that cannot be one, before any work is done for it.

    Raises
    ------
    InvalidInputError
        It is a file, or lies below one.
    """
    if out is None:
        return
    nearest = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise InvalidInputError(f"--out {out}: {nearest} is a file; name a folder", field="out")


def write_files(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write each key's bytes below a folder, which is made where missing; return the paths.

    Raises
    ------
    CorruptDataError
        A key leads out of the folder; nothing is written.
    """
    paths = {inside(folder, key): data for key, data in contents.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return list(paths)
