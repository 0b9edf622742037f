from __future__ import annotations

from pathlib import Path

import pytest

from cryolattice.errors import InvalidInputError, PreconditionError, StoreUnavailableError
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.testing.array_store import ArrayStoreSuite
from tests.servers import S3Server


class TestFolderStore(ArrayStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ArrayStore:
        return open_store((tmp_path / "my data, 100 %").as_uri())


class TestBucketStore(ArrayStoreSuite):
    @pytest.fixture
    def store(self, s3_server: S3Server) -> ArrayStore:
        return open_store(s3_server.url)


@pytest.mark.parametrize("url", ["", "/plain/path", "http://x/y"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"file:///FOLDER or s3://BUCKET") as caught:
        open_store(url)
    assert caught.value.field == "CRYOLATTICE_STORE_URL"


def test_a_root_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PreconditionError, match="file"):
        open_store((tmp_path / "file").as_uri())


def test_a_folder_that_became_a_file_is_an_error_of_the_store(tmp_path: Path) -> None:
    store = open_store((tmp_path / "root").as_uri())
    (tmp_path / "root/a").write_text("")
    with pytest.raises(StoreUnavailableError, match="resume the job") as caught:
        store.put_new("a/b", b"x")
    assert caught.value.field == "CRYOLATTICE_STORE_URL"
