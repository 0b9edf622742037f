from __future__ import annotations

import tracemalloc
from pathlib import Path

from cryolattice.store.array_store import open_store
from cryolattice.store.writer import DatasetWriter
from cryolattice_simulator.models_data import model_ids


def test_ids_of_many_models_take_little_memory(tmp_path: Path) -> None:
    ids = [f"o-{number:010x}" for number in range(2000)]
    output = DatasetWriter(open_store(f"file://{tmp_path}/store"), "models", "00")
    output.add_json(
        "models.json",
        [
            {
                "vacant_sites": [[number % 7 / 4, 0.5, 1.25], [0.0, 0.5, 0.75]],
                "model_id": identifier,
                "view": {"label": "c", "vectors": [[1, 0, 0], [0, 1, 0]]},
            }
            for number, identifier in enumerate(ids)
        ],
    )
    models = output.commit(spec_json=b"{}", inputs={})
    size = len(models.file("models.json"))
    tracemalloc.start()
    found = model_ids(models)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == ids
    assert peak < 3 * size
