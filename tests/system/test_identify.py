"""The main job on the example micrographs, through the command."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.analyzer import instrument_files
from tests.system.conftest import DATA, Run

pytestmark = pytest.mark.xdist_group("home")

MICROSCOPE = ("--dose", 22, "--energy-kev", 300, "--cs-mm", 2.7)
PARENT = ("--parent", DATA / "na2nh2bh4_cubic.cif", "--supercell", 2, 2, 1)


@pytest.fixture(scope="module")
def truth() -> Any:
    return json.loads((DATA / "truth.json").read_text())


@pytest.fixture(scope="module")
def ordered(cryolattice: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    out = tmp_path_factory.mktemp("reports") / "ordered"
    outcome = cryolattice(
        "identify", DATA / "micrograph_a.mrc", *PARENT, *MICROSCOPE, "--out", out, "--json"
    )
    assert outcome.code == 0, outcome.err
    return outcome.json, out


def _columns(sites: list[list[float]]) -> NDArray[np.int64]:
    """Half-cell grid coordinates (x, y, z) of sites in units of the parent's axes."""
    return np.rint(2 * np.asarray(sites)).astype(int)


def _alike(one: list[list[float]], other: list[list[float]]) -> bool:
    """Whether a turn, mirror or lattice translation takes one set of sites to the other."""
    target = {tuple(site) for site in np.mod(_columns(other), (4, 4, 2))}
    turns = [np.array(m).reshape(2, 2) for m in itertools.product((-1, 0, 1), repeat=4)]
    turns = [m for m in turns if abs(round(np.linalg.det(m))) == 1 and (m @ m.T == np.eye(2)).all()]
    for turn, shift in itertools.product(turns, itertools.product((0, 2), repeat=2)):
        sites = _columns(one)
        sites[:, :2] = sites[:, :2] @ turn.T + np.array(shift)
        if {tuple(site) for site in np.mod(sites, (4, 4, 2))} == target:
            return True
    return False


def test_ordered_micrograph(ordered: tuple[Any, Path], truth: Any) -> None:
    result, _ = ordered
    planted = truth["micrograph_a"]
    assert result["verdict"] == "ordered"
    lattice = result["lattice"]
    assert lattice["supercell"] == [2, 2]
    assert lattice["a_angstrom"] == pytest.approx(9.40, rel=1e-3)
    assert lattice["b_angstrom"] == pytest.approx(9.40, rel=1e-3)
    best = result["best"]
    assert _alike(best["vacant_sites"], planted["vacant_sites_parent_fractional"])
    assert best["probability"] >= 0.95
    assert best["zone_axis"] == [0, 0, 1]
    # one step of the paper's thickness series
    assert abs(best["thickness_angstrom"] - planted["thickness_A"]) <= 18.8
    ctf = result["ctf"]
    assert ctf["defocus_angstrom"] == pytest.approx(planted["defocus"], rel=0.02)
    split = planted["defocus_u"] - planted["defocus_v"]
    assert ctf["astigmatism_angstrom"] == pytest.approx(split, abs=40)
    assert ctf["astigmatism_angle_deg"] == pytest.approx(planted["angle_deg"], abs=8)


