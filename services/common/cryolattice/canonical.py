"""The identity of a question: the same spec over the same inputs has the same id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import rfc8785
from google.protobuf import json_format
from google.protobuf.message import Message

from cryolattice_api.common.v1.dataset_pb2 import DatasetRef

SCHEMA_VERSION = 1
# Fields that say how a question is answered, not what is asked.
_NOT_ASKED = ("device",)
_ID_LENGTH = 32  # 128 bits of the SHA-256, in hexadecimal


def references(message: Message) -> Iterator[DatasetRef]:
    """Yield every set `DatasetRef` inside `message`."""
    for field, value in message.ListFields():
        described = field.message_type
        if described is None or described.GetOptions().map_entry:
            continue
        for item in value if field.is_repeated else [value]:
            if isinstance(item, DatasetRef):
                yield item
            else:
                yield from references(item)


def dataset_id_of(ref: DatasetRef) -> str:
    """Return the last segment of the dataset's name."""
    return ref.name.rsplit("/", 1)[-1]


def canonical_json(spec: Message) -> bytes:
    """Return the RFC 8785 JSON of `spec`, defaults filled in.

    Field names are those of the protobuf file. A `DatasetRef` is reduced to its id, for neither the
    project nor the place of the store changes what is asked; nor does the `device` that computes.
    """
    reduced = type(spec)()
    reduced.CopyFrom(spec)
    for ref in references(reduced):
        reference = DatasetRef(name=dataset_id_of(ref), kind=ref.kind)
        ref.CopyFrom(reference)
    asked = json_format.MessageToDict(
        reduced, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return rfc8785.dumps({name: asked[name] for name in asked if name not in _NOT_ASKED})


def spec_sha256(spec: Message) -> str:
    """Return the SHA-256 of the canonical spec, hexadecimal."""
    return hashlib.sha256(canonical_json(spec)).hexdigest()


def dataset_id(kind: str, spec_json: bytes, input_ids: list[str]) -> str:
    """Return the id of the dataset of `kind` that answers the spec over the inputs."""
    identity = rfc8785.dumps(
        {
            "inputs": sorted(input_ids),
            "kind": kind,
            "schema_version": SCHEMA_VERSION,
            "spec_sha256": hashlib.sha256(spec_json).hexdigest(),
        }
    )
    return hashlib.sha256(identity).hexdigest()[:_ID_LENGTH]
