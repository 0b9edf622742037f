"""A warm worker process: takes requests from standard input, one line of JSON each, and answers.

It keeps the imported libraries between jobs, holds no state of its own, and may be killed.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

import rfc8785

from cryolattice.canonical import canonical_json, dataset_id
from cryolattice.error_status import to_status
from cryolattice.errors import CryolatticeError, InternalError, InvalidInputError
from cryolattice.jobs.kinds import UploadedFile, installed_services, load_function
from cryolattice.jobs.runner import run_job
from cryolattice.settings import Settings
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.store.reader import DatasetReader
from cryolattice.store.writer import DatasetWriter
from cryolattice.telemetry.logs import configure_logs
from cryolattice.telemetry.tracing import configure_tracing
from cryolattice_api.common.v1.dataset_service_pb2 import FileRole, UploadHeader

_PLAIN = {FileRole.FILE_ROLE_UNSPECIFIED, FileRole.FILE_ROLE_PLAIN}
_KINDS = {
    FileRole.FILE_ROLE_MICROGRAPH: "micrograph",
    FileRole.FILE_ROLE_DIFFRACTION_SERIES: "diffraction_series",
    FileRole.FILE_ROLE_POWER_SPECTRUM: "power_spectrum",
}


def ingest(upload: UploadedFile, root: ArrayStore) -> DatasetReader:
    """Commit an uploaded file as a dataset: read and checked by its role, or kept as it is.

    Raises
    ------
    CryolatticeError
        The file cannot be read or its calibration is missing; then nothing is kept.
    """
    role = upload.header.role
    kind = _KINDS.get(role, "file")
    question = UploadHeader()
    question.CopyFrom(upload.header)
    question.parent = ""
    spec: dict[str, Any] = {
        "header": json.loads(canonical_json(question)),
        "file_sha256": upload.sha256,
    }
    if upload.companions:
        spec["companions"] = upload.companions_sha256
    spec_json = rfc8785.dumps(spec)
    output = DatasetWriter(root, kind, dataset_id(kind, spec_json, []))
    committed = output.committed()
    if committed is not None:
        return committed
    if role in _PLAIN:
        for name, data in {**upload.companions, upload.name: upload.data}.items():
            output.add_file(name, data)
        return output.commit(spec_json=spec_json, inputs={})
    readers = {
        role: path
        for service in installed_services().values()
        for role, path in service.readers.items()
    }
    try:
        load_function(readers[role])(upload, output)
    except InvalidInputError:
        # the same file always fails, so nobody else is writing what is removed here
        output.discard()
        raise
    return output.commit(spec_json=spec_json, inputs={})


def _take_up(request: dict[str, Any], settings: Settings) -> DatasetReader:
    path = Path(request["path"])
    upload = UploadedFile(
        header=UploadHeader.FromString(base64.b64decode(request["header"])),
        data=path.read_bytes(),
        companions={
            name: Path(other).read_bytes() for name, other in request["companions"].items()
        },
    )
    # the server removes this folder even if this process must be killed
    tempfile.tempdir = str(path.parent)
    try:
        return ingest(upload, open_store(settings.store_url))
    finally:
        tempfile.tempdir = None


def _answer(request: dict[str, Any], settings: Settings) -> dict[str, Any]:
    try:
        if "job" in request:
            run_job(request["job"], settings)
            return {}
        reader = _take_up(request, settings)
        return {"kind": reader.manifest.kind, "id": reader.manifest.id}
    except CryolatticeError as error:
        failure = error
    except Exception as error:
        failure = InternalError(f"{type(error).__name__}: {error}")
    return {"error": base64.b64encode(to_status(failure).SerializeToString()).decode()}


def serve(requests: TextIO, answers: TextIO, settings: Settings) -> None:
    """Answer requests until the other side closes."""
    for line in requests:
        answers.write(json.dumps(_answer(json.loads(line), settings)) + "\n")
        answers.flush()


def main() -> None:
    """Run a worker on standard input and output."""
    # what libraries print must not get between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    settings = Settings()
    configure_logs(settings)
    configure_tracing("cryolattice-worker")
    serve(sys.stdin, answers, settings)


if __name__ == "__main__":
    main()
