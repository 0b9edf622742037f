"""The structures of a parent crystal's orderings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError
from cryolattice.local_files import write_files
from cryolattice.workflows.steps import (
    Follow,
    chosen_clusters,
    read_crystal,
    supercell_message,
    unseen,
)
from cryolattice.workflows.transforms import Steps, transforms_message
from cryolattice.workflows.view_lists import beam_fields
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_api.modeler.v1.transforms_pb2 import Transforms

_HYDROGENS = {
    "mean": modeler_pb2.HYDROGENS_MEAN,
    "random": modeler_pb2.HYDROGENS_RANDOM,
    "none": modeler_pb2.HYDROGENS_NONE,
}
FORMATS = {
    "cif": modeler_pb2.STRUCTURE_FORMAT_CIF,
    "cif-found": modeler_pb2.STRUCTURE_FORMAT_CIF_FOUND,
    "poscar": modeler_pb2.STRUCTURE_FORMAT_POSCAR,
    "extxyz": modeler_pb2.STRUCTURE_FORMAT_EXTXYZ,
}


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What else models can be asked for.

    Attributes
    ----------
    hydrogens : "mean", "random" or "none", optional
        Of cluster ions; their mean over all orientations unless given.
    seed : int
        Of the random orientations.
    transforms : Path, sequence of mappings, or Transforms
        What is done to each model, as `transforms_message` takes it.
    as_given : bool
        The crystal as its file gives it, instead of its orderings.
    pbcm_rivals : bool
        Instead: the orthorhombic rivals of a cubic parent.
    """

    hydrogens: str | None = None
    seed: int = 0
    transforms: Path | Steps | Transforms = ()
    as_given: bool = False
    pbcm_rivals: bool = False


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
    supercell: Sequence[int] | Sequence[Sequence[int]] | None,
    *,
    zone_axes: str,
    clusters: str | dict[str, str],
    orderings: Sequence[str] = (),
    options: ModelOptions | None = None,
) -> ModelsQuestion:
    """Return what to ask the modeler; `zone_axes` as `beam_fields`, and no supercell for rivals.

    Raises
    ------
    CryolatticeError
        What is wrong with the crystal or the options.
    """
    asked = options or ModelOptions()
    beam = beam_fields(zone_axes)
    if asked.hydrogens is not None and asked.hydrogens not in _HYDROGENS:
        raise InvalidInputError(
            f"hydrogens is {asked.hydrogens!r}: choose from {', '.join(_HYDROGENS)}",
            field="hydrogens",
        )
    if not 0 <= asked.seed < 2**64:
        raise InvalidInputError(
            f"seed is {asked.seed}: give a whole number from 0 to 2^64 - 1", field="seed"
        )
    if (supercell is None) != asked.pbcm_rivals or (asked.pbcm_rivals and asked.as_given):
        raise InvalidInputError(
            "give a supercell, or ask for the Pbcm rivals, which have their own", field="supercell"
        )
    steps = asked.transforms
    if not isinstance(steps, Transforms):
        steps = transforms_message(steps)
    crystal = read_crystal(parent)
    cells = None if supercell is None else supercell_message(supercell)
    suggested: dict[str, str] = {}
    lengths: list[float] = []
    if not asked.as_given:
        count = lab.call(
            lab.modeler.CountOrderings,
            modeler_pb2.CountOrderingsRequest(
                parent_crystal=crystal, supercell=cells or Supercell(a=1, b=1, c=1)
            ),
        )
        suggested, lengths = dict(count.suggested_clusters), list(count.axis_lengths_angstrom)
    if asked.hydrogens == "none" and not isinstance(clusters, dict):
        suggested = {}
    told = {"orientations": "turned at random"} if asked.hydrogens == "random" else {}
    placed, remarks = chosen_clusters(clusters, suggested, **told)
    selection = modeler_pb2.SELECTION_UNSPECIFIED
    if asked.as_given:
        selection = modeler_pb2.SELECTION_AS_GIVEN
    elif asked.pbcm_rivals:
        selection = modeler_pb2.SELECTION_PBCM_RIVALS
    spec = modeler_pb2.ModelsSpec(
        parent_crystal=crystal,
        supercell=cells,
        selection=selection,
        ordering_ids=[orderings] if isinstance(orderings, str) else orderings,
        clusters=placed,
        hydrogens=_HYDROGENS[asked.hydrogens or ("mean" if placed else "none")],
        seed=asked.seed,
        transforms=steps if steps.steps else None,
        **beam,
    )
    return ModelsQuestion(spec, lengths, remarks)


def build_models(
    lab: Connection, spec: modeler_pb2.ModelsSpec, follow: Follow = unseen
) -> DatasetRef:
    """Have models built and return their dataset."""
    return lab.run_job(
        lab.modeler.CreateModelsJob,
        modeler_pb2.CreateModelsJobRequest(spec=spec),
        follow("models"),
    )


def save_models(lab: Connection, models: DatasetRef, out: Path, file_format: str = "cif") -> int:
    """Write models as files, and their picture, into a new folder; return the number of models.

    Parameters
    ----------
    lab : Connection
    models : DatasetRef
    out : Path
    file_format : str
        ``"cif"`` with every atom, ``"cif-found"`` with the space group that is found,
        ``"poscar"`` or ``"extxyz"``.

    Raises
    ------
    InvalidInputError
        The format is unknown, or cannot hold what a model has.
    """
    if file_format not in FORMATS:
        raise InvalidInputError(
            f"format is {file_format!r}: choose from {', '.join(FORMATS)}", field="format"
        )
    files: dict[str, bytes] = {}
    request = modeler_pb2.ExportModelsRequest(models=models, format=FORMATS[file_format])
    for part in lab.stream(lab.modeler.ExportModels, request):
        files[part.file_name] = files.get(part.file_name, b"") + part.content
    write_files(out, files)
    return len(files) - 1
