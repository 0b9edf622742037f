"""A store in a bucket of an S3 server, which keeps whole what it has acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.store import S3Store

from cryolattice.store.obstore_objects import ObjectsOfObstore
from cryolattice.store.traffic import TRAFFIC

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class BucketStore(ObjectsOfObstore):
    """Objects of an S3 bucket; endpoint and credentials come from the ``AWS_*`` variables."""

    def _open(self) -> ObjectStore:
        # a server that is started again must not cost hours of work
        return S3Store.from_url(
            self.url,
            retry_config={
                "backoff": {
                    "init_backoff": timedelta(seconds=0.1),
                    "max_backoff": timedelta(seconds=5),
                    "base": 2,
                },
                "max_retries": 100,
                "retry_timeout": timedelta(seconds=self._patience_seconds),
            },
        )

    def suspects(self, prefix: str, tags: Mapping[str, str]) -> list[str]:
        """Return which objects have another ETag, or none: what it keeps whole a server checks."""
        TRAFFIC.request("list")
        with self._failures():
            found = {
                entry["path"]: str(entry["e_tag"])
                for batch in obstore.list(self._objects, prefix=prefix)
                for entry in batch
                if entry["e_tag"]
            }
        return [key for key, tag in tags.items() if found.get(key) != tag]

    def persist(self, keys: Iterable[str]) -> None:
        """Do nothing: what the server has acknowledged is its to keep."""

    def remains(self, older_than_seconds: float) -> Iterator[str]:  # noqa: ARG002 - the protocol's
        """Yield nothing: a put is whole or absent."""
        yield from ()
