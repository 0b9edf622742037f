"""``DatasetService``: translates between messages and the store."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc.aio
import rfc8785

from cryolattice.errors import (
    CorruptDataError,
    DatasetNotCommittedError,
    DatasetNotFoundError,
    InvalidInputError,
)
from cryolattice.jobs.runner import dataset_ref
from cryolattice.names import parse_project, parse_resource, resource_name
from cryolattice.server.backend import Backend
from cryolattice.server.received_upload import ReceivedUpload
from cryolattice.store.garbage import Garbage, find_garbage, remove
from cryolattice.store.manifest import MANIFEST_KEY
from cryolattice.store.reader import DatasetReader
from cryolattice_api.common.v1 import (
    dataset_pb2,
    dataset_service_pb2,
    dataset_service_pb2_grpc,
)

_PART_BYTES = 1 << 20


class DatasetServicer(dataset_service_pb2_grpc.DatasetServiceServicer):
    """Serves the committed datasets of the store."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def _open(self, name: str) -> tuple[str, DatasetReader]:
        project, identifier = parse_resource(name, "datasets")
        kind = self._backend.ledger.dataset_kind(project, identifier)
        if kind is None:
            raise DatasetNotFoundError(
                f"no dataset {name}: 'cryolattice datasets list' shows those there are",
                field="name",
            )
        # the ledger lists only what was committed
        reader = DatasetReader.open(self._backend.root, kind, identifier, was_committed=True)
        return project, reader

    def _message(self, project: str, reader: DatasetReader) -> dataset_pb2.Dataset:
        ref = dataset_ref(self._backend.root, project, reader)
        manifest = reader.manifest
        message = dataset_pb2.Dataset(
            name=ref.name,
            kind=ref.kind,
            uri=ref.uri,
            manifest_sha256=ref.manifest_sha256,
            job=manifest.job,
            object_count=len(manifest.objects),
            size_bytes=manifest.size_bytes,
            input_ids=sorted(manifest.inputs),
            spec_json=rfc8785.dumps(manifest.spec).decode(),
        )
        message.create_time.FromDatetime(datetime.fromisoformat(manifest.create_time))
        return message

    def _listed(self, project: str, kind: str, identifier: str) -> dataset_pb2.Dataset:
        try:
            reader = DatasetReader.open(self._backend.root, kind, identifier)
        except (CorruptDataError, DatasetNotCommittedError):
            # one damaged dataset must not hide the others
            return dataset_pb2.Dataset(
                name=resource_name(project, "datasets", identifier), kind=kind
            )
        return self._message(project, reader)

    def _named(self, name: str) -> dataset_pb2.Dataset:
        return self._message(*self._open(name))

    async def GetDataset(
        self,
        request: dataset_service_pb2.GetDatasetRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> dataset_service_pb2.GetDatasetResponse:
        dataset = await asyncio.to_thread(self._named, request.name)
        return dataset_service_pb2.GetDatasetResponse(dataset=dataset)

    async def ListDatasets(
        self,
        request: dataset_service_pb2.ListDatasetsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> dataset_service_pb2.ListDatasetsResponse:
        project = parse_project(request.parent)

        def page() -> tuple[list[dataset_pb2.Dataset], str]:
            found, token = self._backend.ledger.list_datasets(
                project, request.kind, request.page_size, request.page_token, request.order_by
            )
            return [self._listed(project, *dataset) for dataset in found], token

        datasets, token = await asyncio.to_thread(page)
        return dataset_service_pb2.ListDatasetsResponse(datasets=datasets, next_page_token=token)

    async def VerifyDataset(
        self,
        request: dataset_service_pb2.VerifyDatasetRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> dataset_service_pb2.VerifyDatasetResponse:
        _, reader = await asyncio.to_thread(self._open, request.name)
        problems = await asyncio.to_thread(reader.problems)
        return dataset_service_pb2.VerifyDatasetResponse(
            object_count=len(reader.keys),
            problems=[
                dataset_service_pb2.ObjectProblem(key=key, problem=problem)
                for key, problem in problems
            ],
        )

    async def CollectGarbage(
        self,
        request: dataset_service_pb2.CollectGarbageRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> dataset_service_pb2.CollectGarbageResponse:
        seconds = request.older_than.ToTimedelta().total_seconds()
        found = await asyncio.to_thread(self._collect, seconds, request.remove)
        return dataset_service_pb2.CollectGarbageResponse(
            garbage=[
                dataset_service_pb2.Garbage(
                    kind=garbage.kind,
                    dataset_id=garbage.id,
                    object_count=len(garbage.keys),
                    size_bytes=garbage.size_bytes,
                )
                for garbage in found
            ]
        )

    def _collect(self, older_than_seconds: float, also_remove: bool) -> list[Garbage]:
        if older_than_seconds < 0:
            raise InvalidInputError(
                f"older_than is {older_than_seconds:g} s: it must not be negative",
                field="older_than",
            )
        root = self._backend.root
        needed = self._backend.ledger.questions()
        found = list(find_garbage(root, needed, older_than_seconds))
        if also_remove:
            for garbage in found:
                remove(root, garbage)
        return found

    async def ReadObject(
        self,
        request: dataset_service_pb2.ReadObjectRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[dataset_service_pb2.ReadObjectResponse]:
        _, reader = await asyncio.to_thread(self._open, request.name)
        if request.key == MANIFEST_KEY:
            data = reader.manifest_bytes
        else:
            data = await asyncio.to_thread(reader.read, request.key)
        for start in range(0, max(len(data), 1), _PART_BYTES):
            yield dataset_service_pb2.ReadObjectResponse(data=data[start : start + _PART_BYTES])

    async def UploadFile(
        self,
        request_iterator: AsyncIterator[dataset_service_pb2.UploadFileRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> dataset_service_pb2.UploadFileResponse:
        with tempfile.TemporaryDirectory(prefix="cryolattice-upload-") as folder:
            received = ReceivedUpload(Path(folder), self._check)
            try:
                async for part in request_iterator:
                    await asyncio.to_thread(received.take, part)
                header, path, companions = received.finish()
            finally:
                received.close()
            project = parse_project(header.parent)
            kind, identifier = await self._backend.supervisor.ingest(header, path, companions)
        reader = DatasetReader.open(self._backend.root, kind, identifier)
        await asyncio.to_thread(
            self._backend.ledger.register_dataset,
            project,
            kind,
            identifier,
            reader.manifest.created_at,
        )
        return dataset_service_pb2.UploadFileResponse(dataset=self._message(project, reader))

    def _check(self, header: dataset_service_pb2.UploadHeader) -> None:
        parse_project(header.parent)
        plain = header.role in {
            dataset_service_pb2.FILE_ROLE_UNSPECIFIED,
            dataset_service_pb2.FILE_ROLE_PLAIN,
        }
        known = {role for service in self._backend.services for role in service.readers}
        if not plain and header.role not in known:
            raise InvalidInputError(
                f"role is {header.role}: this server does not read such files; send them to the "
                "analyzer",
                field="role",
            )
