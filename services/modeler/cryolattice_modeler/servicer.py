"""``ModelerService``: translates between messages and the modeler's functions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from cryolattice.server.backend import Backend
from cryolattice_api.common.v1 import crystal_pb2
from cryolattice_api.modeler.v1 import modeler_pb2, modeler_pb2_grpc
from cryolattice_modeler import jobs, view_lists

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
        count = await asyncio.to_thread(jobs.count, request.parent_crystal, request.supercell)
        return modeler_pb2.CountOrderingsResponse(
            total=str(count.total),
            classes=str(count.classes),
            site_count=count.sites,
            vacancy_count=count.vacancies,
            suggested_clusters=count.suggested_clusters,
            axis_lengths_angstrom=count.axis_lengths_angstrom,
        )

    async def EnumerateOrderings(
        self,
        request: modeler_pb2.EnumerateOrderingsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[modeler_pb2.EnumerateOrderingsResponse]:
        found = await asyncio.to_thread(
            jobs.enumerate_with_cif, request.parent_crystal, request.supercell, request.with_cif
        )
        while True:
            batch = await asyncio.to_thread(lambda: [next(found, None) for _ in range(_BATCH)])
            for item in batch:
                if item is None:
                    return
                ordering, cif = item
                yield modeler_pb2.EnumerateOrderingsResponse(
                    ordering=modeler_pb2.Ordering(
                        id=ordering.ordering_id,
                        multiplicity=ordering.multiplicity,
                        vacant_sites=[
                            crystal_pb2.Site(x=x, y=y, z=z) for x, y, z in ordering.vacant
                        ],
                        space_group=ordering.space_group,
                    ),
                    cif=cif,
                )

    async def DrawOrderings(
        self,
        request: modeler_pb2.DrawOrderingsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[modeler_pb2.DrawOrderingsResponse]:
        files = await asyncio.to_thread(jobs.draw, request.parent_crystal, request.supercell)
        while (drawn := await asyncio.to_thread(next, files, None)) is not None:
            name, content = drawn
            for start in range(0, len(content), _PART_BYTES):
                part = content[start : start + _PART_BYTES]
                yield modeler_pb2.DrawOrderingsResponse(file_name=name, content=part)

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
        return modeler_pb2.CreateModelsJobResponse(job=job, estimate=estimate)
