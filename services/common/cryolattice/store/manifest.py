"""The manifest: written last, it names every object of a dataset with its hash."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import rfc8785

from cryolattice.canonical import SCHEMA_VERSION
from cryolattice.errors import CorruptDataError

MANIFEST_KEY = "manifest.json"
MANIFEST_REMEDY = (
    f"restore {MANIFEST_KEY} from a backup, or remove it and ask the same question again, which "
    "keeps what is intact"
)


@dataclass(frozen=True)
class StoredObject:
    """Key below the dataset's root, SHA-256 (hexadecimal) and size of one object."""

    key: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What was asked, from what, by which versions, and the objects that answer it."""

    kind: str
    id: str
    spec: dict[str, Any]
    inputs: dict[str, str]
    objects: tuple[StoredObject, ...]
    create_time: str
    job: str = ""
    attempt: int = 1
    versions: dict[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> bytes:
        """Return the manifest as RFC 8785 JSON."""
        return rfc8785.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Read a manifest.

        Raises
        ------
        CorruptDataError
            It is not a manifest of this schema version.
        """
        try:
            fields = json.loads(data)
            version = fields["schema_version"]
            if version != SCHEMA_VERSION:
                raise CorruptDataError(
                    f"the manifest has schema version {version}; this program reads "
                    f"version {SCHEMA_VERSION}"
                )
            objects = tuple(StoredObject(**entry) for entry in fields.pop("objects"))
            return cls(objects=objects, **fields)
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptDataError(
                f"the manifest is torn or damaged, {len(data)} bytes that cannot be read "
                f"({error}): {MANIFEST_REMEDY}"
            ) from error

    @property
    def created_at(self) -> float:
        """When it was committed, in seconds since 1970."""
        return datetime.fromisoformat(self.create_time).timestamp()

    @property
    def size_bytes(self) -> int:
        """Sum of the objects' sizes."""
        return sum(stored.bytes for stored in self.objects)
