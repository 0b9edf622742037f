"""Logs, the switch of the traces, the page of the metrics."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cryolattice.errors import InvalidInputError
from cryolattice.settings import Settings
from cryolattice.telemetry.metrics import ServerMetrics, metrics_page
from cryolattice.telemetry.tracing import wanted


def _python(code: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CRYOLATTICE_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


LOGGING = """
import logging, warnings, structlog
from cryolattice.settings import Settings
from cryolattice.telemetry.logs import configure_logs
configure_logs(Settings(), quiet={quiet})
log = structlog.get_logger()
log.debug("fine")
log.info("coarse", job="projects/p/jobs/1", crystal="x" * 1_000_000)
logging.getLogger("library").warning("from a %s", "library")
warnings.warn("careful")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broken")
"""


def test_libraries_and_errors_are_logged_as_json_too(tmp_path: Path) -> None:
    done = _python(LOGGING.format(quiet=False), tmp_path)
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    ours, library, warning, broken = lines
    assert (ours["event"], ours["level"], ours["job"]) == ("coarse", "info", "projects/p/jobs/1")
    assert len(ours["crystal"]) < 3000
    assert "1000000 characters" in ours["crystal"]
    assert (library["event"], library["logger"]) == ("from a library", "library")
    assert "careful" in warning["event"]
    assert "ZeroDivisionError" in broken["exception"]


def test_the_level_is_a_setting(tmp_path: Path) -> None:
    debug = _python(LOGGING.format(quiet=False), tmp_path, CRYOLATTICE_LOG_LEVEL="debug")
    assert json.loads(debug.stderr.splitlines()[0])["event"] == "fine"
    error = _python(LOGGING.format(quiet=False), tmp_path, CRYOLATTICE_LOG_LEVEL="ERROR")
    assert [json.loads(line)["event"] for line in error.stderr.splitlines()] == ["broken"]


REPLACED = """
import io, sys, structlog
from cryolattice.settings import Settings
from cryolattice.telemetry.logs import configure_logs
real, sys.stderr = sys.stderr, io.StringIO()
configure_logs(Settings(), quiet=True)
sys.stderr.close()
sys.stderr = real
structlog.get_logger().warning("afterwards")
"""


def test_standard_error_may_be_replaced(tmp_path: Path) -> None:
    done = _python(REPLACED, tmp_path)
    assert json.loads(done.stderr)["event"] == "afterwards"


def test_the_format_is_a_setting(tmp_path: Path) -> None:
    done = _python(LOGGING.format(quiet=False), tmp_path, CRYOLATTICE_LOG_FORMAT="console")
    with pytest.raises(json.JSONDecodeError):
        json.loads(done.stderr.splitlines()[0])
    assert "coarse" in done.stderr


def test_in_somebody_elses_program_only_our_warnings_are_logged(tmp_path: Path) -> None:
    done = _python(LOGGING.format(quiet=True), tmp_path)
    assert "coarse" not in done.stderr
    first = done.stderr.splitlines()[0]
    assert first == "from a library", "where its library logs is the program's to say"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("METRICS_PORT", "70000"),
        ("METRICS_PORT", "x"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"CRYOLATTICE_{name}", value)
    with pytest.raises(InvalidInputError, match=f"CRYOLATTICE_{name} is '{value}': choose"):
        Settings()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4317"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x:4317"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_what_switches_traces_on(
    environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wanted() is expected


def test_an_unknown_exporter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "jaeger")
    with pytest.raises(InvalidInputError, match="otlp, console or none"):
        wanted()


def test_traces_without_opentelemetry_say_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from cryolattice.cli.main import run; raise SystemExit(run(['jobs', 'list']))"
    )
    done = _python(code, tmp_path, OTEL_TRACES_EXPORTER="otlp")
    assert done.returncode == 2
    assert "cryolattice[tracing]" in done.stderr
    assert "Traceback" not in done.stderr
    assert _python(code, tmp_path).returncode == 0


def test_a_silent_scraper_does_not_keep_a_server_from_ending() -> None:
    with metrics_page(ServerMetrics([], []), "127.0.0.1", 0) as port:
        scraper = socket.create_connection(("127.0.0.1", port))
        time.sleep(0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    scraper.close()


DEEP_IN_A_CALL = """
import time
from cryolattice.jobs import context
from cryolattice.jobs.kinds import Inputs
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.settings import Settings
from cryolattice.store.array_store import open_store
from cryolattice.store.writer import DatasetWriter
from cryolattice.telemetry.tracing import configure_tracing, work_span
from cryolattice_api.common.v1 import job_pb2

settings = Settings()
configure_tracing("worker")
ledger, root = Ledger(settings.ledger_url), open_store(settings.store_url)
job = job_pb2.Job(name="projects/p/jobs/j", kind="models", state=job_pb2.JOB_STATE_QUEUED)
ledger.create(JobRecord(job, "modeler", "models", "00", 0.0), request_id="", request_sha256="")
begun = ledger.begin_attempt(job.name, "me", 30.0)
output = DatasetWriter(root, "models", "00")
context._STOP_WITHIN_SECONDS = 0.1
with work_span("job models", [], {}):
    with context.JobContext(ledger, begun, "me", Inputs(root), output):
        ledger.cancel(job.name)
        time.sleep(60)
"""


def test_work_that_must_be_ended_hard_leaves_its_span(tmp_path: Path) -> None:
    done = _python(DEEP_IN_A_CALL, tmp_path, OTEL_TRACES_EXPORTER="console")
    assert done.returncode == 3, done.stderr
    assert '"name": "job models"' in done.stderr
