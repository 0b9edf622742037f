"""What a user gets wrong: one clear line, exit code 2, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.analyzer import instrument_files
from tests.commands import run_here
from tests.system.conftest import DATA, Deployment

pytestmark = pytest.mark.xdist_group("served")

PARENT = DATA / "na2nh2bh4_cubic.cif"
COUNTS = np.random.default_rng(1).poisson(5.5, (128, 128)).astype(np.float32)


def _mrc(path: Path, data: NDArray[np.float32], voxel: float) -> Path:
    return _written(path, instrument_files.mrc(data, voxel))


def _fully_occupied(path: Path) -> Path:
    path.write_text(PARENT.read_text().replace("0.66667", "1.0"))
    return path


def _malformed(path: Path) -> Path:
    path.write_text("loop_\n_atom_site_label\n _atom_site_fract_x 'open quote\n")
    return path


def _truncated(path: Path) -> Path:
    path.write_bytes((DATA / "micrograph_a.mrc").read_bytes()[:100_000])
    return path


def _with_nan(path: Path) -> Path:
    data = COUNTS.copy()
    data[5, 7] = np.nan
    return _mrc(path, data, 0.5)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _pattern(folder: Path) -> Path:
    _written(folder / "pair.emi", instrument_files.emi("TEM uP SA Zoom Diffraction"))
    return _written(folder / "pair_1.ser", instrument_files.ser(COUNTS, 1e8))


MICROGRAPH = str(DATA / "micrograph_a.mrc")
Case = tuple[Callable[[Path], list[object]], str, str]


def _identify(micrograph: object, *options: object, parent: object = PARENT) -> list[object]:
    return ["identify", micrograph, "--parent", parent, "--supercell", 2, 2, 1, *options]


CASES: dict[str, Case] = {
    "missing file": (lambda d: _identify(d / "none.mrc"), "UNREADABLE_FILE", "none.mrc"),
    "truncated file": (
        lambda d: _identify(_truncated(d / "cut.mrc")),
        "UNREADABLE_FILE",
        "cut.mrc",
    ),
    "not a micrograph": (lambda d: _identify(PARENT), "UNREADABLE_FILE", ".cif"),
    "no pixel size": (
        lambda d: _identify(_mrc(d / "zero.mrc", COUNTS, 0.0)),
        "MISSING_CALIBRATION",
        "angstrom",
    ),
    "pixel size -1": (
        lambda d: _identify(_mrc(d / "minus.mrc", COUNTS, -1.0)),
        "MISSING_CALIBRATION",
        "angstrom",
    ),
    "series without its .emi": (
        lambda d: _identify(_written(d / "lone_1.ser", instrument_files.ser(COUNTS, 1e8))),
        "UNREADABLE_FILE",
        "lone.emi",
    ),
    # only with the .emi, which goes up too, is it known to be one
    "pattern for an image": (
        lambda d: _identify(_pattern(d)),
        "INVALID_INPUT",
        "0.1 1 / nm",
    ),
    "picture with an instrument's name": (
        lambda d: _identify(_written(d / "a.dm4", b"\x89PNG\r\n\x1a\n" + bytes(200))),
        "UNREADABLE_FILE",
        "PNG",
    ),
    "not a number": (
        lambda d: _identify(_with_nan(d / "nan.mrc")),
        "INVALID_INPUT",
        "y = 5, x = 7",
    ),
    "zero dose": (lambda d: _identify(MICROGRAPH, "--dose", 0), "INVALID_INPUT", "e/angstrom^2"),
    "negative energy": (
        lambda d: _identify(MICROGRAPH, "--energy-kev", -300),
        "INVALID_INPUT",
        "keV",
    ),
    "negative pixel": (
        lambda d: _identify(MICROGRAPH, "--pixel-size", -0.5),
        "INVALID_INPUT",
        "angstrom",
    ),
    "zero supercell": (
        lambda d: ["enumerate", PARENT, "--supercell", 2, 0, 1],
        "INVALID_INPUT",
        "2 0 1",
    ),
    "negative thickness": (
        lambda d: _identify(MICROGRAPH, "--thickness-max", -5),
        "INVALID_INPUT",
        "angstrom",
    ),
    # refused before its model is built
    "negative thickness of a simulation": (
        lambda d: ["simulate", PARENT, "--thickness", -5],
        "INVALID_INPUT",
        "-5 angstrom",
    ),
    "negative Debye-Waller factor": (
        lambda d: _identify(MICROGRAPH, "--debye-waller", -1),
        "INVALID_INPUT",
        "angstrom^2",
    ),
    "thickness off the period": (
        lambda d: _identify(MICROGRAPH, "--thickness-step", 5),
        "INVALID_INPUT",
        "4.7",
    ),
    "malformed crystal": (
        lambda d: _identify(MICROGRAPH, parent=_malformed(d / "bad.cif")),
        "UNREADABLE_FILE",
        "bad.cif",
    ),
    "nothing to order": (
        lambda d: _identify(MICROGRAPH, parent=_fully_occupied(d / "full.cif")),
        "NOTHING_TO_ORDER",
        "full.cif",
    ),
    "no whole number of vacancies": (
        lambda d: _identify(MICROGRAPH, parent=_three_quarters(d / "threequarters.cif")),
        "IMPOSSIBLE_COMPOSITION",
        "0.7",
    ),
    "unknown cluster": (
        lambda d: _identify(MICROGRAPH, "--cluster", "N1=NH9"),
        "INVALID_INPUT",
        "NH9",
    ),
    "no dose per frame": (
        lambda d: ["dose", DATA / "saed_98K.mrc", "--pixel-size", 0.0085],
        "MISSING_CALIBRATION",
        "no file tells the dose of a frame",
    ),
    "zero dose per frame": (
        lambda d: ["dose", DATA / "saed_98K.mrc", "--pixel-size", 0.0085, "--dose-per-frame", 0],
        "INVALID_INPUT",
        "e/angstrom^2",
    ),
    "unknown option": (lambda d: ["enumerate", PARENT, "--bogus"], "USAGE", "--bogus"),
}


def _three_quarters(path: Path) -> Path:
    path.write_text(PARENT.read_text().replace("0.66667", "0.7"))
    return path


@pytest.mark.parametrize("name", CASES)
def test_one_clear_line_and_nothing_left(
    name: str, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYOLATTICE_HOME", str(tmp_path / "home"))
    make, reason, telling = CASES[name]
    arguments = make(tmp_path)
    before = _stored(deployment)
    outcome = run_here(
        *arguments, "--out", tmp_path / "out", "--server", deployment.address, "--json"
    )
    assert outcome.code == 2, outcome.err
    error = outcome.json["error"]
    assert error["reason"] == reason
    assert telling in error["message"]
    assert error["field"] or reason == "USAGE"
    assert "\n" not in error["message"]
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "out").exists()
    assert _stored(deployment) == before


def _stored(deployment: Deployment) -> list[str]:
    store = deployment.home / "store"
    return sorted(str(path) for path in store.rglob("*") if path.is_file())
