"""``AnalyzerService``: translates between messages and the analyzer's jobs."""

from __future__ import annotations

from typing import Any

import grpc.aio

from cryolattice.server.backend import Backend
from cryolattice_analyzer.jobs import kinds
from cryolattice_api.analyzer.v1 import analyzer_pb2, analyzer_pb2_grpc


class AnalyzerServicer(analyzer_pb2_grpc.AnalyzerServiceServicer):
    """Serves the analyzer's jobs."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def CreateDoseJob(
        self,
        request: analyzer_pb2.CreateDoseJobRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> analyzer_pb2.CreateDoseJobResponse:
        job, estimate = await self._backend.create_job("analyzer", kinds.DOSE, request)
        return analyzer_pb2.CreateDoseJobResponse(job=job, estimate=estimate)

    async def CreateCtfJob(
        self,
        request: analyzer_pb2.CreateCtfJobRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> analyzer_pb2.CreateCtfJobResponse:
        job, estimate = await self._backend.create_job("analyzer", kinds.CTF, request)
        return analyzer_pb2.CreateCtfJobResponse(job=job, estimate=estimate)

    async def CreateLatticeJob(
        self,
        request: analyzer_pb2.CreateLatticeJobRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> analyzer_pb2.CreateLatticeJobResponse:
        job, estimate = await self._backend.create_job("analyzer", kinds.LATTICE, request)
        return analyzer_pb2.CreateLatticeJobResponse(job=job, estimate=estimate)

    async def CreateAverageJob(
        self,
        request: analyzer_pb2.CreateAverageJobRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> analyzer_pb2.CreateAverageJobResponse:
        job, estimate = await self._backend.create_job("analyzer", kinds.AVERAGE, request)
        return analyzer_pb2.CreateAverageJobResponse(job=job, estimate=estimate)

    async def CreateRankJob(
        self,
        request: analyzer_pb2.CreateRankJobRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> analyzer_pb2.CreateRankJobResponse:
        job, estimate = await self._backend.create_job("analyzer", kinds.RANK, request)
        return analyzer_pb2.CreateRankJobResponse(job=job, estimate=estimate)

    async def CreateReportJob(
        self,
        request: analyzer_pb2.CreateReportJobRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> analyzer_pb2.CreateReportJobResponse:
        job, estimate = await self._backend.create_job("analyzer", kinds.REPORT, request)
        return analyzer_pb2.CreateReportJobResponse(job=job, estimate=estimate)
