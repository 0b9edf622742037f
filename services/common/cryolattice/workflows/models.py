"""The structures of a parent crystal's orderings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryolattice.client.connection import Connection
from cryolattice.workflows.steps import (
    Follow,
    chosen_clusters,
    read_crystal,
    supercell_message,
    unseen,
)
from cryolattice.workflows.view_lists import beam_fields
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.modeler.v1 import modeler_pb2


@dataclass(frozen=True)
class ModelsQuestion:
    """What models to build.

    Attributes
    ----------
    spec : ModelsSpec
    axis_lengths_angstrom : list of float
        Of the supercell.
    remarks : list of str
        What was assumed.
    """

    spec: modeler_pb2.ModelsSpec
    axis_lengths_angstrom: list[float]
    remarks: list[str]


def models_question(
    lab: Connection,
    parent: Path,
    supercell: Sequence[int] | Sequence[Sequence[int]],
    *,
    zone_axes: str,
    clusters: str | dict[str, str],
    orderings: Sequence[str] = (),
) -> ModelsQuestion:
    """Return what to ask the modeler; `zone_axes` as `beam_fields`.

    Raises
    ------
    CryolatticeError
        What is wrong with the crystal or the options.
    """
    beam = beam_fields(zone_axes)
    crystal = read_crystal(parent)
    cells = supercell_message(supercell)
    count = lab.call(
        lab.modeler.CountOrderings,
        modeler_pb2.CountOrderingsRequest(parent_crystal=crystal, supercell=cells),
    )
    placed, remarks = chosen_clusters(clusters, dict(count.suggested_clusters))
    spec = modeler_pb2.ModelsSpec(
        parent_crystal=crystal,
        supercell=cells,
        ordering_ids=orderings,
        clusters=placed,
        hydrogens=modeler_pb2.HYDROGENS_MEAN if placed else modeler_pb2.HYDROGENS_NONE,
        **beam,
    )
    return ModelsQuestion(spec, list(count.axis_lengths_angstrom), remarks)


def build_models(
    lab: Connection, spec: modeler_pb2.ModelsSpec, follow: Follow = unseen
) -> DatasetRef:
    """Have models built and return their dataset."""
    return lab.run_job(
        lab.modeler.CreateModelsJob,
        modeler_pb2.CreateModelsJobRequest(spec=spec),
        follow("models"),
    )
