"""The models job: from a spec to a committed dataset of models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice.jobs.kinds import Inputs, JobKind
from cryolattice_api.common.v1.crystal_pb2 import PlaneCell, Supercell
from cryolattice_api.common.v1.job_pb2 import JobEstimate
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_modeler.enumeration import read_parent, supercell_size

if TYPE_CHECKING:
    from cryolattice.jobs.context import JobContext
    from cryolattice.store.writer import DatasetWriter
    from cryolattice_modeler.orderings import Ordering
    from cryolattice_modeler.structures import Model

# gemmi, spglib and scipy are imported where they are used: the server starts without them

MODEL_LIMIT = 20_000
_BYTES_PER_MODEL = 20_000
_SECONDS_PER_MODEL = 0.01
ZONE_AXES = {
    modeler_pb2.ZONE_AXES_C: "c",
    modeler_pb2.ZONE_AXES_ALL: "all",
    modeler_pb2.ZONE_AXES_LOW_INDEX: "low-index",
}
_HYDROGENS = {
    modeler_pb2.HYDROGENS_MEAN: "mean",
    modeler_pb2.HYDROGENS_RANDOM: "random",
    modeler_pb2.HYDROGENS_NONE: "none",
}


def describe(crystal: modeler_pb2.Crystal) -> modeler_pb2.DescribeCrystalResponse:
    """Read a crystal and describe it; errors as `read_parent_crystal`."""
    from cryolattice_modeler.plane_cells import projected_cell  # noqa: PLC0415

    parent = read_parent(crystal, require_disorder=False)
    lengths = np.linalg.norm(parent.cell_angstrom, axis=1)
    unit = parent.cell_angstrom / lengths[:, None]
    cosines = [unit[1] @ unit[2], unit[2] @ unit[0], unit[0] @ unit[1]]
    return modeler_pb2.DescribeCrystalResponse(
        space_group=parent.space_group,
        lengths_angstrom=lengths.tolist(),
        angles_deg=np.degrees(np.arccos(np.clip(cosines, -1, 1))).tolist(),
        plane_cells=[PlaneCell(**asdict(projected_cell(parent, axis))) for axis in range(3)],
    )


def draw(crystal: modeler_pb2.Crystal, supercell: Supercell) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a contact sheet of all classes; errors as `enumerate_orderings`."""
    from cryolattice_modeler.contact_sheet import draw_contact_sheet  # noqa: PLC0415
    from cryolattice_modeler.counting import count_orderings  # noqa: PLC0415
    from cryolattice_modeler.orderings import enumerate_orderings  # noqa: PLC0415
    from cryolattice_modeler.supercell import disordered_supercell, in_supercell  # noqa: PLC0415

    parent, sizes = in_supercell(read_parent(crystal), supercell_size(supercell))
    total, classes = count_orderings(parent, sizes)
    orderings = enumerate_orderings(parent, sizes)
    layout = disordered_supercell(parent, sizes)
    return draw_contact_sheet(layout, orderings, total=total, classes=classes)


def beam_directions(
    asked: modeler_pb2.ModelsSpec | modeler_pb2.EnumerateViewsRequest,
) -> str | list[tuple[int, int, int]]:
    """Return along what the beam goes, as `distinct_views` takes it.

    Raises
    ------
    InvalidInputError
        An axis is unknown, or a direction is all zeros.
    """
    from cryolattice_modeler.directions import validate_direction  # noqa: PLC0415

    if asked.directions:
        return [validate_direction((d.u, d.v, d.w)) for d in asked.directions]
    if asked.zone_axes not in ZONE_AXES:
        raise InvalidInputError(f"zone_axes {asked.zone_axes} is unknown", field="zone_axes")
    return ZONE_AXES[asked.zone_axes]


def prepare_models(spec: modeler_pb2.ModelsSpec, _inputs: Inputs) -> JobEstimate:
    """Check a models spec and fill in its defaults."""
    from cryolattice_modeler.clusters import validate_clusters  # noqa: PLC0415
    from cryolattice_modeler.counting import count_orderings  # noqa: PLC0415
    from cryolattice_modeler.supercell import in_supercell  # noqa: PLC0415

    spec.selection = spec.selection or modeler_pb2.SELECTION_ALL_ORDERINGS
    spec.zone_axes = spec.zone_axes or modeler_pb2.ZONE_AXES_C
    spec.hydrogens = spec.hydrogens or modeler_pb2.HYDROGENS_MEAN
    as_given = spec.selection == modeler_pb2.SELECTION_AS_GIVEN
    if spec.selection not in modeler_pb2.Selection.values():
        raise InvalidInputError(f"selection {spec.selection} is unknown", field="selection")
    beam_directions(spec)
    if spec.hydrogens not in _HYDROGENS:
        raise InvalidInputError(f"hydrogens {spec.hydrogens} is unknown", field="hydrogens")
    if as_given and spec.ordering_ids:
        raise InvalidInputError(
            "ordering_ids go with selection ALL_ORDERINGS: leave them out", field="ordering_ids"
        )
    parent = read_parent(spec.parent_crystal, require_disorder=not as_given)
    parent, sizes = in_supercell(parent, supercell_size(spec.supercell))
    validate_clusters(parent, dict(spec.clusters), _HYDROGENS[spec.hydrogens])
    if as_given:
        models = 1
    else:
        _, models = count_orderings(parent, sizes)
        if models > MODEL_LIMIT:
            raise LimitExceededError(
                f"the supercell has {models:,} inequivalent orderings, above the limit of "
                f"{MODEL_LIMIT:,}: take a smaller supercell",
                field="supercell",
            )
    # the name is for messages: it must not make another dataset of the same crystal
    spec.parent_crystal.file_name = ""
    return JobEstimate(
        tile_count=1,
        store_bytes=models * _BYTES_PER_MODEL,
        core_seconds=models * _SECONDS_PER_MODEL,
    )


