from __future__ import annotations

from pathlib import Path

import pytest

from cryolattice.errors import InvalidInputError, MissingChunkError, PreconditionError
from cryolattice.store.objects import ObjectRoot


def test_an_object_is_created_once(root: ObjectRoot) -> None:
    assert root.put_new("a/b", b"1")
    assert not root.put_new("a/b", b"2")
    assert root.get("a/b") == b"1"
    assert list(root.list("a")) == [("a/b", 1)]
    root.delete("a/b")
    root.delete("a/b")
    assert not root.exists("a/b")
    with pytest.raises(MissingChunkError, match="a/b"):
        root.get("a/b")


def test_a_folder_with_a_blank_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "my data, 100 %"
    ObjectRoot(folder.as_uri()).put_new("a", b"1")
    assert (folder / "a").read_bytes() == b"1"


@pytest.mark.parametrize("url", ["", "/plain/path", "http://x/y"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"file:///FOLDER or s3://BUCKET") as caught:
        ObjectRoot(url)
    assert caught.value.field == "CRYOLATTICE_STORE_URL"


def test_a_root_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PreconditionError, match="file"):
        ObjectRoot((tmp_path / "file").as_uri())
