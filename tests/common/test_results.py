"""Results are read from what the commands print, whatever else stands there."""

from __future__ import annotations

from typing import Any

import pytest

from cryolattice.client.results.doses import CriticalDoses
from cryolattice.client.results.identification import Identification
from cryolattice.client.results.imaging import AveragedCell, Ctf, Lattices
from cryolattice.client.results.reproduction import Reproduction

SITES = [[0.0, 0.5, 0.5], [0.5, 1.0, 0.5]]
BEST = {
    "ordering_id": "o-1",
    "vacant_sites": SITES,
    "zone_axis": [0, 0, 1],
    "thickness_angstrom": 169.2,
    "score": 0.99,
    "probability": 0.98,
    "equivalents": [
        {"ordering_id": "o-1", "vacant_sites": SITES},
        {"ordering_id": "o-<2>", "vacant_sites": SITES},
    ],
    "of_a_newer_server": 1,
}
DOCUMENT: dict[str, Any] = {
    "verdict": "ordered",
    "lattice": {
        "a_angstrom": 9.4,
        "b_angstrom": 9.41,
        "gamma_deg": 90.0,
        "rotation_deg": 12.0,
        "supercell": [2, 2],
        "superlattice_snr": 30.0,
    },
    "ctf": {
        "defocus_angstrom": 2500.0,
        "astigmatism_angstrom": 160.0,
        "astigmatism_angle_deg": 22.0,
    },
    "best": BEST,
    "ranking": [BEST],
    "candidates_searched": 36,
    "cascade": None,
    "warnings": ["<script>"],
    "dataset": "projects/default/datasets/0",
}
PARTS: dict[str, Any] = {"dataset": None, "models": None, "make_report": lambda: None}


def test_an_identification() -> None:
    found = Identification.from_document(DOCUMENT, **PARTS)
    assert found.to_dict() == DOCUMENT
    assert found.best is not None
    assert found.best.vacant_sites == ((0.0, 0.5, 0.5), (0.5, 1.0, 0.5))
    assert found.best.zone_axis == (0, 0, 1)
    assert [same.ordering_id for same in found.best.equivalents] == ["o-1", "o-<2>"]
    assert found.ranking == (found.best,)
    assert found.lattice is not None
    assert found.lattice.supercell == (2, 2)
    assert repr(found) == ("<Identification: ordered, o-1 at 169.2 Å, probability 0.980>")
    shown = found._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "o-&lt;2&gt;" in shown
    assert "<script" not in shown
    with pytest.raises(AttributeError):
        found.verdict = "disordered"  # type: ignore[misc]


def test_the_steps_of_a_cascade() -> None:
    confirmation = {
        "engine": "abtem 1.0.11",
        "candidates": 4,
        "same_first": True,
        "score": 0.99,
        "chi2_per_dof": 1.4,
        "thickness_angstrom": 169.2,
        "dataset": "projects/default/datasets/2",
    }
    steps = {
        "screened": 1216,
        "refined": 122,
        "dropped_probability": 0.0,
        "confirmation": confirmation,
        "screen_dataset": "projects/default/datasets/1",
    }
    found = Identification.from_document({**DOCUMENT, "cascade": steps}, **PARTS).cascade
    assert found is not None
    assert (found.screened, found.refined) == (1216, 122)
    assert found.confirmation is not None
    assert found.confirmation.same_first
    steps["confirmation"] = None
    found = Identification.from_document({**DOCUMENT, "cascade": steps}, **PARTS).cascade
    assert found is not None
    assert found.confirmation is None


def test_an_undetermined_one_gives_its_reason() -> None:
    document = {
        **DOCUMENT,
        "verdict": "undetermined",
        "best": None,
        "lattice": None,
        "ctf": None,
        "ranking": [],
        "warnings": ["no lattice of the parent is found"],
    }
    found = Identification.from_document(document, **PARTS)
    assert (found.best, found.ranking, found.lattice, found.ctf) == (None, (), None, None)
    assert repr(found) == "<Identification: undetermined: no lattice of the parent is found>"
    assert "note: no lattice" in found._repr_html_()


def test_critical_doses_of_one_series() -> None:
    row = {
        "d_angstrom": 4.7,
        "spots": 4,
        "critical_dose_e_per_angstrom2": 29.1,
        "ci95": [28.5, 29.8],
        "model": "exponential",
    }
    parts = {name: PARTS[name] for name in ("dataset", "make_report")}
    found = CriticalDoses.from_document({"reflections": [row], "warnings": []}, **parts)
    assert found.reflections[0].ci95 == (28.5, 29.8)
    assert found.compare == found.improvement == ()
    assert "4.700 Å: 29.10 e/Å² (28.50 - 29.80), 4 spots" in repr(found)
    assert "First over second" not in found._repr_html_()


