"""Calls of the `DatasetService`: datasets, their objects, and files that go up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from cryolattice.client.calling import Calling
from cryolattice.client.calls import call
from cryolattice.client.companions import companions_of
from cryolattice.errors import ServerUnavailableError, UnreadableFileError
from cryolattice.store.manifest import MANIFEST_KEY
from cryolattice.store.reader import DatasetReader
from cryolattice_api.common.v1 import dataset_pb2, dataset_service_pb2

_PART_BYTES = 1 << 20
# gRPC repeats by itself only what it still holds, which is less than a file; each of these attempts
# also waits, as every call does, until a server that starts anew is back
_PAUSES_SECONDS = (0.25, 0.5, 1.0, 2.0)


class DatasetCalls(Calling):
    """Datasets of the project: messages in, messages out."""

    def list_datasets(
        self, kind: str = "", limit: int = 100, order_by: str = ""
    ) -> list[dataset_pb2.Dataset]:
        """Return the first datasets of the project; newest first unless ordered."""
        request = dataset_service_pb2.ListDatasetsRequest(
            parent=self.parent, kind=kind, page_size=limit, order_by=order_by
        )
        return list(self.call(self._datasets.ListDatasets, request).datasets)

    def get_dataset(self, name: str) -> dataset_pb2.Dataset:
        """Return what is known of a dataset."""
        request = dataset_service_pb2.GetDatasetRequest(name=name)
        dataset: dataset_pb2.Dataset = self.call(self._datasets.GetDataset, request).dataset
        return dataset

    def verify_dataset(self, name: str) -> dataset_service_pb2.VerifyDatasetResponse:
        """Have every object of a dataset hashed again."""
        request = dataset_service_pb2.VerifyDatasetRequest(name=name)
        response: dataset_service_pb2.VerifyDatasetResponse = self.call(
            self._datasets.VerifyDataset, request
        )
        return response

    def collect_garbage(
        self, older_than_seconds: float, *, remove: bool
    ) -> dataset_service_pb2.CollectGarbageResponse:
        """List what no committed dataset and no job needs; with `remove`, remove it."""
        request = dataset_service_pb2.CollectGarbageRequest(remove=remove)
        request.older_than.FromTimedelta(timedelta(seconds=older_than_seconds))
        response: dataset_service_pb2.CollectGarbageResponse = self.call(
            self._datasets.CollectGarbage, request
        )
        return response

    def open(self, name: str, manifest_sha256: str = "") -> DatasetReader:
        """Open a dataset; its arrays and files come through the server and are verified here."""

        def fetch(key: str) -> bytes:
            request = dataset_service_pb2.ReadObjectRequest(name=name, key=key)
            parts = self.stream(self._datasets.ReadObject, request)
            return b"".join(part.data for part in parts)

        return DatasetReader(fetch(MANIFEST_KEY), fetch, manifest_sha256)

    def open_ref(self, ref: dataset_pb2.DatasetRef) -> DatasetReader:
        """Open the dataset that a job returned."""
        return self.open(ref.name, ref.manifest_sha256)

    def upload(
        self, path: Path, header: dataset_service_pb2.UploadHeader
    ) -> dataset_pb2.DatasetRef:
        """Take a file up, and the companions that lie beside it (`companions_of`).

        Begun again where the connection breaks: the same file makes the same dataset.

        Parameters
        ----------
        path : Path
            The file.
        header : UploadHeader
            Its role and calibration; project and file name are filled in.

        Raises
        ------
        UnreadableFileError
            The file cannot be opened.
        ServerUnavailableError
            The connection broke every time.
        CryolatticeError
            What the server found wrong with it.
        """
        self._require_server()
        header.parent = self.parent
        header.file_name = path.name
        for pause_seconds in (*_PAUSES_SECONDS, None):
            try:
                dataset = self._send(path, header)
                break
            except ServerUnavailableError as error:
                # one that took too long would do so again
                if "code" in error.metadata:
                    raise
                if pause_seconds is None:
                    raise ServerUnavailableError(
                        f"the connection to {self.address} broke {len(_PAUSES_SECONDS) + 1} times "
                        f"before {path.name} ({path.stat().st_size / 1e6:.3g} MB) was there: look "
                        "whether the server runs, and whether a proxy before it limits how much "
                        "may be sent"
                    ) from error
                time.sleep(pause_seconds)
        return dataset_pb2.DatasetRef(
            name=dataset.name,
            kind=dataset.kind,
            uri=dataset.uri,
            manifest_sha256=dataset.manifest_sha256,
        )

    def _send(self, path: Path, header: dataset_service_pb2.UploadHeader) -> dataset_pb2.Dataset:
        with ExitStack() as stack:
            files = [stack.enter_context(_opened(one)) for one in (path, *companions_of(path))]

            def parts() -> Iterator[dataset_service_pb2.UploadFileRequest]:
                yield dataset_service_pb2.UploadFileRequest(header=header)
                for index, file in enumerate(files):
                    if index:
                        companion = dataset_service_pb2.CompanionHeader(
                            file_name=Path(file.name).name
                        )
                        yield dataset_service_pb2.UploadFileRequest(companion=companion)
                    while data := file.read(_PART_BYTES):
                        yield dataset_service_pb2.UploadFileRequest(data=data)

            response = call(self.address, self._datasets.UploadFile, parts())
        dataset: dataset_pb2.Dataset = response.dataset
        return dataset


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UnreadableFileError(
            f"cannot open {path}: {error.strerror or error}", field="file"
        ) from error
