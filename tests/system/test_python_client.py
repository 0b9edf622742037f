"""The Python client and the command give the same answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cryolattice
from cryolattice.settings import Settings
from tests.commands import run_here
from tests.system.conftest import DATA

pytestmark = pytest.mark.xdist_group("home")

Command = Callable[..., Any]

PARENT = DATA / "na2nh2bh4_cubic.cif"


@pytest.fixture(scope="module")
def lab(home: Path) -> Iterator[cryolattice.Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        settings = Settings(home=home)
        with cryolattice.connect(settings=settings, show_progress=False) as lab:
            yield lab


@pytest.fixture
def command(home: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command in this process, embedded, and returns its JSON."""
    monkeypatch.setenv("CRYOLATTICE_HOME", str(home))

    def ask(*arguments: object) -> Any:
        done = run_here(*arguments, "--json")
        assert done.code == 0, done.err
        return done.json

    return ask


def test_identify(lab: cryolattice.Lab, command: Command, tmp_path: Path) -> None:
    found = lab.identify(
        DATA / "micrograph_a.mrc",
        PARENT,
        (2, 2, 1),
        dose_e_per_angstrom2=22,
        energy_kev=300,
        cs_mm=2.7,
    )
    told = command(
        *("identify", DATA / "micrograph_a.mrc", "--parent", PARENT, "--supercell", 2, 2, 1),
        *("--dose", 22, "--energy-kev", 300, "--cs-mm", 2.7),
    )
    assert found.to_dict() == told
    submitted = lab.submit_identification(
        *(DATA / "micrograph_a.mrc", PARENT, (2, 2, 1)),
        dose_e_per_angstrom2=22,
        energy_kev=300,
        cs_mm=2.7,
    )
    assert submitted.advance(), "every step is in the store"
    assert submitted.wait() == found
    assert found.verdict == "ordered"
    assert found.best is not None
    assert found.best == found.ranking[0]
    assert found.dataset is not None
    assert found.dataset.name == told["dataset"]
    # the structure behind the answer lacks sodium where the answer says
    atoms = found.models.atoms(found.best.ordering_id)
    assert atoms.info["vacant_sites"] == [list(site) for site in found.best.vacant_sites]
    # what was made from what, back to the micrograph
    kinds = {dataset.kind for dataset in found.dataset.inputs}
    assert {"average", "models", "beams", "micrograph"} <= kinds
    # its sweep, written down: the same question has been answered
    sweep = {
        "models": {"parent": str(PARENT), "supercell": [2, 2, 1]},
        "thicknesses_angstrom": {"from": 4.7, "to": 300.8, "step": 4.7},
        "energy_kev": 300,
        "b_levels_angstrom2": [0.2, 0.5, 1.0],
    }
    beams = lab.sweep(sweep)
    assert beams in found.dataset.inputs
    assert lab.estimate_sweep(sweep).committed == beams.name
    written = tmp_path / "sweep.yaml"
    written.write_text(json.dumps(sweep))
    assert command("sweep", written)["name"] == beams.name


def test_dose(lab: cryolattice.Lab, command: Command) -> None:
    series, frame = DATA / "saed_98K.mrc", 2.5
    found = lab.dose(series, frame, pixel_size_per_angstrom=0.0085)
    told = command("dose", series, "--pixel-size", 0.0085, "--dose-per-frame", frame)
    assert found.to_dict() == told
    job = lab.submit_dose(series, frame, pixel_size_per_angstrom=0.0085)
    assert job.wait() == found.dataset
    first = found.reflections[0]
    assert first.d_angstrom == pytest.approx(4.70, rel=2e-3)
    low, high = first.ci95
    assert low < first.critical_dose_e_per_angstrom2 < high


def test_simulate(lab: cryolattice.Lab, command: Command) -> None:
    # the question of the guided tour: one sweep serves both
    ordering = "o-3701586fcc"
    found = lab.simulate(
        PARENT, supercell=(2, 2, 1), ordering=ordering, thickness_step_angstrom=18.8
    )
    told = command(
        *("simulate", PARENT, "--supercell", 2, 2, 1, "--ordering", ordering),
        *("--thickness-step", 18.8),
    )
    assert found.to_dict() == told
    image = found.images["image"]
    assert image.dims == ("thickness", "defocus", "y", "x")
    # two cells of 9.4 angstrom
    assert image.sizes["x"] * float(image["x"][1]) == pytest.approx(18.8, abs=0.13)
    psi = found.beams["psi"]
    assert psi.dims == ("model", "b_level", "thickness", "beam")
    np.testing.assert_allclose(psi["thickness"], 18.8 * np.arange(1, 17))
    # what is missing was scattered beyond the band limit of 1.0 per angstrom
    total = (np.abs(psi.fillna(0)) ** 2).sum("beam")
    assert float(total.min()) > 0.9
    assert float(total.max()) < 1.001


def test_lens_lattice_and_cell(lab: cryolattice.Lab) -> None:
    micrograph = DATA / "micrograph_a.mrc"
    submitted = lab.submit_average(micrograph, parent=PARENT, zone_axes="c")
    cell = submitted.wait()
    assert [job.kind for job in submitted.jobs] == ["lattice", "average"]
    assert lab.average(micrograph, parent=PARENT, zone_axes="c") == cell
    assert cell.cell is not None
    assert cell.cell.a_angstrom == pytest.approx(9.40, rel=1e-3)
    assert cell.dataset["image"].dims == ("v", "u")
    # the lattice under it is in the store by now
    asked = lab.submit_lattice(micrograph, parent=PARENT)
    assert asked.advance()
    lattice = asked.wait()
    assert lattice.dataset in cell.dataset.inputs
    assert lattice.lattices[0].superlattice == (2, 2)
    lens = lab.submit_ctf(micrograph, energy_kev=300, cs_mm=2.7).wait()
    assert not lens.found, "the example has no amorphous film"
    assert lens.warnings
