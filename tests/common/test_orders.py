"""Listings in other orders than newest first."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from cryolattice.errors import InvalidInputError
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2

KINDS = ("sweep", "rank", "sweep", "models", "rank", "sweep")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """Six jobs, numbered by their labels, and six datasets of the same kinds, the first newest."""
    if request.param == "sqlite":
        url = Settings(home=tmp_path_factory.mktemp("home")).ledger_url
    else:
        url = request.getfixturevalue("postgresql_server").new_url()
    ledger = Ledger(url)
    for number, kind in enumerate(KINDS):
        _create(ledger, number, kind)
        ledger.register_dataset("p", kind, str(number), created_at=1e9 - number)
    yield ledger
    ledger.close()


def _create(ledger: Ledger, number: int, kind: str) -> str:
    job = job_pb2.Job(
        name=f"projects/p/jobs/{uuid4().hex[:12]}",
        kind=kind,
        state=job_pb2.JOB_STATE_QUEUED,
        labels={"number": str(number)},
    )
    record = JobRecord(job, "modeler", kind, uuid4().hex, 0.0)
    return ledger.create(record, request_id="", request_sha256="").job.name


def _numbers(ledger: Ledger, order_by: str, size: int) -> str:
    found, token = "", ""
    while True:
        records, token = ledger.list_jobs("p", size, token, order_by=order_by)
        assert len(records) <= size
        found += "".join(record.job.labels["number"] for record in records)
        if not token:
            return found


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize(
    ("order_by", "numbers"),
    [
        ("", "543210"),
        ("create_time", "012345"),
        ("create_time desc", "543210"),
        ("kind", "341520"),
        (" kind desc ,create_time", "025143"),
        ("state, kind desc", "520413"),
    ],
)
def test_jobs_in_order(ledger: Ledger, order_by: str, numbers: str, size: int) -> None:
    assert _numbers(ledger, order_by, size) == numbers


@pytest.mark.parametrize(
    ("order_by", "ids"),
    [("", "543210"), ("create_time desc", "012345"), ("kind desc, create_time", "520413")],
)
def test_datasets_in_order(ledger: Ledger, order_by: str, ids: str) -> None:
    found, token = "", ""
    while True:
        page, token = ledger.list_datasets("p", "", 4, token, order_by)
        found += "".join(identifier for _, identifier in page)
        if not token:
            break
    assert found == ids


def test_pages_stay_right_while_jobs_come_and_go(ledger: Ledger) -> None:
    def page(token: str = "") -> tuple[str, str]:
        records, token = ledger.list_jobs("p", 2, token, order_by="kind, create_time")
        return "".join(record.job.labels["number"] for record in records), token

    first, token = page()
    assert first == "31"
    # one before the place, and the one at the place gone
    new = _create(ledger, 9, "average")
    at = ledger.list_jobs("p", 1, "", "labels.number = 1")[0][0].job.name
    ledger.cancel(at)
    ledger.delete(at)
    second, _ = page(token)
    assert second == "40"
    ledger.cancel(new)
    ledger.delete(new)
    _create(ledger, 1, "rank")


def test_the_last_changed_first(ledger: Ledger) -> None:
    oldest = ledger.list_jobs("p", 1, "", order_by="update_time")[0][0].job
    ledger.cancel(oldest.name)
    assert ledger.list_jobs("p", 1, "", order_by="update_time desc")[0][0].job.name == oldest.name


@pytest.mark.parametrize(
    ("order_by", "part"),
    [
        ("colour", "'colour'"),
        ("kind down", "'kind down'"),
        ("kind desc desc", "'kind desc desc'"),
        ("kind,", "''"),
        ("kind, create_time, kind desc", "kind twice"),
    ],
)
def test_what_cannot_be_ordered_by(ledger: Ledger, order_by: str, part: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ledger.list_jobs("p", 0, "", order_by=order_by)
    assert caught.value.field == "order_by"
    assert part in caught.value.message
    if "twice" not in part:
        assert "create_time, update_time, kind, state" in caught.value.message
        with pytest.raises(InvalidInputError, match="name create_time, kind,"):
            ledger.list_datasets("p", "", 0, "", order_by)


def test_a_token_of_another_order(ledger: Ledger) -> None:
    _, token = ledger.list_jobs("p", 1, "", order_by="kind")
    with pytest.raises(InvalidInputError, match="another order"):
        ledger.list_jobs("p", 1, token, order_by="kind desc")
    for order, place in (("kind", [3, "x"]), ("state", [2**64, 1])):
        forged = json.dumps([f"{order}, sequence desc", *place]).encode()
        with pytest.raises(InvalidInputError, match="not given out"):
            ledger.list_jobs("p", 1, base64.urlsafe_b64encode(forged).decode(), order_by=order)