def test_a_reproduction() -> None:
    document = {
        "figures": [{"name": "figure_5d_exit_wave", "title": "5D", "caption": "..."}],
        "comparison": [
            {"quantity": "thickness", "unit": "Å", "paper": 169.2, "found": 169.2, "ci95": None},
            {
                "quantity": "critical dose",
                "unit": "e/Å²",
                "paper": 29.0,
                "found": 29.14,
                "ci95": [28.5, 29.8],
            },
        ],
        "warnings": ["<script>"],
        "dataset": "projects/default/datasets/0",
    }
    dataset: Any = None
    found = Reproduction.from_document(document, dataset)
    assert found.to_dict() == document
    assert found.comparison[1].ci95 == (28.5, 29.8)
    assert found.comparison[0].ci95 is None
    assert "critical dose: 29.14 e/Å², paper 29" in repr(found)
    shown = found._repr_html_()
    assert "28.5 - 29.8" in shown
    assert "<script>" not in shown


ASIDE: dict[str, Any] = {"warnings": ["<b>"], "dataset": "projects/default/datasets/0"}


def _of_a_micrograph(cls: type[Any], document: dict[str, Any]) -> Any:
    found = cls.from_document(document, dataset=None, make_report=lambda: None)
    assert found.to_dict() == document
    shown = found._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    return found


def test_a_lens() -> None:
    used = {"amplitude_contrast": 0.07, "energy_kev": 300.0, "cs_mm": 2.7}
    fitted = {
        "defocus_u_angstrom": 2580.0,
        "defocus_v_angstrom": 2420.0,
        "angle_deg": 22.4,
        "fit_resolution_angstrom": 3.1,
        "ci95": {"defocus_u_angstrom": [2570.0, 2590.0]},
    }
    found = _of_a_micrograph(Ctf, {"found": True, **fitted, **used, **ASIDE})
    assert found.ci95 == {"defocus_u_angstrom": (2570.0, 2590.0)}
    assert repr(found) == "<Ctf: defocus 2580 and 2420 Å, U at 22.4°, rings to 3.1 Å>"
    assert "2570 - 2590" in found._repr_html_()
    nothing = {"found": False, **dict.fromkeys(fitted), **used, **ASIDE}
    assert repr(_of_a_micrograph(Ctf, nothing)) == "<Ctf: no rings of an amorphous film>"


def test_lattices() -> None:
    row = {
        "a_angstrom": 9.4,
        "b_angstrom": 9.41,
        "gamma_deg": 90.0,
        "rotation_deg": 12.0,
        "spots": 14,
        "superlattice": [2, 2],
        "mismatch_percent": None,
    }
    document = {"found": True, "lattices": [row], "superlattice_snr": 30.0, "reason": None, **ASIDE}
    found = _of_a_micrograph(Lattices, document)
    assert found.lattices[0].superlattice == (2, 2)
    assert "repeat 2 x 2" in repr(found)
    none = {**document, "found": False, "lattices": [], "reason": "too few spots"}
    assert repr(_of_a_micrograph(Lattices, none)) == "<Lattices: none: too few spots>"


def test_an_averaged_cell() -> None:
    document = {
        "found": True,
        "cell": {
            "a_angstrom": 9.4,
            "b_angstrom": 9.4,
            "gamma_deg": 90.0,
            "rotation_deg": 12.0,
            "supercell": [2, 2],
        },
        "cells": 1468.7,
        "area_angstrom2": 1.3e5,
        "mean_counts": 4.4,
        "image_standard_error": 0.008,
        "reflections": [
            {
                "h": 1,
                "k": 0,
                "d_angstrom": 9.4,
                "amplitude": 0.1,
                "phase_deg": 10.0,
                "standard_error": 0.002,
                "snr": 50.0,
            }
        ],
        **ASIDE,
    }
    found = _of_a_micrograph(AveragedCell, document)
    assert found.cell.supercell == (2, 2)
    assert found.reflections[0].d_angstrom == 9.4
    assert "1469 cells of 9.400 x 9.400 Å, standard error 0.8 %" in repr(found)
    empty = {name: None for name in document if name not in {"found", "reflections", *ASIDE}}
    nothing = {"found": False, **empty, "reflections": [], **ASIDE}
    assert repr(_of_a_micrograph(AveragedCell, nothing)) == "<AveragedCell: no lattice>"