def test_the_json_has_the_stable_names(ordered: tuple[Any, Path]) -> None:
    result, _ = ordered
    assert set(result) == {
        "verdict",
        "lattice",
        "ctf",
        "best",
        "ranking",
        "candidates_searched",
        "cascade",
        "warnings",
        "dataset",
    }
    assert set(result["lattice"]) == {
        "a_angstrom",
        "b_angstrom",
        "gamma_deg",
        "rotation_deg",
        "supercell",
        "superlattice_snr",
    }
    assert set(result["ctf"]) == {
        "defocus_angstrom",
        "astigmatism_angstrom",
        "astigmatism_angle_deg",
    }
    wanted = {
        "ordering_id",
        "vacant_sites",
        "zone_axis",
        "thickness_angstrom",
        "score",
        "probability",
        "equivalents",
    }
    assert wanted <= set(result["best"])
    assert result["best"] == result["ranking"][0]
    # 35 orderings and the disordered parent
    assert result["candidates_searched"] == 36
    probabilities = [row["probability"] for row in result["ranking"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-6)
    assert result["dataset"].startswith("projects/default/datasets/")
    # the hydrogens are not in the file: what was assumed is said
    assert any("NH2 on N1" in warning for warning in result["warnings"])


def test_the_report_is_self_contained(ordered: tuple[Any, Path]) -> None:
    _, out = ordered
    html = (out / "report.html").read_text()
    for name in ("micrograph", "power_spectrum", "averaged_cell", "ranking", "ring_profile"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert html.count("data:image/webp;base64,") == len(list(out.glob("*.png")))
    assert len(html) < 5_000_000
    assert json.loads((out / "result.json").read_text())["verdict"] == "ordered"
    assert "<script" not in html
    assert "http://" not in html
    assert "https://" not in html
    assert "Ordered" in html


def test_the_same_question_is_answered_at_once(ordered: tuple[Any, Path], cryolattice: Run) -> None:
    again = cryolattice("identify", DATA / "micrograph_a.mrc", *PARENT, *MICROSCOPE, "--json")
    assert again.json == ordered[0]
    jobs = cryolattice("jobs", "list", "--json").json["jobs"]
    newest = next(job for job in jobs if job["kind"] == "rank")
    assert newest["state_message"] == "the same question was answered before"


def test_disordered_micrograph(cryolattice: Run) -> None:
    outcome = cryolattice(
        "identify", DATA / "micrograph_disordered.mrc", *PARENT, *MICROSCOPE, "--json"
    )
    assert outcome.code == 0, outcome.err
    result = outcome.json
    assert result["verdict"] == "disordered"
    assert result["lattice"]["supercell"] == [1, 1]
    assert result["lattice"]["a_angstrom"] == pytest.approx(4.70, rel=1e-3)
    assert result["lattice"]["b_angstrom"] == pytest.approx(4.70, rel=1e-3)
    assert result["best"]["ordering_id"] == "disordered"
    assert result["best"]["vacant_sites"] == []


@pytest.mark.slow  # six jobs, four of which import abTEM
def test_the_cascade_finds_the_same(
    ordered: tuple[Any, Path], cryolattice: Run, tmp_path: Path
) -> None:
    narrow = ("--thickness-max", 188, "--thickness-step", 18.8)
    outcome = cryolattice(
        *("identify", DATA / "micrograph_a.mrc", *PARENT, *MICROSCOPE, *narrow),
        *("--cascade", "on", "--out", tmp_path, "--json"),
    )
    assert outcome.code == 0, outcome.err
    result, whole = outcome.json, ordered[0]
    assert (result["verdict"], result["best"]["ordering_id"]) == (
        whole["verdict"],
        whole["best"]["ordering_id"],
    )
    steps = result["cascade"]
    # one of each set that projects alike; the best are refined, and abTEM's waves check them
    assert steps["refined"] < steps["screened"] <= result["candidates_searched"]
    assert steps["confirmation"]["same_first"]
    assert steps["confirmation"]["engine"].startswith("abtem")
    assert "abTEM" in (tmp_path / "report.html").read_text()


def test_noise_is_undetermined(cryolattice: Run, tmp_path: Path) -> None:
    counts = np.random.default_rng(3).poisson(5.5, (512, 512)).astype(np.float32)
    path = tmp_path / "noise.mrc"
    path.write_bytes(instrument_files.mrc(counts, 0.5))
    outcome = cryolattice("identify", path, *PARENT, *MICROSCOPE, "--json")
    assert outcome.code == 0, outcome.err
    result = outcome.json
    assert result["verdict"] == "undetermined"
    assert result["best"] is None
    assert any("no lattice" in warning for warning in result["warnings"])
