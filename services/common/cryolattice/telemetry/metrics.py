"""The metrics of one server, and the page on which Prometheus finds them."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

import prometheus_client
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from cryolattice.errors import PreconditionError
from cryolattice.jobs.kinds import Service
from cryolattice.jobs.supervisor import Supervisor
from cryolattice.ledger.ledger import Ledger
from cryolattice.store.traffic import TRAFFIC
from cryolattice.telemetry.grpc_metrics import GrpcMetrics
from cryolattice.telemetry.ledger_metrics import LedgerCollector


class ServerMetrics:
    """Everything that one server shows.

    Parameters
    ----------
    services : sequence of Service
        What it serves.
    names : sequence of str
        Full names of its gRPC services.
    """

    def __init__(self, services: Sequence[Service], names: Sequence[str]) -> None:
        # names with _created would only double the number of series
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.registry.register(_Build(services))
        self.registry.register(_StoreTraffic())
        self.grpc = GrpcMetrics(self.registry, names)
        self._services = services

    def watch(self, ledger: Ledger, supervisor: Supervisor) -> None:
        """Show also the jobs of the ledger and the processes of the supervisor."""
        kinds = [kind for service in self._services for kind in service.kinds]
        self.registry.register(LedgerCollector(ledger, kinds))
        self.registry.register(_Pools(supervisor))


@contextmanager
def metrics_page(metrics: ServerMetrics, host: str, port: int) -> Iterator[int]:
    """Serve the metrics by HTTP while the context lasts; yields the port.

    Raises
    ------
    PreconditionError
        The address is taken.
    """
    try:
        server, thread = prometheus_client.start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise PreconditionError(
            f"cannot show metrics on {host}:{port} ({error.strerror or error}): choose another "
            "port with --metrics-port, or 0 for no metrics",
            field="metrics_port",
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Build(Collector):
    def __init__(self, services: Sequence[Service]) -> None:
        self._facts = {
            "version": version("cryolattice"),
            "python_version": platform.python_version(),
            "services": ",".join(sorted(service.name for service in services)),
        }

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("cryolattice_build", "What runs here.", self._facts)


class _StoreTraffic(Collector):
    def collect(self) -> Iterator[Metric]:
        count = TRAFFIC.count()
        operations = CounterMetricFamily(
            "cryolattice_store_operations",
            "Requests of this process to the store; jobs run in other processes.",
            labels=("operation",),
        )
        for operation, number in count.operations.items():
            operations.add_metric((operation,), number)
        moved = CounterMetricFamily(
            "cryolattice_store_bytes",
            "Bytes that this process has moved from and to the store.",
            labels=("direction",),
        )
        moved.add_metric(("read",), count.read_bytes)
        moved.add_metric(("written",), count.written_bytes)
        yield operations
        yield moved


class _Pools(Collector):
    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def collect(self) -> Iterator[Metric]:
        slots, busy, waiting = (
            GaugeMetricFamily(f"cryolattice_worker_{name}", text, labels=("pool",))
            for name, text in (
                ("slots", "Jobs that this server runs at a time."),
                ("slots_busy", "Jobs and uploads that it works on now."),
                ("slots_waiting", "Jobs and uploads that wait for a slot of this server."),
            )
        )
        for pool, state in self._supervisor.pools.items():
            slots.add_metric((pool,), state.total)
            busy.add_metric((pool,), state.busy)
            waiting.add_metric((pool,), state.waiting)
        yield slots
        yield busy
        yield waiting
        yield GaugeMetricFamily(
            "cryolattice_worker_processes",
            "Child processes of this server that are alive.",
            value=self._supervisor.process_count,
        )
