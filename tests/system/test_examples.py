"""The examples and the notebook run, and print what they are there to show."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.system.conftest import ROOT

EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "guided_tour.ipynb"

pytestmark = pytest.mark.xdist_group("home")


@pytest.fixture(autouse=True)
def _environment(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYOLATTICE_HOME", str(home))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.chdir(tmp_path)


def _printed(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    *arguments: object,
) -> str:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out


def test_identify_ordering(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = _printed(capsys, monkeypatch, "identify_ordering.py")
    assert "<Identification: ordered, o-3701586fcc at 169.2 Å" in out
    assert "(0.0, 1.5, 0.5)" in out
    assert "NH2 on N1 assumed" in out
    assert (tmp_path / "ordering-report" / "report.html").is_file()


def test_critical_dose(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    out = _printed(capsys, monkeypatch, "critical_dose.py")
    assert "4.700 Å: 29." in out
    assert "4.700 Å: 6." in out, "the ratio of both series"
    assert "24 frames" in out


def test_compare_orderings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = _printed(capsys, monkeypatch, "compare_orderings.py")
    assert "495 orderings, 35 of them differ" in out
    # neighbouring octahedral edges are a / sqrt(2) apart; vacancies keep a whole a apart at best
    assert "o-c07e38b125           4.70 Å  P4/mmm" in out
    assert "3.32 Å" in out


def _of_kind(notebook: nbformat.NotebookNode, media_type: str) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(
        output["data"][media_type] for output in outputs if media_type in output.get("data", {})
    )


def test_the_guided_tour() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "kept without its outputs"
    NotebookClient(
        notebook,
        timeout=240,
        kernel_name="python3",
        resources={"metadata": {"path": str(EXAMPLES)}},
    ).execute()
    streams = [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    ]
    assert streams == [], "progress is shown as HTML, and nothing warns"
    shown = _of_kind(notebook, "text/html")
    assert "495 orderings in 35 classes" in shown
    assert "<progress " in shown
    assert ">Ordered<" in shown.replace(" <span", "<span").replace("Ordered<span", "Ordered<")
    assert shown.count("data:image/png;base64,") >= 5, "the report's figures"
    assert ">rank</td>" in shown, "the table of jobs"
    assert "(169.2, 1.0, True)" in _of_kind(notebook, "text/plain")
    assert len(_of_kind(notebook, "image/png").splitlines()) >= 3, "its own figures"
