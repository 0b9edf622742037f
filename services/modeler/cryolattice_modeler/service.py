"""What the modeler offers."""

from __future__ import annotations

import grpc.aio

from cryolattice.jobs.driver import main as run_driver
from cryolattice.jobs.kinds import Service
from cryolattice.server.backend import Backend
from cryolattice_api.modeler.v1 import modeler_pb2, modeler_pb2_grpc
from cryolattice_modeler.jobs import MODELS
from cryolattice_modeler.ordering_job import ORDERINGS
from cryolattice_modeler.servicer import ModelerServicer


def _add(server: grpc.aio.Server, backend: Backend) -> None:
    modeler_pb2_grpc.add_ModelerServiceServicer_to_server(ModelerServicer(backend), server)


SERVICE = Service(
    name="modeler",
    port=50051,
    full_name=modeler_pb2.DESCRIPTOR.services_by_name["ModelerService"].full_name,
    kinds=(MODELS, ORDERINGS),
    add_servicer=_add,
)


def main() -> int:
    """Entry point of ``cryolattice-modeler``."""
    return run_driver(SERVICE.name)
