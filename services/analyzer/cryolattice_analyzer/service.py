"""What the analyzer offers."""

from __future__ import annotations

import grpc.aio

from cryolattice.jobs.driver import main as run_driver
from cryolattice.jobs.kinds import Service
from cryolattice.server.backend import Backend
from cryolattice_analyzer.jobs.kinds import KINDS
from cryolattice_analyzer.servicer import AnalyzerServicer
from cryolattice_api.analyzer.v1 import analyzer_pb2, analyzer_pb2_grpc
from cryolattice_api.common.v1.dataset_service_pb2 import FileRole


def _add(server: grpc.aio.Server, backend: Backend) -> None:
    analyzer_pb2_grpc.add_AnalyzerServiceServicer_to_server(AnalyzerServicer(backend), server)


_INGEST = "cryolattice_analyzer.jobs.ingest"

SERVICE = Service(
    name="analyzer",
    port=50053,
    full_name=analyzer_pb2.DESCRIPTOR.services_by_name["AnalyzerService"].full_name,
    kinds=KINDS,
    add_servicer=_add,
    readers={
        FileRole.FILE_ROLE_MICROGRAPH: f"{_INGEST}:micrograph",
        FileRole.FILE_ROLE_DIFFRACTION_SERIES: f"{_INGEST}:diffraction_series",
        FileRole.FILE_ROLE_POWER_SPECTRUM: f"{_INGEST}:power_spectrum",
    },
)


def main() -> int:
    """Entry point of ``cryolattice-analyzer``."""
    return run_driver(SERVICE.name)
