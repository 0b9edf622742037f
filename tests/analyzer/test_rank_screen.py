"""A screen and the ranking of what it kept, tile by tile without Ray."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryolattice.canonical import canonical_json, spec_sha256
from cryolattice.errors import InvalidInputError
from cryolattice.jobs.kinds import Inputs, all_tiles
from cryolattice.store.array_store import ArrayStore, open_store
from cryolattice.store.writer import DatasetWriter
from cryolattice_analyzer.imaging.average import AveragedCell
from cryolattice_analyzer.jobs.kinds import RANK
from cryolattice_analyzer.jobs.rank import RankTiles
from cryolattice_analyzer.jobs.stored import save_average
from cryolattice_analyzer.ranking import screening
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef

sys.path.insert(0, str(Path(__file__).parent))
from planted_waves import (
    DISORDERED,
    LAYERS,
    ORDERINGS,
    A,
    exit_waves,
    half_plane,
    image_coefficients,
    observed_basis,
)

TRUTH, LAYER = 0, 31
MODELS = [f"m{i}" for i in range(len(ORDERINGS))]
RINGS = {"defocus_u_angstrom": 2700.0, "defocus_v_angstrom": 2460.0, "angle_deg": 30.0}


def put(
    root: ArrayStore,
    kind: str,
    name: str,
    fill: Callable[[DatasetWriter], None],
    spec: dict[str, Any] | None = None,
) -> DatasetRef:
    output = DatasetWriter(root, kind, name)
    fill(output)
    output.commit(spec_json=json.dumps(spec or {}).encode(), inputs={})
    return DatasetRef(name=f"projects/p/datasets/{name}", kind=kind)


def write_average(output: DatasetWriter) -> None:
    basis = observed_basis()
    orders, waves = exit_waves(ORDERINGS[TRUTH])
    hk = half_plane(basis)
    lens = {"defocus_u": 2730.0, "defocus_v": 2430.0, "angle_deg": 30.0}
    values = image_coefficients(
        orders, waves[LAYER], hk, basis, **lens, shift=(0.2, 0.4), b_factor=9.0, fading=0.3
    )
    rng = np.random.default_rng(1)
    error = np.full(len(hk), 5e-4)
    average = AveragedCell(
        supercell=(2, 2),
        reciprocal=basis,
        h=hk[:, 0],
        k=hk[:, 1],
        g_per_angstrom=hk @ basis,
        coefficients=values + error * (rng.normal(size=len(hk)) + 1j * rng.normal(size=len(hk))),
        standard_error=error,
        image=np.ones((16, 16)),
        image_standard_error=0.01,
        cells=1000.0,
        mean_counts=5.0,
        area_angstrom2=9e4,
    )
    save_average(output, average)


def write_models(output: DatasetWriter) -> None:
    """The models with beams, and a twin that projects like the truth."""
    records = [
        {
            "model_id": name,
            "ordering_id": "disordered" if i == DISORDERED else f"o{i}",
            "zone_axis": [0, 0, 1],
            "view_supercell": [2, 2, 2],
            "plane_cell": {"a_angstrom": A, "b_angstrom": A, "gamma_deg": 90.0},
            "vacant_sites": [],
            "projection_key": f"p{i}",
            "stands_for": [],
        }
        for i, name in enumerate(MODELS)
    ]
    twin = records[TRUTH] | {"model_id": "twin", "ordering_id": "twin"}
    output.add_json("models.json", [*records, twin])


def beams_of(root: ArrayStore, chosen: list[str], step: int) -> DatasetRef:
    waves = [exit_waves(ORDERINGS[MODELS.index(name)]) for name in chosen]
    hk = waves[0][0]
    count = len(chosen)

    def write(output: DatasetWriter) -> None:
        psi = np.stack([psi[step - 1 :: step] for _, psi in waves]).astype(np.complex64)
        dims = ("model", "b_level", "thickness", "beam")
        output.add_array("psi", psi[:, None], dims)
        output.add_array("h", np.tile(hk[:, 0], (count, 1)), ("model", "beam"))
        output.add_array("k", np.tile(hk[:, 1], (count, 1)), ("model", "beam"))
        output.add_array("beam_count", np.full(count, len(hk)), ("model",))
        thickness = A * np.arange(step, LAYERS + 1, step)
        output.add_array("thickness", thickness, ("thickness",), "angstrom")
        places = np.array([MODELS.index(name) for name in chosen])
        output.add_array("model", places, ("model",))
        output.add_array("b_level", np.array([0.2]), ("b_level",), "angstrom^2")

    return put(
        root,
        "beams",
        f"b{count}-{step}",
        write,
        {"selection": {"model_ids": chosen}, "models": {"name": "m"}},
    )


def rank(root: ArrayStore, spec: analyzer_pb2.RankSpec) -> tuple[DatasetRef, dict[str, Any]]:
    """Do what the job does, without its processes."""
    RANK.prepare(spec, Inputs(root))
    tiles = RankTiles(spec, Inputs(root))
    name = spec_sha256(spec)[:8]
    output = DatasetWriter(root, "ranking", name)
    output.create_arrays(tiles.attributes, tiles.arrays)
    for start, stop in all_tiles(tiles.rounds):
        for array, values in tiles.compute(start, stop, output.read_part).items():
            output.write(array, values, start)
    tiles.finish(output)
    found = output.commit(spec_json=canonical_json(spec), inputs={}).json("ranking.json")
    return DatasetRef(name=f"projects/p/datasets/{name}", kind="ranking"), found


def test_what_a_screen_drops_stays_in_the_ranking_by_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening, "KEPT_AT_LEAST", 2)
    root = open_store(tmp_path.as_uri())
    facts = {
        "file_name": "a.mrc",
        "pixel_size_angstrom": 0.5,
        "dose_e_per_angstrom2": 20.0,
        "energy_kev": 300.0,
        "cs_mm": 2.7,
        "warnings": [],
    }

    def write_micrograph(output: DatasetWriter) -> None:
        output.add_array("counts", np.ones((8, 8), np.float32), ("y", "x"))
        output.add_json("micrograph.json", facts)

    lens = RINGS | {"score": 50.0}
    ci95 = {name: [value - 50, value + 50] for name, value in RINGS.items()}
    rings = lens | {"found": True, "fit_resolution_angstrom": 4.0, "alternatives": [lens]}
    question = {
        "average": put(root, "average", "a", write_average),
        "models": put(root, "models", "m", write_models),
        "micrograph": put(root, "micrograph", "i", write_micrograph),
        "ctf": put(root, "ctf", "c", lambda o: o.add_json("ctf.json", rings | {"ci95": ci95})),
    }
    coarse = beams_of(root, MODELS, 4)
    screened, quick = rank(root, analyzer_pb2.RankSpec(beams=coarse, screen=True, **question))
    assert quick["ranking"][0]["ordering_id"] == "o0"
    assert not any(row["refined"] for row in quick["ranking"])
    # the best two, and the rival without order
    kept = quick["kept"]
    assert len(kept) == 3
    assert {"m0", f"m{DISORDERED}"} < set(kept)

    for others in (MODELS, kept[:2]):
        beams = beams_of(root, others, 3)
        with pytest.raises(InvalidInputError, match="not the 3 that the screen kept") as caught:
            RANK.prepare(
                analyzer_pb2.RankSpec(beams=beams, screened=screened, **question), Inputs(root)
            )
        assert caught.value.field == "beams"
    fine = beams_of(root, kept, 2)
    spec = analyzer_pb2.RankSpec(beams=fine, screened=screened, **question)
    _, found = rank(root, spec)
    assert found["verdict"] == "ordered"
    best = found["best"]
    assert best["ordering_id"] == "o0"
    assert best["thickness_angstrom"] == pytest.approx(A * (LAYER + 1), abs=5)
    assert best["chi2_per_dof"] <= quick["best"]["chi2_per_dof"]
    # the twin was not simulated: it stands behind the model that projects alike
    assert [same["ordering_id"] for same in best["equivalents"]] == ["o0", "twin"]
    assert found["candidates_searched"] == len(MODELS) + 1
    rows = found["ranking"]
    assert [row["refined"] for row in rows] == [True] * 3 + [False] * 3
    assert sum(row["probability"] for row in rows) == pytest.approx(1)
    scores = {row["ordering_id"]: row["score"] for row in quick["ranking"]}
    for row in rows[3:]:
        assert row["score"] == scores[row["ordering_id"]]

    with pytest.raises(InvalidInputError, match="says screen") as caught:
        rank(root, analyzer_pb2.RankSpec(beams=fine, screened=screened, screen=True, **question))
    assert caught.value.field == "screened"
