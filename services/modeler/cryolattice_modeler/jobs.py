"""The models job: from a spec to a committed dataset of models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice.jobs.kinds import Inputs, JobKind
from cryolattice_api.common.v1.crystal_pb2 import PlaneCell
from cryolattice_api.common.v1.job_pb2 import JobEstimate
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_modeler.enumeration import forget_name, read_parent, supercell_size

if TYPE_CHECKING:
    from cryolattice.jobs.context import JobContext
    from cryolattice.store.reader import DatasetReader
    from cryolattice.store.writer import DatasetWriter
    from cryolattice_modeler.crystal import ParentCrystal
    from cryolattice_modeler.model_files import StoredModel, StructureFormat
    from cryolattice_modeler.structures import Model
    from cryolattice_modeler.supercell_sizes import SupercellSize

# gemmi, spglib and scipy are imported where they are used: the server starts without them

_BYTES_PER_MODEL = 20_000
_BYTES_PER_ATOM = 40.0
_SECONDS_PER_MODEL = 0.01
# Measured on up to 7,790 models: a process with what builds them, and 10 kB each without hydrogens.
PROCESS_BYTES = 190_000_000
_PEAK_BYTES_PER_MODEL = 50_000
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
_FORMATS: dict[int, StructureFormat] = {
    modeler_pb2.STRUCTURE_FORMAT_UNSPECIFIED: "cif",
    modeler_pb2.STRUCTURE_FORMAT_CIF: "cif",
    modeler_pb2.STRUCTURE_FORMAT_CIF_FOUND: "cif-found",
    modeler_pb2.STRUCTURE_FORMAT_POSCAR: "poscar",
    modeler_pb2.STRUCTURE_FORMAT_EXTXYZ: "extxyz",
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
    from cryolattice_modeler.chosen_models import MODEL_LIMIT, chosen_models  # noqa: PLC0415
    from cryolattice_modeler.clusters import validate_clusters  # noqa: PLC0415
    from cryolattice_modeler.counting import count_orderings  # noqa: PLC0415
    from cryolattice_modeler.orderings import MAX_CLASSES  # noqa: PLC0415
    from cryolattice_modeler.supercell import in_supercell  # noqa: PLC0415
    from cryolattice_modeler.transformed_models import fill_in_transforms  # noqa: PLC0415

    spec.selection = spec.selection or modeler_pb2.SELECTION_ALL_ORDERINGS
    spec.zone_axes = spec.zone_axes or modeler_pb2.ZONE_AXES_C
    spec.hydrogens = spec.hydrogens or modeler_pb2.HYDROGENS_MEAN
    if not spec.transforms.steps:
        spec.ClearField("transforms")  # the same question as without them
    if spec.selection == modeler_pb2.SELECTION_ORTHOGONAL:
        return _prepare_orthogonal(spec)
    if spec.selection not in modeler_pb2.Selection.values():
        raise InvalidInputError(f"selection {spec.selection} is unknown", field="selection")
    if spec.selection != modeler_pb2.SELECTION_ALL_ORDERINGS and spec.ordering_ids:
        raise InvalidInputError(
            "ordering_ids go with selection ALL_ORDERINGS: leave them out", field="ordering_ids"
        )
    fill_in_transforms(spec.transforms)
    options = _view_options(spec)
    parent, cells = _parent_and_cells(spec)
    validate_clusters(in_supercell(parent, cells)[0], dict(spec.clusters), options["hydrogens"])
    models = 1
    if spec.selection == modeler_pb2.SELECTION_ALL_ORDERINGS:
        _, classes = count_orderings(parent, cells)
        # those that are named are looked for among all
        models = len(spec.ordering_ids) or classes
        if models > MODEL_LIMIT or classes > MAX_CLASSES:
            raise LimitExceededError(
                f"the supercell has {classes:,} inequivalent orderings: of more than "
                f"{MODEL_LIMIT:,} name those to build (ordering_ids), of more than "
                f"{MAX_CLASSES:,} take a smaller supercell",
                field="supercell",
            )
    bytes_per_model = float(_BYTES_PER_MODEL)
    if spec.HasField("transforms") or spec.selection == modeler_pb2.SELECTION_PBCM_RIVALS:
        trial = chosen_models(spec, parent, cells, views=options, first_only=True)
        models *= len(trial)
        bytes_per_model = sum(len(model.numbers) for model in trial) / len(trial) * _BYTES_PER_ATOM
    forget_name(spec.parent_crystal)
    return JobEstimate(
        tile_count=1,
        store_bytes=round(models * bytes_per_model),
        core_seconds=models * _SECONDS_PER_MODEL,
        worker_peak_bytes=PROCESS_BYTES + models * _PEAK_BYTES_PER_MODEL,
    )


def _view_options(spec: modeler_pb2.ModelsSpec) -> dict[str, Any]:
    if spec.hydrogens not in _HYDROGENS:
        raise InvalidInputError(f"hydrogens {spec.hydrogens} is unknown", field="hydrogens")
    return {"zone_axes": beam_directions(spec), "hydrogens": _HYDROGENS[spec.hydrogens]}


def _prepare_orthogonal(spec: modeler_pb2.ModelsSpec) -> JobEstimate:
    model, _ = _orthogonal(spec)
    forget_name(spec.parent_crystal)
    return JobEstimate(
        tile_count=1,
        store_bytes=round(_BYTES_PER_MODEL + _BYTES_PER_ATOM * len(model.numbers)),
        core_seconds=1.0,
        worker_peak_bytes=PROCESS_BYTES + _PEAK_BYTES_PER_MODEL,
    )


def _orthogonal(spec: modeler_pb2.ModelsSpec) -> tuple[Model, dict[str, Any]]:
    from cryolattice_modeler.given_crystal import given_crystal  # noqa: PLC0415

    if (
        spec.ordering_ids
        or spec.transforms.steps
        or spec.hydrogens not in _HYDROGENS
        or len(spec.directions) > 1
    ):
        raise InvalidInputError(
            "selection ORTHOGONAL takes one direction, a known way of hydrogens, no ordering_ids "
            "and no transforms",
            field="selection",
        )
    beam = beam_directions(spec)
    options: dict[str, Any] = {"hydrogens": _HYDROGENS[spec.hydrogens]}
    cells = spec.supercell
    return given_crystal(
        read_parent(spec.parent_crystal, require_disorder=False),
        (0, 0, 1) if isinstance(beam, str) else beam[0],
        (cells.a or 1, cells.b or 1, cells.c or 1),
        clusters=dict(spec.clusters),
        seed=spec.seed,
        **options,
    )


def _parent_and_cells(spec: modeler_pb2.ModelsSpec) -> tuple[ParentCrystal, SupercellSize]:
    as_given = spec.selection == modeler_pb2.SELECTION_AS_GIVEN
    parent = read_parent(spec.parent_crystal, require_disorder=not as_given)
    if spec.selection != modeler_pb2.SELECTION_PBCM_RIVALS:
        return parent, supercell_size(spec.supercell)
    if spec.HasField("supercell"):
        raise InvalidInputError(
            "the Pbcm rivals have a supercell of their own: leave out supercell", field="supercell"
        )
    return parent, (1, 1, 1)


def run_models(context: JobContext, spec: modeler_pb2.ModelsSpec) -> None:
    """Build the models and write them; errors as `chosen_models`."""
    from cryolattice_modeler.chosen_models import chosen_models  # noqa: PLC0415

    if spec.selection == modeler_pb2.SELECTION_ORTHOGONAL:
        model, setting = _orthogonal(spec)
        write_models([model], context.output)
        context.output.add_json("setting.json", setting)
        context.progress(3, 3, "done")
        return
    parent, cells = _parent_and_cells(spec)
    context.progress(0, 3, "reading the parent")
    models = chosen_models(
        *(spec, parent, cells),
        views=_view_options(spec),
        on_progress=lambda text: context.progress(1, 3, text),
    )
    context.progress(2, 3, f"writing {len(models)} models")
    write_models(models, context.output)
    context.progress(3, 3, "done")


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
        **({"transforms": list(model.transforms)} if model.transforms else {}),
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


def stored_models(reader: DatasetReader) -> list[StoredModel]:
    """Return the models of a committed dataset, in its order."""
    from cryolattice_modeler.model_files import StoredModel  # noqa: PLC0415

    cells, starts = reader.array("cell"), reader.array("atom_start")
    arrays = [reader.array(name) for name in ("number", "position", "occupancy")]
    found = []
    for index, record in enumerate(reader.json("models.json")):
        here = slice(int(starts[index]), int(starts[index + 1]))
        numbers, positions, occupancies = (array[here] for array in arrays)
        found.append(StoredModel(record, cells[index], numbers, positions, occupancies))
    return found


def export(request: modeler_pb2.ExportModelsRequest, inputs: Inputs) -> Iterator[tuple[str, bytes]]:
    """Yield models as files and their picture; errors as `structure_files`, at the call."""
    from cryolattice_modeler.model_files import structure_files  # noqa: PLC0415
    from cryolattice_modeler.model_pictures import draw_models  # noqa: PLC0415

    if request.format not in _FORMATS:
        raise InvalidInputError(f"format {request.format} is unknown", field="format")
    models = stored_models(inputs.open(request.models, "models", field="models"))
    files = structure_files(models, _FORMATS[request.format])

    def with_picture() -> Iterator[tuple[str, bytes]]:
        yield from files
        yield "models.png", draw_models(models)

    return with_picture()


MODELS = JobKind(
    name="models",
    output_kind="models",
    spec=modeler_pb2.ModelsSpec,
    prepare=prepare_models,
    run="cryolattice_modeler.jobs:run_models",
)
