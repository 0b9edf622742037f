"""Jobs stored in the ledger as a server stores them, but run by nobody."""

from __future__ import annotations

from uuid import uuid4

from google.protobuf.message import Message

from cryolattice.canonical import canonical_json, dataset_id, spec_sha256
from cryolattice.jobs.kinds import Inputs, find_kind, installed_services
from cryolattice.jobs.runner import input_digests
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.store.array_store import ArrayStore
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.modeler.v1 import modeler_pb2


def queue_job(ledger: Ledger, root: ArrayStore, kind_name: str, spec: Message) -> str:
    """Store a queued job and return its name."""
    service, kind = find_kind(kind_name, installed_services().values())
    kind.prepare(spec, Inputs(root))
    job = job_pb2.Job(
        name=f"projects/default/jobs/{kind_name}-{uuid4().hex[:12]}",
        kind=kind_name,
        spec_sha256=spec_sha256(spec),
        state=job_pb2.JOB_STATE_QUEUED,
    )
    job.spec.Pack(spec)
    identifier = dataset_id(kind.output_kind, canonical_json(spec), list(input_digests(spec)))
    record = JobRecord(job, service.name, kind.output_kind, identifier, 0.0)
    return ledger.create(record, request_id="", request_sha256="").job.name


def queue_models_job(ledger: Ledger, root: ArrayStore, spec: modeler_pb2.ModelsSpec) -> str:
    """Store a queued models job and return its name."""
    return queue_job(ledger, root, "models", spec)
