from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from cryolattice.errors import InvalidInputError
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.settings import Settings
from cryolattice_api.common.v1 import job_pb2


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """Four jobs: their labels say what they are."""
    if request.param == "sqlite":
        url = Settings(home=tmp_path_factory.mktemp("home")).ledger_url
    else:
        url = request.getfixturevalue("postgresql_server").new_url()
    ledger = Ledger(url)
    for number, (kind, sample) in enumerate(
        [("sweep", "A 3"), ("sweep", 'say "no"'), ("report", ""), ("rank", "B")]
    ):
        job = job_pb2.Job(
            name=f"projects/p/jobs/{uuid4().hex[:12]}",
            kind=kind,
            state=job_pb2.JOB_STATE_QUEUED,
            labels={"number": str(number), **({"sample-name": sample} if sample else {})},
        )
        record = JobRecord(job, "modeler", kind, uuid4().hex, 0.0)
        name = ledger.create(record, request_id="", request_sha256="").job.name
        if kind == "rank":
            ledger.begin_attempt(name, "me", 30.0)
    yield ledger
    ledger.close()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", "3210"),
        ("  ", "3210"),
        ("state = QUEUED", "210"),
        ("state=JOB_STATE_RUNNING", "3"),
        ("state != QUEUED", "3"),
        ('kind = "sweep"', "10"),
        ("kind=sweep AND labels.number=1", "1"),
        ('labels.sample-name = "A 3"', "0"),
        (r'labels.sample-name = "say \"no\""', "1"),
        ("labels.sample-name != B", "210"),
        ("labels.other = x", ""),
        ('create_time > "2020-01-31T12:00:00Z" AND kind = rank', "3"),
        ('create_time < "2020-01-31"', ""),
    ],
)
def test_a_filter_chooses(ledger: Ledger, text: str, numbers: str) -> None:
    records, token = ledger.list_jobs("p", 0, "", text)
    assert "".join(record.job.labels["number"] for record in records) == numbers
    assert token == ""


def test_pages_of_a_filter(ledger: Ledger) -> None:
    first, token = ledger.list_jobs("p", 1, "", "kind = sweep")
    second, end = ledger.list_jobs("p", 1, token, "kind = sweep")
    assert [record.job.labels["number"] for record in first + second] == ["1", "0"]
    assert end == ""


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("state", "'state'"),
        ("kind = sweep OR kind = rank", "'OR kind = rank'"),
        ("kind = sweep kind = rank", "'kind = rank'"),
        ("kind = sweep AND ", "kind = sweep AND"),
        ("kind < sweep", "'kind < sweep'"),
        ("colour = red", "'colour = red'"),
        ("labels = red", "'labels = red'"),
        ("state = ASLEEP", "one of QUEUED"),
        ("create_time > yesterday", "2026-01-31T12:00:00Z"),
        ("kind = 'a b'", "cannot read"),
    ],
)
def test_what_cannot_be_read_is_quoted(ledger: Ledger, text: str, part: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ledger.list_jobs("p", 0, "", text)
    assert caught.value.field == "filter"
    assert part in caught.value.message
