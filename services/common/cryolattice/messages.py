"""Messages as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message


def message_dict(message: Message) -> dict[str, Any]:
    """Return a message in proto3 JSON with original field names."""
    from google.protobuf import json_format  # noqa: PLC0415

    import cryolattice_api.analyzer.v1.analyzer_pb2  # noqa: PLC0415 - names the types inside Any
    import cryolattice_api.modeler.v1.modeler_pb2  # noqa: PLC0415
    import cryolattice_api.simulator.v1.simulator_pb2  # noqa: F401, PLC0415

    found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found
