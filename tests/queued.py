"""Jobs stored in the ledger as a server stores them, but run by nobody."""

from __future__ import annotations

from uuid import uuid4

from cryolattice.canonical import canonical_json, dataset_id, spec_sha256
from cryolattice.jobs.kinds import Inputs, find_kind, installed_services
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.store.array_store import ArrayStore
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.modeler.v1 import modeler_pb2


def queue_models_job(ledger: Ledger, root: ArrayStore, spec: modeler_pb2.ModelsSpec) -> str:
    """Store a queued models job and return its name."""
    service, kind = find_kind("models", installed_services().values())
    kind.prepare(spec, Inputs(root))
    job = job_pb2.Job(
        name=f"projects/default/jobs/models-{uuid4().hex[:12]}",
        kind="models",
        spec_sha256=spec_sha256(spec),
        state=job_pb2.JOB_STATE_QUEUED,
    )
    job.spec.Pack(spec)
    identifier = dataset_id("models", canonical_json(spec), [])
    record = JobRecord(job, service.name, "models", identifier, 0.0)
    return ledger.create(record, request_id="", request_sha256="").job.name
