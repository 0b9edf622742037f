"""The orderings job on a real ledger and store, killed in the middle of a tile and gone on with."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cryolattice.errors import LimitExceededError
from cryolattice.jobs.kinds import Inputs
from cryolattice.jobs.runner import run_job
from cryolattice.ledger.ledger import Ledger
from cryolattice.settings import Settings
from cryolattice.store.array_store import open_store
from cryolattice.store.reader import DatasetReader
from cryolattice_api.common.v1 import job_pb2
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_modeler import ordering_job
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.ordering_job import prepare_orderings
from cryolattice_modeler.orderings import enumerate_orderings
from tests.queued import queue_job

ROWS = 400
# killed when the multiplicities of the fifth tile are stored, and its numbers not yet
KILLED = f"""
import os, signal, sys
from pathlib import Path
from cryolattice.jobs.runner import run_job
from cryolattice.settings import Settings
from cryolattice.store.writer import DatasetWriter
from cryolattice_modeler import ordering_job
ordering_job.ROWS_PER_TILE = {ROWS}
write = DatasetWriter.write
def write_or_die(self, name, values, start=0):
    if (name, start) == ("number", 4 * {ROWS}):
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, name, values, start)
DatasetWriter.write = write_or_die
run_job(sys.argv[2], Settings(home=Path(sys.argv[1])))
"""


def spec_of(text: str, cells: tuple[int, int, int]) -> modeler_pb2.OrderingsSpec:
    a, b, c = cells
    return modeler_pb2.OrderingsSpec(
        parent_crystal=modeler_pb2.Crystal(cif=text), supercell=Supercell(a=a, b=b, c=c)
    )


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[list[tuple[Settings, Ledger]]]:
    settings = [Settings(home=tmp_path / name) for name in ("peace", "killed")]
    ledgers = [Ledger(each.ledger_url) for each in settings]
    yield list(zip(settings, ledgers, strict=True))
    for ledger in ledgers:
        ledger.close()


def test_a_killed_enumeration_goes_on_and_gives_the_same_bytes(
    cubic: ParentCrystal,
    cubic_text: str,
    homes: list[tuple[Settings, Ledger]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ordering_job, "ROWS_PER_TILE", ROWS)
    names, datasets = [], []
    for settings, ledger in homes:
        spec = spec_of(cubic_text, (2, 2, 2))
        names.append(queue_job(ledger, open_store(settings.store_url), "orderings", spec))
    (peace, _), (killed, ledger) = homes
    arguments = [sys.executable, "-c", KILLED, str(killed.home), names[1]]
    ended = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    halfway = ledger.get(names[1]).job
    assert (halfway.progress.succeeded, halfway.progress.tile_count) == (4, 7)
    ledger.release(names[1], halfway.attempt, "its process died")  # as its supervisor does
    for name, settings in zip(names, (peace, killed), strict=True):
        job = run_job(name, settings)
        assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.state_message
        root = open_store(settings.store_url)
        datasets.append(Inputs(root).open(job.output, "orderings", field="orderings"))
    progress = ledger.get(names[1]).job.progress
    assert (progress.reused, progress.succeeded, progress.tile_count) == (4, 7, 7)
    objects = [
        [stored for stored in dataset.manifest.objects if stored.key.startswith("data.zarr")]
        for dataset in datasets
    ]
    assert objects[0] == objects[1]
    assert datasets[0].manifest.id == datasets[1].manifest.id
    check_rows(datasets[1], cubic)


def check_rows(dataset: DatasetReader, parent: ParentCrystal) -> None:
    orderings = list(enumerate_orderings(parent, (2, 2, 2)))
    ids = [f"o-{number:016x}"[:12] for number in dataset.array("ordering").tolist()]
    assert ids == [ordering.ordering_id for ordering in orderings]
    assert dataset.array("multiplicity").sum() == 735_471
    numbers, positions = dataset.array("number"), dataset.array("position")
    assert (np.unique(numbers).tolist(), numbers.shape) == ([0, 11], (2664, 24))
    for place in (0, 1000, 2663):
        vacant = positions[numbers[place] == 0] / 4.7
        assert {tuple(site) for site in np.round(vacant, 6).tolist()} == {
            tuple(site) for site in np.round(orderings[place].vacant, 6).tolist()
        }
    assert np.allclose(dataset.array("cell"), 9.4 * np.eye(3))


def test_the_cost_is_known_before_and_bounded(cubic_text: str, tmp_path: Path) -> None:
    inputs = Inputs(open_store(Settings(home=tmp_path).store_url))
    estimate = prepare_orderings(spec_of(cubic_text, (3, 2, 2)), inputs)
    assert estimate.tile_count == -(-6_849_807 // 16_384)
    assert estimate.store_bytes == 6_849_807 * (36 + 12)
    with pytest.raises(LimitExceededError, match="above the limit of 100,000,000 for a dataset"):
        prepare_orderings(spec_of(cubic_text, (3, 3, 3)), inputs)
