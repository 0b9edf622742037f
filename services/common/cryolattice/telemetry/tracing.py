"""Traces by OpenTelemetry, where the standard variables ask for them; otherwise nothing happens.

A job outlives the call that created it and runs elsewhere: the call's trace context is kept with
it in the ledger, and handed on to its tiles.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryolattice.errors import InvalidInputError, PreconditionError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanKind, Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
# a collector that is away must not keep the work waiting; the SDK alone would try for ten seconds
_EXPORT_SECONDS = 3
_FLUSH_SECONDS = 2.0
_HEADER = "traceparent"

# status codes that are the server's fault, after the conventions for RPC spans
SERVER_FAULTS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)

_tracer: Tracer | None = None


def wanted() -> bool:
    """Whether the environment asks for traces.

    Raises
    ------
    InvalidInputError
        It asks for an exporter that there is not.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
    if exporter not in {"", "none", "otlp", "console"}:
        raise InvalidInputError(
            f"OTEL_TRACES_EXPORTER is {exporter!r}: write otlp, console or none",
            field="OTEL_TRACES_EXPORTER",
        )
    if exporter == "none":
        return False
    return bool(exporter) or any(os.environ.get(name) for name in _ENDPOINTS)


def configure_tracing(part: str) -> None:
    """Send the spans of this process where the environment says; do nothing where it is silent.

    A program that has set up OpenTelemetry for itself keeps what it has set up.

    Parameters
    ----------
    part : str
        Name of this part of the system, ``service.name`` unless ``OTEL_SERVICE_NAME`` is set.

    Raises
    ------
    PreconditionError
        OpenTelemetry is not installed.
    InvalidInputError
        The environment asks for what there is not.
    """
    global _tracer  # noqa: PLW0603 - one tracer a process, like OpenTelemetry's own provider
    if _tracer is not None or not wanted():
        return
    try:
        from opentelemetry import trace  # noqa: PLC0415 - only where it is asked for
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise PreconditionError(
            "traces are asked for by the OTEL_... variables, but OpenTelemetry is not installed: "
            "pip install 'cryolattice[tracing]', or set OTEL_TRACES_EXPORTER=none",
            field="OTEL_TRACES_EXPORTER",
        ) from error
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": part}
        provider = TracerProvider(resource=Resource.create(name))
        provider.add_span_processor(BatchSpanProcessor(_exporter()))
        trace.set_tracer_provider(provider)
    _tracer = trace.get_tracer("cryolattice")


def _exporter() -> Any:
    if os.environ.get("OTEL_TRACES_EXPORTER") == "console":
        import sys  # noqa: PLC0415

        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415

        # standard output belongs to the program's answer
        return ConsoleSpanExporter(out=sys.stderr)
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    if protocol != "grpc":
        raise InvalidInputError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}: only grpc is built in (port 4317)",
            field="OTEL_EXPORTER_OTLP_PROTOCOL",
        )
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    own = "OTEL_EXPORTER_OTLP_TIMEOUT" in os.environ
    return OTLPSpanExporter(timeout=None if own else _EXPORT_SECONDS)


def tracing() -> bool:
    """Whether this process makes spans."""
    return _tracer is not None


def _flush_seconds() -> float:
    told = os.environ.get("OTEL_BSP_EXPORT_TIMEOUT", "")
    return int(told) / 1000 if told.isdecimal() else _FLUSH_SECONDS


def flush_traces() -> None:
    """Send what has not been sent, for a process that may be ended at any time."""
    if _tracer is not None:
        from opentelemetry import trace  # noqa: PLC0415

        flush = getattr(trace.get_tracer_provider(), "force_flush", None)
        if flush is not None:
            sending = threading.Thread(target=flush, name="traces", daemon=True)
            sending.start()
            sending.join(_flush_seconds())


def environment() -> dict[str, str]:
    """Return the variables that make another machine send its spans to the same place."""
    return {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}


def current_ids() -> Mapping[str, str]:
    """Return trace and span id of what this thread works on, for its logs."""
    if _tracer is None:
        return {}
    from opentelemetry import trace  # noqa: PLC0415

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def current_traceparent() -> str:
    """Return the W3C trace context of what this thread works on; empty where there is none."""
    if _tracer is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(_HEADER, "")


def remote_context(traceparent: str) -> Context:
    """Return the context that another process has named."""
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    return TraceContextTextMapPropagator().extract({_HEADER: traceparent})


def start_call(method: str, kind: SpanKind, context: Context | None = None) -> Span:
    """Begin the span of a gRPC call, as client or as server.

    Parameters
    ----------
    method : str
        ``package.Service/Method``.
    kind : SpanKind
        Which side this is.
    context : Context, optional
        The caller's; that of this thread unless given.
    """
    assert _tracer is not None  # noqa: S101 - who asks has asked `tracing`
    return _tracer.start_span(
        method,
        context=context,
        kind=kind,
        attributes={"rpc.system.name": "grpc", "rpc.method": method},
    )


def end_call(span: Span, code: str, *, failed: bool) -> None:
    """End the span of a gRPC call with its status code."""
    from opentelemetry.trace import StatusCode  # noqa: PLC0415

    span.set_attribute("rpc.response.status_code", code)
    if failed:
        span.set_attribute("error.type", code)
        span.set_status(StatusCode.ERROR)
    span.end()


@contextmanager
def work_span(
    name: str, traceparents: Sequence[str], attributes: Mapping[str, str | int]
) -> Iterator[None]:
    """Make a span of work that another process has asked for.

    Parameters
    ----------
    name : str
        What is done.
    traceparents : sequence of str
        Trace contexts of those who asked, oldest first: the last is the parent, the others are
        linked.
    attributes : mapping
        Facts.
    """
    if _tracer is None:
        yield
        return
    from opentelemetry import trace  # noqa: PLC0415

    contexts = [remote_context(parent) for parent in traceparents]
    links = [
        trace.Link(trace.get_current_span(context).get_span_context()) for context in contexts[:-1]
    ]
    with _tracer.start_as_current_span(
        name,
        context=contexts[-1] if contexts else None,
        kind=trace.SpanKind.CONSUMER,
        attributes=attributes,
        links=links,
    ):
        yield


def end_work_span() -> None:
    """End the span of this work before its time, in a process that is about to be ended."""
    if _tracer is not None:
        from opentelemetry import trace  # noqa: PLC0415

        trace.get_current_span().end()


def job_attributes(name: str, kind: str, attempt: int) -> dict[str, str | int]:
    """Return what a span says of the job that it belongs to."""
    return {
        "cryolattice.job.name": name,
        "cryolattice.job.kind": kind,
        "cryolattice.job.attempt": attempt,
    }


def mark_failed(reason: str) -> None:
    """Say that what the current span stands for has failed."""
    if _tracer is None:
        return
    from opentelemetry import trace  # noqa: PLC0415

    span = trace.get_current_span()
    span.set_attribute("error.type", reason)
    span.set_status(trace.StatusCode.ERROR)
