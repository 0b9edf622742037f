"""What the simulator offers."""

from __future__ import annotations

import grpc.aio

from cryolattice.jobs.driver import main as run_driver
from cryolattice.jobs.kinds import Service
from cryolattice.server.backend import Backend
from cryolattice_api.simulator.v1 import simulator_pb2, simulator_pb2_grpc
from cryolattice_simulator.images_job import IMAGES
from cryolattice_simulator.jobs import SWEEP
from cryolattice_simulator.potential_job import POTENTIAL
from cryolattice_simulator.servicer import SimulatorServicer


def _add(server: grpc.aio.Server, backend: Backend) -> None:
    simulator_pb2_grpc.add_SimulatorServiceServicer_to_server(SimulatorServicer(backend), server)


SERVICE = Service(
    name="simulator",
    port=50052,
    full_name=simulator_pb2.DESCRIPTOR.services_by_name["SimulatorService"].full_name,
    kinds=(SWEEP, POTENTIAL, IMAGES),
    add_servicer=_add,
)


def main() -> int:
    """Entry point of ``cryolattice-simulator``."""
    return run_driver(SERVICE.name)
