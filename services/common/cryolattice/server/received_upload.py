"""An upload while it comes in: the file and its companions, on disk."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import IO

from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice_api.common.v1.dataset_service_pb2 import UploadFileRequest, UploadHeader

_MOST_COMPANIONS = 16
# it names an object of the store, and '#' with a number marks objects that are being written
_FILE_NAME = re.compile(r"[^/\\#\x00-\x1f\x7f]{1,200}")


class ReceivedUpload:
    """Writes the parts of one upload into a folder.

    Parameters
    ----------
    folder : Path
        Empty; the caller removes it.
    check : callable
        Refuses a header, before any data are taken.
    """

    def __init__(self, folder: Path, check: Callable[[UploadHeader], None]) -> None:
        self._folder = folder
        self._check = check
        self._header: UploadHeader | None = None
        self._companions: dict[str, Path] = {}
        self._file: IO[bytes] | None = None

    @property
    def _path(self) -> Path:
        return self._folder / "file"

    def take(self, part: UploadFileRequest) -> None:
        """Write the next part.

        Raises
        ------
        InvalidInputError
            It is out of order, or a header that is refused.
        LimitExceededError
            Too many companions.
        """
        kind = part.WhichOneof("part")
        if kind == "header" and self._header is None:
            _require_name(part.header.file_name)
            self._check(part.header)
            self._header = part.header
            self._begin(self._path)
        elif kind == "companion" and self._header is not None:
            self._begin(self._companion_path(part.companion.file_name))
        elif kind == "data" and self._file is not None:
            self._file.write(part.data)
        else:
            raise InvalidInputError(
                "an upload is one header, then data, then companions with theirs: send them in "
                "this order",
                field="header",
            )

    def finish(self) -> tuple[UploadHeader, Path, dict[str, Path]]:
        """Return the header, where the file is, and where its companions are by name.

        Raises
        ------
        InvalidInputError
            Nothing came.
        """
        self.close()
        if self._header is None:
            raise InvalidInputError("the upload is empty: send a header first", field="header")
        return self._header, self._path, self._companions

    def close(self) -> None:
        """Close the file that is being written."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self, path: Path) -> None:
        self.close()
        self._file = path.open("wb")

    def _companion_path(self, name: str) -> Path:
        _require_name(name)
        if self._header is not None and name in {self._header.file_name, *self._companions}:
            raise InvalidInputError(
                f"two files of the upload are called {name!r}: send each once", field="companion"
            )
        if len(self._companions) == _MOST_COMPANIONS:
            raise LimitExceededError(
                f"more than {_MOST_COMPANIONS} companions: send only those that belong to the file",
                field="companion",
            )
        path = self._folder / f"companion-{len(self._companions)}"
        self._companions[name] = path
        return path


def _require_name(name: str) -> None:
    if not _FILE_NAME.fullmatch(name) or name in {".", ".."}:
        raise InvalidInputError(
            f"file_name is {name!r}: give a plain name of at most 200 characters, without "
            "folders, '#' and control characters",
            field="file_name",
        )
