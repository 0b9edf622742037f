"""How long each call may take, and which are tried again, as gRPC reads it from its channels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1 import dataset_service_pb2, job_service_pb2
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_api.simulator.v1 import simulator_pb2

_FILES = (job_service_pb2, dataset_service_pb2, modeler_pb2, simulator_pb2, analyzer_pb2)
# what moves or hashes whole datasets
_LONG = {"CollectGarbage", "UploadFile", "VerifyDataset"}
# a lost answer does not tell whether these were done: asked again, they would be refused
_ONCE = {"CancelJob", "DeleteJob", "ResumeJob"}
# a server that starts anew is back in about three seconds; gRPC varies the pauses
_RETRY = {
    "maxAttempts": 5,
    "initialBackoff": "0.25s",
    "maxBackoff": "2.5s",
    "backoffMultiplier": 2.5,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def service_config() -> str:
    """Return the service config of a client's channel.

    A call may take a minute, one that moves whole datasets ten; a stream lasts as long as it has
    something to say. Where a server is away, calls that do the same when repeated are tried again:
    those that create a job carry a request id.
    """
    rules: list[tuple[Callable[[MethodDescriptor], bool], dict[str, Any]]] = [
        (lambda method: method.server_streaming, {"retryPolicy": _RETRY}),
        (lambda method: method.name in _LONG, {"timeout": "600s", "retryPolicy": _RETRY}),
        (lambda method: method.name in _ONCE, {"timeout": "60s"}),
    ]
    special = [
        {
            "name": [
                {"service": method.containing_service.full_name, "method": method.name}
                for method in _methods()
                if applies(method)
            ],
            **settings,
        }
        for applies, settings in rules
    ]
    rest = {"name": [{}], "timeout": "60s", "retryPolicy": _RETRY}
    return json.dumps({"methodConfig": [*special, rest]})


def _methods() -> Iterator[MethodDescriptor]:
    for file in _FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            yield from service.methods
