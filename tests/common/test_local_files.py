from __future__ import annotations

from pathlib import Path

import pytest

from cryolattice.errors import CorruptDataError, InvalidInputError
from cryolattice.local_files import inside, require_folder


@pytest.mark.parametrize("key", ["../x", "/etc/x", "a/../../x", "."])
def test_a_server_cannot_write_outside(tmp_path: Path, key: str) -> None:
    with pytest.raises(CorruptDataError):
        inside(tmp_path / "out", key)


def test_keys_keep_their_folders(tmp_path: Path) -> None:
    assert inside(tmp_path, "data.zarr/psi/c/0") == tmp_path / "data.zarr/psi/c/0"


def test_a_file_is_no_output_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for out in (file, file / "below"):
        with pytest.raises(InvalidInputError) as caught:
            require_folder(out)
        assert caught.value.field == "out"
    require_folder(tmp_path / "new" / "folder")
    require_folder(None)
