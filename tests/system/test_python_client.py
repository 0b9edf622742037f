"""The Python client and the command give the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import cryolattice
from cryolattice.settings import Settings
from tests.system.conftest import DATA, Run

pytestmark = pytest.mark.xdist_group("ray")

PARENT = DATA / "na2nh2bh4_cubic.cif"


@pytest.fixture(scope="module")
def lab(home: Path) -> Iterator[cryolattice.Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        settings = Settings(home=home)
        with cryolattice.connect(settings=settings, show_progress=False) as lab:
            yield lab


def test_identify(lab: cryolattice.Lab, cryolattice: Run) -> None:
    found = lab.identify(
        DATA / "micrograph_a.mrc",
        PARENT,
        (2, 2, 1),
        dose_e_per_angstrom2=22,
        energy_kev=300,
        cs_mm=2.7,
    )
    told = cryolattice(
        *("identify", DATA / "micrograph_a.mrc", "--parent", PARENT, "--supercell", 2, 2, 1),
        *("--dose", 22, "--energy-kev", 300, "--cs-mm", 2.7, "--json"),
    )
    assert found.to_dict() == told.json
    assert found.verdict == "ordered"
    assert found.best is not None
    assert found.best == found.ranking[0]
    assert found.dataset is not None
    assert found.dataset.name == told.json["dataset"]
    # the structure behind the answer lacks sodium where the answer says
    atoms = found.models.atoms(found.best.ordering_id)
    assert atoms.info["vacant_sites"] == [list(site) for site in found.best.vacant_sites]
    # what was made from what, back to the micrograph
    kinds = {dataset.kind for dataset in found.dataset.inputs}
    assert {"average", "models", "beams", "micrograph"} <= kinds


def test_dose(lab: cryolattice.Lab, cryolattice: Run) -> None:
    series, frame = DATA / "saed_98K.mrc", 2.5
    found = lab.dose(series, frame, pixel_size_per_angstrom=0.0085)
    told = cryolattice("dose", series, "--pixel-size", 0.0085, "--dose-per-frame", frame, "--json")
    assert found.to_dict() == told.json
    job = lab.submit_dose(series, frame, pixel_size_per_angstrom=0.0085)
    assert job.wait() == found.dataset
    first = found.reflections[0]
    assert first.d_angstrom == pytest.approx(4.70, rel=2e-3)
    low, high = first.ci95
    assert low < first.critical_dose_e_per_angstrom2 < high


def test_simulate(lab: cryolattice.Lab, cryolattice: Run) -> None:
    found = lab.simulate(PARENT, thickness_step_angstrom=18.8)
    told = cryolattice("simulate", PARENT, "--thickness-step", 18.8, "--json")
    assert found.to_dict() == told.json
    psi = found.beams["psi"]
    assert psi.dims == ("model", "b_level", "thickness", "beam")
    np.testing.assert_allclose(psi["thickness"], 18.8 * np.arange(1, 17))
    # no electron is lost but those that leave the band limit
    total = (np.abs(psi.fillna(0)) ** 2).sum("beam")
    assert float(total.min()) > 0.95
    assert float(total.max()) < 1.001


def test_lens_lattice_and_cell(lab: cryolattice.Lab) -> None:
    micrograph = DATA / "micrograph_a.mrc"
    cell = lab.average(micrograph, parent=PARENT, zone_axes="c")
    assert cell.cell is not None
    assert cell.cell.a_angstrom == pytest.approx(9.40, rel=1e-3)
    assert cell.dataset["image"].dims == ("v", "u")
    # the lattice under it is in the store by now
    lattice = lab.lattice(micrograph, parent=PARENT)
    assert lattice.dataset in cell.dataset.inputs
    assert lattice.lattices[0].superlattice == (2, 2)
    lens = lab.ctf(micrograph, energy_kev=300, cs_mm=2.7)
    assert not lens.found, "the example has no amorphous film"
    assert lens.warnings