def run_models(context: JobContext, spec: modeler_pb2.ModelsSpec) -> None:
    """Build the models and write them.

    Raises
    ------
    InvalidInputError
        An ordering id is not one of this supercell's.
    """
    from cryolattice_modeler.orderings import enumerate_orderings  # noqa: PLC0415
    from cryolattice_modeler.structures import build_models  # noqa: PLC0415
    from cryolattice_modeler.supercell import in_supercell  # noqa: PLC0415

    as_given = spec.selection == modeler_pb2.SELECTION_AS_GIVEN
    parent = read_parent(spec.parent_crystal, require_disorder=not as_given)
    parent, sizes = in_supercell(parent, supercell_size(spec.supercell))
    context.progress(0, 3, "enumerating orderings")
    orderings: list[Ordering] = [] if as_given else list(enumerate_orderings(parent, sizes))
    if spec.ordering_ids:
        orderings = _chosen(orderings, list(spec.ordering_ids))
    context.progress(1, 3, f"building {len(orderings)} orderings")
    options: dict[str, Any] = {
        "zone_axes": beam_directions(spec),
        "hydrogens": _HYDROGENS[spec.hydrogens],
    }
    models = build_models(
        parent,
        sizes,
        orderings,
        clusters=dict(spec.clusters),
        seed=spec.seed,
        include_disordered=as_given or not spec.ordering_ids,
        **options,
    )
    context.progress(2, 3, f"writing {len(models)} models")
    write_models(models, context.output)
    context.progress(3, 3, "done")


def _chosen(orderings: list[Ordering], ids: list[str]) -> list[Ordering]:
    by_id = {ordering.ordering_id: ordering for ordering in orderings}
    missing = [wanted for wanted in ids if wanted not in by_id]
    if missing:
        raise InvalidInputError(
            f"ordering {missing[0]!r} is none of the {len(by_id)} of this supercell: "
            "'cryolattice enumerate' lists them",
            field="ordering_ids",
        )
    return [by_id[wanted] for wanted in ids]


def write_models(models: list[Model], output: DatasetWriter) -> None:
    """Write models as one list of atoms with the start of each model, and their records as JSON."""
    starts = np.cumsum([0, *(len(model.numbers) for model in models)])
    output.add_array(
        "cell", np.stack([m.cell_angstrom for m in models]), ("model", "vector", "xyz"), "angstrom"
    )
    output.add_array("atom_start", starts, ("bound",))
    for name, values, dims, units in (
        ("number", [m.numbers for m in models], ("atom",), "1"),
        ("position", [m.positions_angstrom for m in models], ("atom", "xyz"), "angstrom"),
        ("occupancy", [m.occupancies for m in models], ("atom",), "1"),
    ):
        output.add_array(name, np.concatenate(values), dims, units)
    output.add_json("models.json", [model_record(model) for model in models])


def model_record(model: Model) -> dict[str, Any]:
    """Return what identifies a model, without its atoms."""
    a, b, _ = model.cell_angstrom
    across, along, _ = model.view_supercell
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    return {
        "model_id": model.model_id,
        "ordering_id": model.ordering_id,
        "multiplicity": int(model.multiplicity),
        "zone_axis": list(model.zone_axis),
        "view_supercell": list(model.view_supercell),
        "vacant_sites": np.asarray(model.vacant_sites, dtype=float).reshape(-1, 3).tolist(),
        "space_group": model.space_group,
        "projection_key": model.projection_key,
        "stands_for": [
            {"ordering_id": identifier, "zone_axis": list(axis)}
            for identifier, axis in model.stands_for
        ],
        "plane_cell": {
            "a_angstrom": lengths[0] / across,
            "b_angstrom": lengths[1] / along,
            "gamma_deg": float(np.degrees(np.arccos(a @ b / (lengths[0] * lengths[1])))),
        },
        "period_angstrom": float(model.cell_angstrom[2, 2]),
    }


MODELS = JobKind(
    name="models",
    output_kind="models",
    spec=modeler_pb2.ModelsSpec,
    prepare=prepare_models,
    run="cryolattice_modeler.jobs:run_models",
)
