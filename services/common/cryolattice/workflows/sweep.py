"""A sweep as it is written down: its models, then every one of them through multislice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from cryolattice.canonical import references
from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError
from cryolattice.workflows.models import ModelOptions, build_models, models_question
from cryolattice.workflows.spec_files import SpecFile
from cryolattice.workflows.steps import AUTO_CLUSTERS, Follow, unseen
from cryolattice.workflows.transforms import filled_transforms
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.common.v1.job_pb2 import JobEstimate
from cryolattice_api.modeler.v1.transforms_pb2 import Transforms
from cryolattice_api.simulator.v1 import simulator_pb2

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

_MODELS_FIELDS = ["parent", "supercell", "orderings", "zone_axes", "clusters", "transforms"]


@dataclass(frozen=True)
class OrderingModels:
    """Models to be built from a parent crystal; as the arguments of `Lab.models`."""

    parent: Path
    supercell: list[Any]
    orderings: list[str] = field(default_factory=list)
    zone_axes: str = "c"
    clusters: str | dict[str, str] = AUTO_CLUSTERS
    transforms: Transforms = field(default_factory=Transforms)


@dataclass(frozen=True)
class SweepQuestion:
    """What a sweep file asks.

    Attributes
    ----------
    models : str or OrderingModels
        Name of a models dataset, or how to build one.
    spec : SweepSpec
        Without its models.
    file : SpecFile
        Where each field stands.
    """

    models: str | OrderingModels
    spec: simulator_pb2.SweepSpec
    file: SpecFile


def read_sweep(source: Path | str | Mapping[str, Any]) -> SweepQuestion:
    """Read a sweep from a YAML file, or from a mapping of the same shape.

    Raises
    ------
    InvalidInputError
        What is wrong, with its field and line.
    """
    file = SpecFile(source)
    entries = dict(file.entries)
    spec = simulator_pb2.SweepSpec()
    names = [name for name in spec.DESCRIPTOR.fields_by_name if name != "engine_revision"]
    file.known(entries, names)
    node = entries.pop("models", None)
    if node is None:
        raise file.error(
            "models", "are not given: name a models dataset, or give a parent and a supercell"
        )
    file.fill(spec, entries)
    return SweepQuestion(_models(file, node), spec, file)


def _models(file: SpecFile, node: yaml.Node) -> str | OrderingModels:
    if not isinstance(node, yaml.MappingNode):
        return file.text(node, "models")
    entries = file.mapping(node, "models")
    file.known(entries, _MODELS_FIELDS, "models")
    for name in ("parent", "supercell"):
        if name not in entries:
            raise file.error("models", f"lack {name}: give a parent crystal and a supercell")
    values: dict[str, Any] = file.value(node, "models")
    supercell = values["supercell"]
    if not isinstance(supercell, list):
        raise file.error(
            "models.supercell", f"is {supercell!r}: give three whole numbers, [2, 2, 1]"
        )
    numbers = [n for row in supercell for n in (row if isinstance(row, list) else [row])]
    if not all(type(n) is int for n in numbers):
        raise file.error("models.supercell", f"is {supercell}: give whole numbers")
    clusters = values.get("clusters", AUTO_CLUSTERS)
    if not (isinstance(clusters, dict) or clusters in {AUTO_CLUSTERS, "none"}):
        raise file.error(
            "models.clusters", f"is {clusters!r}: give auto, none, or ions such as {{N1: NH2}}"
        )
    return OrderingModels(
        parent=file.folder / str(values["parent"]),
        supercell=supercell,
        orderings=[str(name) for name in values.get("orderings") or []],
        zone_axes=str(values.get("zone_axes", "c")),
        clusters={} if clusters == "none" else clusters,
        transforms=filled_transforms(file, entries["transforms"], "models.transforms")
        if "transforms" in entries
        else Transforms(),
    )


@dataclass(frozen=True)
class PreparedSweep:
    """A sweep that has been checked by the simulator and not begun.

    Attributes
    ----------
    question : SweepQuestion
    request : CreateSweepJobRequest
    estimate : JobEstimate
    candidates : int
        Models.
    remarks : list of str
        What was assumed.
    """

    question: SweepQuestion
    request: simulator_pb2.CreateSweepJobRequest
    estimate: JobEstimate
    candidates: int
    remarks: list[str]


def prepare_sweep(
    lab: Connection, question: SweepQuestion, follow: Follow = unseen
) -> PreparedSweep:
    """Build the models and have the sweep checked; nothing of the sweep is created.

    Raises
    ------
    CryolatticeError
        What is wrong, with the line of the file where it is known.
    """
    try:
        models, remarks = _built(lab, question.models, follow)
        spec = simulator_pb2.SweepSpec()
        spec.CopyFrom(question.spec)
        for named in references(spec):
            named.CopyFrom(_dataset(lab, named.name))
        spec.models.CopyFrom(models)
        request = simulator_pb2.CreateSweepJobRequest(
            parent=lab.parent, spec=spec, validate_only=True
        )
        estimate = lab.call(lab.simulator.CreateSweepJob, request).estimate
    except InvalidInputError as error:
        raise question.file.located(error) from error
    request.validate_only = False
    chosen = spec.selection.model_ids or lab.open_ref(models).json("models.json")
    return PreparedSweep(question, request, estimate, len(chosen), [*remarks, *estimate.remarks])


def _built(
    lab: Connection, models: str | OrderingModels, follow: Follow
) -> tuple[DatasetRef, list[str]]:
    if isinstance(models, str):
        return _dataset(lab, models), []
    question = models_question(
        lab,
        models.parent,
        models.supercell,
        zone_axes=models.zone_axes,
        clusters=models.clusters,
        orderings=models.orderings,
        options=ModelOptions(transforms=models.transforms),
    )
    return build_models(lab, question.spec, follow), question.remarks


def _dataset(lab: Connection, name: str) -> DatasetRef:
    found = lab.get_dataset(name if "/" in name else f"{lab.parent}/datasets/{name}")
    fields = ("name", "kind", "uri", "manifest_sha256")
    return DatasetRef(**{part: getattr(found, part) for part in fields})


def run_sweep(lab: Connection, prepared: PreparedSweep, follow: Follow = unseen) -> DatasetRef:
    """Run a prepared sweep and return its beams.

    Raises
    ------
    CryolatticeError
        Why it failed.
    """
    return lab.run_job(
        lab.simulator.CreateSweepJob,
        prepared.request,
        follow("sweep, candidates", prepared.candidates),
    )


def best_scores(
    beams: DatasetReader, models: DatasetReader, count: int = 5
) -> list[dict[str, Any]]:
    """Return the models of the highest scores, and where each has its own; empty without scores.

    Parameters
    ----------
    beams, models : DatasetReader
        A sweep, and what it simulated.
    count : int
        How many at most.

    Returns
    -------
    list of dict
        ``model_id``, ``score``, and the values of the scores' axes, such as ``thickness``.
    """
    if not beams.has_array("score"):
        return []
    arrays = beams.to_xarray()
    best = arrays.score.max([dim for dim in arrays.score.dims if dim != "model"])
    names = [record["model_id"] for record in models.json("models.json")]
    found = []
    for row in np.argsort(-best.values, kind="stable")[:count].tolist():
        own = arrays.score[row]
        place = {name: int(i) for name, i in own.argmax(...).items()}
        where = {str(name): float(arrays[name][i]) for name, i in place.items()}
        name = names[int(arrays.model[row])]
        found.append({"model_id": name, "score": float(own[place]), **where})
    return found
