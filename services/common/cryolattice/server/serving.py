"""Making and running a server."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from cryolattice.errors import InvalidInputError, PreconditionError
from cryolattice.jobs.kinds import Service, installed_services
from cryolattice.jobs.processes import Processes
from cryolattice.jobs.supervisor import Supervisor
from cryolattice.ledger.ledger import Ledger
from cryolattice.server.backend import Backend
from cryolattice.server.dataset_servicer import DatasetServicer
from cryolattice.server.error_interceptor import ErrorInterceptor
from cryolattice.server.job_servicer import JobServicer
from cryolattice.settings import Settings
from cryolattice.store.array_store import open_store
from cryolattice.telemetry.tracing import flush_traces, tracing
from cryolattice_api.common.v1 import (
    dataset_service_pb2,
    dataset_service_pb2_grpc,
    job_service_pb2,
    job_service_pb2_grpc,
)

if TYPE_CHECKING:
    from cryolattice.telemetry.metrics import ServerMetrics

log = structlog.get_logger()

ALL_PORT = 50051
_GRACE_SECONDS = 5.0
# callers try five times and wait for a minute in all: what is wrong must reach them before
_STORE_PATIENCE_SECONDS = 5.0
# a CIF with its measured reflections has several MB
_OPTIONS = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 16 << 20))
_SHARED = (
    job_service_pb2.DESCRIPTOR.services_by_name["JobService"].full_name,
    dataset_service_pb2.DESCRIPTOR.services_by_name["DatasetService"].full_name,
)


def choose_services(names: Sequence[str]) -> tuple[Service, ...]:
    """Return the installed services of these names, all of them for ``["all"]``.

    Raises
    ------
    InvalidInputError
        A service is not known or not installed.
    """
    installed = installed_services()
    if list(names) == ["all"]:
        return tuple(installed.values())
    missing = [name for name in names if name not in installed]
    if missing:
        raise InvalidInputError(
            f"service {missing[0]!r} is not installed here: choose from "
            f"{', '.join([*installed, 'all'])}",
            field="service",
        )
    return tuple(installed[name] for name in names)


def service_names(services: Sequence[Service]) -> tuple[str, ...]:
    """Return the full names of the gRPC services that a server of these offers."""
    return (*_SHARED, *(service.full_name for service in services))


@asynccontextmanager
async def running_server(
    settings: Settings,
    services: Sequence[Service],
    address: str,
    metrics: ServerMetrics | None = None,
    *,
    processes: Processes | None = None,
    adopts: bool = False,
) -> AsyncIterator[int]:
    """Serve while the context lasts; yields the port.

    Parameters
    ----------
    settings : Settings
        Where store and ledger are.
    services : sequence of Service
        What to serve.
    address : str
        Where to listen.
    metrics : ServerMetrics, optional
        Counts and logs every call, and shows the jobs.
    processes : Processes, optional
        Those of its jobs, which end with it; unless given, they say on standard error what they do.
    adopts : bool
        Whether it takes on jobs that nobody works on; else it runs those it was asked for.

    Raises
    ------
    PreconditionError
        The address is taken.
    """
    ledger = Ledger(settings.ledger_url)
    supervisor = Supervisor(settings, ledger, processes or Processes(settings))
    store = open_store(settings.store_url, _STORE_PATIENCE_SECONDS)
    backend = Backend(settings, store, ledger, supervisor, tuple(services))
    interceptors: list[grpc.aio.ServerInterceptor] = [ErrorInterceptor()]  # type: ignore[type-arg]
    if metrics is not None:
        from cryolattice.server.observe_interceptor import ObserveInterceptor  # noqa: PLC0415

        metrics.watch(ledger, supervisor)
        interceptors.insert(0, ObserveInterceptor(metrics.grpc))
    if tracing():
        from cryolattice.server.tracing_interceptor import TracingInterceptor  # noqa: PLC0415

        # before the others: their logs name the trace
        interceptors.insert(0, TracingInterceptor())
    server = grpc.aio.server(interceptors=interceptors, options=_OPTIONS)
    job_service_pb2_grpc.add_JobServiceServicer_to_server(JobServicer(backend), server)
    dataset_service_pb2_grpc.add_DatasetServiceServicer_to_server(DatasetServicer(backend), server)
    for service in services:
        service.add_servicer(server, backend)
    checks = health.aio.HealthServicer()  # type: ignore[attr-defined]
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    names = service_names(services)
    reflection.enable_server_reflection(
        (*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise PreconditionError(
            f"cannot listen on {address}: it is taken or not allowed; choose another with --port",
            field="port",
        ) from error
    for name in ("", *names):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    kinds = [kind.name for service in services for kind in service.kinds]
    adopting = asyncio.create_task(supervisor.adopt(kinds)) if adopts else None
    try:
        yield port
    finally:
        if adopting is not None:
            adopting.cancel()
        await checks.enter_graceful_shutdown()
        await supervisor.close()
        await server.stop(_GRACE_SECONDS)
        ledger.close()
        await asyncio.to_thread(flush_traces)


async def serve_until_signal(
    settings: Settings, services: Sequence[Service], host: str, port: int
) -> None:
    """Serve calls, and metrics where the settings name a port, until SIGTERM or SIGINT.

    Raises
    ------
    PreconditionError
        A port is taken.
    """
    # an embedded server, which shows no metrics, starts without what they need
    from cryolattice.telemetry.metrics import ServerMetrics, metrics_page  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = ServerMetrics(services, service_names(services))
    address = f"{host}:{port}"
    metrics_port = settings.metrics_port
    with metrics_page(metrics, host, metrics_port) if metrics_port else nullcontext():
        async with running_server(settings, services, address, metrics, adopts=True):
            log.info(
                "serving",
                address=address,
                metrics=f"http://{host}:{metrics_port}/metrics" if metrics_port else "off",
                services=[service.name for service in services],
                store=settings.store_url,
            )
            if not is_loopback(host):
                log.warning(
                    "open to other machines",
                    address=address,
                    meaning="whoever reaches this port may read, compute and cancel, and nothing "
                    "is encrypted: keep it inside a network that you trust, or put a tunnel "
                    "before it (docs/operator.md)",
                )
            await stop.wait()
            log.info("stopping")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on this address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return host == "localhost"
