"""``ModelerService``: translates between messages and the modeler's functions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

import grpc.aio

from cryolattice.server.backend import Backend
from cryolattice_api.modeler.v1 import modeler_pb2, modeler_pb2_grpc
from cryolattice_modeler import drawings, enumeration, jobs, ordering_job, view_lists

_BATCH = 64
_PART_BYTES = 1 << 20


class ModelerServicer(modeler_pb2_grpc.ModelerServiceServicer):
    """Serves counts, enumerations and models."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def DescribeCrystal(
        self,
        request: modeler_pb2.DescribeCrystalRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> modeler_pb2.DescribeCrystalResponse:
        return await asyncio.to_thread(jobs.describe, request.crystal)

    async def CountOrderings(
        self,
        request: modeler_pb2.CountOrderingsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> modeler_pb2.CountOrderingsResponse:
        return await asyncio.to_thread(enumeration.count, request)

    async def EnumerateOrderings(
        self,
        request: modeler_pb2.EnumerateOrderingsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[modeler_pb2.EnumerateOrderingsResponse]:
        found = await asyncio.to_thread(enumeration.enumerate_orderings, request)
        while True:
            batch = await asyncio.to_thread(lambda: list(islice(found, _BATCH)))
            for response in batch:
                yield response
            if not batch:
                return

    async def DrawOrderings(
        self,
        request: modeler_pb2.DrawOrderingsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[modeler_pb2.DrawOrderingsResponse]:
        files = await asyncio.to_thread(drawings.draw, request)
        async for name, part in _parts(files):
            yield modeler_pb2.DrawOrderingsResponse(file_name=name, content=part)

    async def ExportModels(
        self,
        request: modeler_pb2.ExportModelsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[modeler_pb2.ExportModelsResponse]:
        files = await asyncio.to_thread(jobs.export, request, self._backend.inputs)
        async for name, part in _parts(files):
            yield modeler_pb2.ExportModelsResponse(file_name=name, content=part)

    async def EnumerateViews(
        self,
        request: modeler_pb2.EnumerateViewsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[modeler_pb2.EnumerateViewsResponse]:
        found = await asyncio.to_thread(view_lists.compare, request)
        yield modeler_pb2.EnumerateViewsResponse(counts=found.counts)
        for start in range(0, len(found.views), _BATCH):
            chosen = range(start, min(start + _BATCH, len(found.views)))
            for view in await asyncio.to_thread(lambda: [found.message(i) for i in chosen]):  # noqa: B023
                yield modeler_pb2.EnumerateViewsResponse(view=view)

    async def CreateModelsJob(
        self,
        request: modeler_pb2.CreateModelsJobRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> modeler_pb2.CreateModelsJobResponse:
        job, estimate = await self._backend.create_job("modeler", jobs.MODELS, request)
        response = modeler_pb2.CreateModelsJobResponse(job=job, estimate=estimate)
        as_given = request.spec.selection == modeler_pb2.SELECTION_AS_GIVEN
        if request.validate_only and request.spec.HasField("supercell") and not as_given:
            response.total, response.classes = await _counted(request.spec)
        return response

    async def CreateOrderingsJob(
        self,
        request: modeler_pb2.CreateOrderingsJobRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> modeler_pb2.CreateOrderingsJobResponse:
        job, estimate = await self._backend.create_job("modeler", ordering_job.ORDERINGS, request)
        response = modeler_pb2.CreateOrderingsJobResponse(job=job, estimate=estimate)
        response.total, response.classes = await _counted(request.spec)
        return response


async def _counted(spec: modeler_pb2.ModelsSpec | modeler_pb2.OrderingsSpec) -> tuple[str, str]:
    request = modeler_pb2.CountOrderingsRequest(
        parent_crystal=spec.parent_crystal, supercell=spec.supercell
    )
    count = await asyncio.to_thread(enumeration.count, request)
    return count.total, count.classes


async def _parts(files: Iterator[tuple[str, bytes]]) -> AsyncIterator[tuple[str, bytes]]:
    while (made := await asyncio.to_thread(next, files, None)) is not None:
        name, content = made
        for start in range(0, len(content), _PART_BYTES):
            yield name, content[start : start + _PART_BYTES]
