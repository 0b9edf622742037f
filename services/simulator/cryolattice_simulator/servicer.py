"""``SimulatorService``: translates between messages and the simulator's jobs."""

from __future__ import annotations

from typing import Any

import grpc.aio

from cryolattice.server.backend import Backend
from cryolattice_api.simulator.v1 import simulator_pb2, simulator_pb2_grpc
from cryolattice_simulator.images_job import IMAGES
from cryolattice_simulator.jobs import SWEEP
from cryolattice_simulator.potential_job import POTENTIAL


class SimulatorServicer(simulator_pb2_grpc.SimulatorServiceServicer):
    """Serves sweeps, potentials and images."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def CreateSweepJob(
        self,
        request: simulator_pb2.CreateSweepJobRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> simulator_pb2.CreateSweepJobResponse:
        job, estimate = await self._backend.create_job("simulator", SWEEP, request)
        return simulator_pb2.CreateSweepJobResponse(job=job, estimate=estimate)

    async def CreatePotentialJob(
        self,
        request: simulator_pb2.CreatePotentialJobRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> simulator_pb2.CreatePotentialJobResponse:
        job, estimate = await self._backend.create_job("simulator", POTENTIAL, request)
        return simulator_pb2.CreatePotentialJobResponse(job=job, estimate=estimate)

    async def CreateImagesJob(
        self,
        request: simulator_pb2.CreateImagesJobRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> simulator_pb2.CreateImagesJobResponse:
        job, estimate = await self._backend.create_job("simulator", IMAGES, request)
        return simulator_pb2.CreateImagesJobResponse(job=job, estimate=estimate)
