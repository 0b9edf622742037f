"""The models that a spec asks for: which orderings, in which views, and what is done to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice_api.modeler.v1 import modeler_pb2, transforms_pb2
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import Ordering, enumerate_orderings
from cryolattice_modeler.structures import Model, build_models
from cryolattice_modeler.supercell_sizes import SupercellSize
from cryolattice_modeler.transformed_models import transformed
from cryolattice_modeler.transforms import pbcm_orderings
from cryolattice_modeler.transforms.orthorhombic import PBCM_AXES, PBCM_LENGTHS_ANGSTROM

MODEL_LIMIT = 20_000
ATOM_LIMIT = 50_000_000
_RECTANGULAR = 1e-2


def chosen_models(
    spec: modeler_pb2.ModelsSpec,
    parent: ParentCrystal,
    cells: SupercellSize,
    *,
    views: dict[str, Any],
    first_only: bool = False,
    on_progress: Callable[[str], None] = lambda _text: None,
) -> list[Model]:
    """Build the models of a spec, with its transforms applied.

    Parameters
    ----------
    spec : ModelsSpec
        With its defaults filled in.
    parent : ParentCrystal
    cells : three ints, or a (3, 3) matrix of ints
        The spec's supercell.
    views : dict
        ``zone_axes`` and ``hydrogens`` as `build_models` takes them.
    first_only : bool
        Build one of them, as a trial of the transforms.
    on_progress : callable
        Is told what comes next.

    Returns
    -------
    list of Model

    Raises
    ------
    InvalidInputError
        An ordering id is not one of this supercell's; or as `transformed`.
    LimitExceededError
        The transforms make too many models or atoms.
    """
    options = {**views, "clusters": dict(spec.clusters), "seed": spec.seed}
    if spec.selection == modeler_pb2.SELECTION_PBCM_RIVALS:
        models = _pbcm_rivals(parent, options)
    elif spec.selection == modeler_pb2.SELECTION_AS_GIVEN:
        models = build_models(parent, cells, [], include_disordered=True, **options)
    else:
        on_progress("enumerating orderings")
        found = enumerate_orderings(parent, cells)
        if first_only:
            orderings = [next(found)]
        elif spec.ordering_ids:
            orderings = _named(found, list(spec.ordering_ids))
        else:
            orderings = list(found)
        on_progress(f"building {len(orderings)} orderings")
        models = build_models(
            *(parent, cells, orderings),
            include_disordered=not spec.ordering_ids and not first_only,
            **options,
        )
    if first_only:
        models = models[:1]
    built: list[Model] = []
    atoms = 0
    for model in models:
        for new in transformed(model, spec.transforms):
            atoms += len(new.numbers)
            if len(built) >= MODEL_LIMIT or atoms > ATOM_LIMIT:
                raise LimitExceededError(
                    f"the transforms make more than {MODEL_LIMIT:,} models or {ATOM_LIMIT:,} "
                    "atoms: choose orderings, or take fewer configurations or periods",
                    field="transforms",
                )
            built.append(new)
    return built


def _named(orderings: Iterable[Ordering], ids: list[str]) -> list[Ordering]:
    by_id: dict[str, Ordering] = {}
    wanted, seen = set(ids), 0
    for ordering in orderings:
        seen += 1
        if ordering.ordering_id in wanted:
            by_id.setdefault(ordering.ordering_id, ordering)
            if len(by_id) == len(wanted):
                return [by_id[identifier] for identifier in ids]
    missing = next(identifier for identifier in ids if identifier not in by_id)
    raise InvalidInputError(
        f"ordering {missing!r} is not one of this supercell, which has {seen:,}: give the "
        "supercell that it was enumerated with, or look with 'cryolattice enumerate'",
        field="ordering_ids",
    )


def _pbcm_rivals(parent: ParentCrystal, options: dict[str, Any]) -> list[Model]:
    lengths = np.linalg.norm(parent.cell_angstrom, axis=1)
    cubic = np.abs(parent.cell_angstrom - np.eye(3) * lengths.mean()).max() < _RECTANGULAR
    if not cubic or options["zone_axes"] != "c":
        raise InvalidInputError(
            "the Pbcm rivals are those of a cubic parent, seen along c: "
            + ("leave out the zone axes" if cubic else f"{parent.name} is not cubic"),
            field="selection",
        )
    models = []
    a, b, c = PBCM_LENGTHS_ANGSTROM
    for ordering, exchanged in pbcm_orderings(parent):
        strain = transforms_pb2.Strain(lengths_angstrom=(b, a, c) if exchanged else (a, b, c))
        steps = transforms_pb2.Transforms(steps=[transforms_pb2.Transform(strain=strain)])
        for model in build_models(
            parent, PBCM_AXES, [ordering], include_disordered=False, **options
        ):
            (rival,) = transformed(model, steps)
            name = f"{model.model_id}-pbcm{'-ba' if exchanged else ''}"
            models.append(dataclasses.replace(rival, model_id=name))
    if not models:
        raise InvalidInputError(
            f"no ordering of {parent.name} in the cell a - b, a + b, 2 c has the symmetry Pbcm",
            field="selection",
        )
    return models
