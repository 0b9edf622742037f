"""ctf, lattice and average as a user types them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from numpy.typing import NDArray

import cryolattice
from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError
from cryolattice.settings import Settings
from cryolattice.workflows.average import AverageOptions, average_cell
from cryolattice.workflows.ctf import CtfOptions, measure_ctf
from cryolattice.workflows.lattice import LatticeOptions, find_lattice
from tests.analyzer import instrument_files
from tests.analyzer.planted_crystal import plant
from tests.analyzer.planted_spectra import PIXEL_ANGSTROM, planted_spectrum
from tests.system.conftest import DATA, Run

# one worker starts the services
pytestmark = pytest.mark.xdist_group("imaging")

PARENT = DATA / "na2nh2bh4_cubic.cif"
SHARED = Path(__file__).resolve().parents[3] / "shared/data/real"


def written(path: Path, values: NDArray[np.floating], pixel_angstrom: float) -> Path:
    path.write_bytes(instrument_files.mrc(values.astype(np.float32), pixel_angstrom))
    return path


@pytest.fixture(scope="module")
def spectrum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    power = planted_spectrum(10300, 9900, 40, seed=4)
    return written(tmp_path_factory.mktemp("ctf") / "power.mrc", power, PIXEL_ANGSTROM)


@pytest.fixture(scope="module")
def crystal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    planted = plant(a=4.7 * 1.1, b=4.7 * 1.1, pixels=(384, 384), edge=None)
    return written(tmp_path_factory.mktemp("lattice") / "crystal.mrc", planted.counts, 0.5)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    counts = np.random.default_rng(2).poisson(5.5, (256, 256)).astype(np.float64)
    return written(tmp_path_factory.mktemp("noise") / "noise.mrc", counts, 0.5)


def test_lens_of_a_power_spectrum(cryolattice: Run, spectrum: Path, tmp_path: Path) -> None:
    told = ("--energy-kev", 200, "--cs-mm", 1.4, "--amplitude-contrast", 0.1)
    outcome = cryolattice(
        "ctf", spectrum, "--power-spectrum", *told, "--out", tmp_path / "ctf", "--json"
    )
    assert outcome.code == 0, outcome.err
    result = outcome.json
    assert set(result) == {
        *("found", "defocus_u_angstrom", "defocus_v_angstrom", "angle_deg"),
        *("fit_resolution_angstrom", "ci95", "amplitude_contrast", "energy_kev", "cs_mm"),
        *("warnings", "dataset"),
    }
    assert result["found"] is True
    assert result["defocus_u_angstrom"] == pytest.approx(10300, abs=40)
    assert result["defocus_v_angstrom"] == pytest.approx(9900, abs=40)
    assert result["angle_deg"] == pytest.approx(40, abs=4)
    low, high = result["ci95"]["angle_deg"]
    assert low < result["angle_deg"] < high
    assert result["warnings"] == []
    page = (tmp_path / "ctf/report.html").read_text()
    assert "--power-spectrum" in page
    assert "power.mrc" in page
    assert {path.name for path in (tmp_path / "ctf").iterdir()} == {
        *("report.html", "result.json", "ring_spectrum.png", "ring_profile.png"),
    }


@pytest.fixture(scope="module")
def connection(home: Path) -> Iterator[Connection]:
    with (
        pytest.MonkeyPatch.context() as patch,
        cryolattice.connect(settings=Settings(home=home), show_progress=False) as lab,
    ):
        patch.setenv("RAY_AUTH_MODE", "disabled")
        yield lab.connection


def test_noise_has_neither_rings_nor_lattice(connection: Connection, noise: Path) -> None:
    found = measure_ctf(connection, noise, CtfOptions()).document
    assert found["found"] is False
    assert found["defocus_u_angstrom"] is None
    assert any("no rings" in remark for remark in found["warnings"])
    found = average_cell(connection, noise, AverageOptions()).document
    assert found["found"] is False
    assert found["reflections"] == []
    assert found["cell"] is None
    assert any("nothing to average" in remark for remark in found["warnings"])


def test_mismatch_with_the_parent_is_said(connection: Connection, crystal: Path) -> None:
    found = find_lattice(connection, crystal, LatticeOptions(parent=PARENT)).document
    assert found["found"] is True
    (lattice,) = found["lattices"]
    assert lattice["a_angstrom"] == pytest.approx(5.17, rel=5e-3)
    assert lattice["mismatch_percent"] == pytest.approx(10, abs=0.5)
    (away, remark) = found["warnings"]
    assert "the parent's lattice is not found" in away
    assert "10.0 % larger than the parent's" in remark
    assert "0.45" in remark  # the pixel size that would agree


def test_averaged_cell(connection: Connection, crystal: Path, tmp_path: Path) -> None:
    out = tmp_path / "average"
    found = average_cell(connection, crystal, AverageOptions(), out=out).document
    cell = found["cell"]
    assert cell["supercell"] == [1, 1]
    assert cell["a_angstrom"] == pytest.approx(5.17, rel=5e-3)
    assert found["cells"] == pytest.approx((384 * 0.5 / 5.17) ** 2, rel=0.15)
    amplitudes = [row["amplitude"] for row in found["reflections"]]
    assert amplitudes == sorted(amplitudes, reverse=True)
    # the strongest that were planted, |(1, 0)| and |(2, 2)|
    assert amplitudes[0] == pytest.approx(0.0539, abs=0.004)
    assert found["reflections"][0]["snr"] > 10
    assert (out / "averaged_cell.png").stat().st_size > 10_000
    assert "cells averaged" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (CtfOptions(amplitude_contrast=2), "amplitude_contrast"),
        (CtfOptions(defocus_range_angstrom=(900, 300)), "defocus_range"),
        (CtfOptions(resolution_angstrom=(3, 30)), "resolution"),
        (CtfOptions(power_spectrum=True), "power_spectrum"),
    ],
)
def test_what_a_lens_cannot_be(
    connection: Connection, spectrum: Path, tmp_path: Path, options: CtfOptions, field: str
) -> None:
    with mrcfile.open(spectrum) as mrc:
        cornered = written(tmp_path / "corner.mrc", np.fft.ifftshift(mrc.data), PIXEL_ANGSTROM)
    with pytest.raises(InvalidInputError) as caught:
        measure_ctf(connection, cornered, options, out=tmp_path / "out")
    assert caught.value.field == field
    assert not (tmp_path / "out").exists()


@pytest.mark.real_data
@pytest.mark.skipif(not SHARED.exists(), reason="third-party files are not here")
def test_calibration_of_a_real_file_is_off(cryolattice: Run) -> None:
    outcome = cryolattice(
        *("lattice", SHARED / "lattice/Acquisition_18.emd"),
        *("--parent", SHARED / "cif/abtem_srtio3_100.cif"),
    )
    assert outcome.code == 0, outcome.err
    words = " ".join(outcome.out.split())
    assert "mismatch with the parent +5.2" in words
    assert "larger than the parent's (a 4.11" in words
