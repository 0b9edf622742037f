"""``cryolattice serve``."""

from __future__ import annotations

from typing import Annotated

import typer

from cryolattice.errors import InvalidInputError


def serve(
    services: Annotated[
        list[str], typer.Argument(metavar="SERVICE...", help="modeler, simulator, analyzer or all.")
    ],
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; 0.0.0.0 lets other machines in, whoever they are."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(help="Default: 50051 modeler, 50052 simulator, 50053 analyzer, 50051 all."),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Port of the Prometheus metrics, 0 for none. Default: CRYOLATTICE_METRICS_PORT, "
            "else 9090."
        ),
    ] = None,
) -> None:
    """Serve one or more services by gRPC until interrupted."""
    import asyncio  # noqa: PLC0415

    from cryolattice.server.serving import (  # noqa: PLC0415
        ALL_PORT,
        choose_services,
        serve_until_signal,
    )
    from cryolattice.settings import Settings  # noqa: PLC0415
    from cryolattice.telemetry.logs import configure_logs  # noqa: PLC0415
    from cryolattice.telemetry.tracing import configure_tracing  # noqa: PLC0415

    chosen = choose_services(services)
    number = port if port is not None else (chosen[0].port if len(chosen) == 1 else ALL_PORT)
    for option, value in (("port", number), ("metrics-port", metrics_port)):
        if value is not None and not 0 <= value <= 65535:
            raise InvalidInputError(f"--{option} is {value}: choose 0 to 65535", field=option)
    settings = Settings() if metrics_port is None else Settings(metrics_port=metrics_port)
    configure_logs(settings)
    configure_tracing(f"cryolattice-{'-'.join(services)}")
    asyncio.run(serve_until_signal(settings, chosen, host, number))
