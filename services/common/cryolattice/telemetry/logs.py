"""Structured logs on standard error: JSON lines, or readable ones on a terminal."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from cryolattice.settings import Settings
from cryolattice.telemetry.tracing import current_ids

# a crystal or a file that got into a message is not for the logs
_LONGEST_VALUE = 2000
_LONGEST_TRACEBACK = 20_000


def configure_logs(settings: Settings, *, quiet: bool = False) -> None:
    """Send the logs of this process to standard error.

    Parameters
    ----------
    settings : Settings
        Level and format.
    quiet : bool
        Only warnings of our own: this process is somebody else's program, whose libraries log
        where it wants them to.
    """
    level = logging.getLevelNamesMapping()[settings.log_level]
    readable = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    render: Processor = (
        structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        structlog.processors.format_exc_info,
        _shorten,
    ]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(
            max(level, logging.WARNING) if quiet else level
        ),
        # whatever it is by then: notebooks and test runners replace and close it
        logger_factory=lambda *_names: structlog.PrintLogger(sys.stderr),
    )
    if not quiet:
        _take_over_libraries(shared, render, level)


def _take_over_libraries(shared: list[Processor], render: Processor, level: int) -> None:
    """Write what libraries log and warn of in the same way."""
    handler = logging.StreamHandler()
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[remove, render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.update(current_ids())
    return event


def _shorten(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        longest = _LONGEST_TRACEBACK if name == "exception" else _LONGEST_VALUE
        if isinstance(value, str) and len(value) > longest:
            event[name] = f"{value[:longest]}... ({len(value)} characters)"
    return event
