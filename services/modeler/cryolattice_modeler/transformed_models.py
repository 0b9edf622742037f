"""What a request asks to be done to models, step after step."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ase
import numpy as np
from ase.data import atomic_numbers
from scipy.spatial.transform import Rotation

from cryolattice.errors import InvalidInputError
from cryolattice_api.modeler.v1 import transforms_pb2
from cryolattice_modeler.structures import Model
from cryolattice_modeler.transforms import (
    Terrace,
    antiphase_domains,
    displaced,
    distinct_orientations,
    flat_crystal,
    frozen_phonons,
    mean_square_from_b,
    place_molecule,
    require_apart,
    strained,
    strained_to,
    tilted,
    twin,
)
from cryolattice_modeler.transforms.repeats import molecule_heads

_AXES = "abc"
_VACUUM_ANGSTROM = 10.0
_LEAST_VACUUM_ANGSTROM = 1.0
MAX_CONFIGURATIONS = 10_000


def fill_in_transforms(transforms: transforms_pb2.Transforms) -> None:
    """Check what can be checked without a structure, and fill in defaults in place.

    Raises
    ------
    InvalidInputError
        A step is empty or unknown, or a number of configurations is out of range.
    """
    for number, transform in enumerate(transforms.steps):
        kind = transform.WhichOneof("step")
        if kind is None:
            known = ", ".join(transform.DESCRIPTOR.fields_by_name)
            raise InvalidInputError(
                f"step {number + 1} of the transforms is empty or unknown: choose one of {known}",
                field=f"transforms.steps[{number}]",
            )
        step = getattr(transform, kind)
        if kind == "displacements":
            step.configurations = step.configurations or 1
            if not 1 <= step.configurations <= MAX_CONFIGURATIONS:
                raise InvalidInputError(
                    f"configurations is {step.configurations}: give a number from 1 to "
                    f"{MAX_CONFIGURATIONS:,}",
                    field=f"transforms.steps[{number}].displacements.configurations",
                )
        elif kind == "flat_crystal":
            if not step.HasField("vacuum_angstrom"):
                step.vacuum_angstrom = _VACUUM_ANGSTROM
            if not step.vacuum_angstrom >= _LEAST_VACUUM_ANGSTROM:
                raise InvalidInputError(
                    f"vacuum_angstrom is {step.vacuum_angstrom:g}: give at least "
                    f"{_LEAST_VACUUM_ANGSTROM:g} angstrom, for the box repeats in a simulation",
                    field=f"transforms.steps[{number}].flat_crystal.vacuum_angstrom",
                )
        elif kind in {"antiphase_domains", "twin"}:
            step.axis = step.axis or _AXES[0]
            if not step.widths:
                step.widths.extend((2, 2))


def transformed(model: Model, transforms: transforms_pb2.Transforms) -> list[Model]:
    """Apply the steps to a model; some steps make several of one.

    Parameters
    ----------
    model : Model
    transforms : Transforms
        As `fill_in_transforms` leaves them.

    Returns
    -------
    list of Model
        With what was done in `Model.transforms`. Several have their number in their id.

    Raises
    ------
    InvalidInputError, LimitExceededError
        What is wrong with a step: `field` is its place among the steps.
    """
    if not transforms.steps:
        return [model]
    structures = [_as_atoms(model)]
    for number, transform in enumerate(transforms.steps):
        kind = transform.WhichOneof("step")
        change = _STEPS[str(kind)]
        try:
            step = getattr(transform, str(kind))
            structures = [new for old in structures for new in change(old, step)]
        except InvalidInputError as error:
            raise InvalidInputError(
                f"step {number + 1} of the transforms ({kind}), {model.model_id}: {error.message}",
                field=f"transforms.steps[{number}].{kind}"
                + (f".{error.field}" if error.field else ""),
            ) from error
    several = len(structures) > 1
    return [
        _as_model(model, atoms, f"{model.model_id}-{place}" if several else model.model_id)
        for place, atoms in enumerate(structures, 1)
    ]


def _as_atoms(model: Model) -> ase.Atoms:
    atoms = ase.Atoms(
        numbers=model.numbers,
        positions=model.positions_angstrom,
        cell=model.cell_angstrom,
        pbc=True,
    )
    atoms.arrays["occupancy"] = model.occupancies.copy()
    atoms.arrays["label"] = np.array(model.labels)
    atoms.arrays["molecule"] = model.molecules.copy()
    if model.transforms:
        atoms.info["transforms"] = list(model.transforms)
    atoms.info["repeats"] = model.view_supercell
    return atoms


def _as_model(model: Model, atoms: ase.Atoms, model_id: str) -> Model:
    cell = np.asarray(atoms.cell)
    fractional = atoms.positions @ np.linalg.inv(cell)
    fractional -= np.floor(fractional + 1e-9)
    steps = tuple(atoms.info["transforms"])
    key = hashlib.sha256(f"{model.projection_key} {model_id} {steps}".encode()).hexdigest()
    return dataclasses.replace(
        model,
        model_id=model_id,
        view_supercell=atoms.info["repeats"],
        cell_angstrom=cell,
        numbers=np.asarray(atoms.numbers, dtype=np.int64),
        positions_angstrom=np.maximum(fractional, 0.0) @ cell,
        occupancies=atoms.arrays["occupancy"],
        projection_key=key[: len(model.projection_key)],
        labels=tuple(atoms.arrays["label"].tolist()),
        molecules=atoms.arrays["molecule"],
        transforms=steps,
    )


def _strain(atoms: ase.Atoms, step: transforms_pb2.Strain) -> Iterator[ase.Atoms]:
    tensor = np.array(
        [
            [step.xx, step.xy, step.xz],
            [step.xy, step.yy, step.yz],
            [step.xz, step.yz, step.zz],
        ]
    )
    if step.lengths_angstrom and tensor.any():
        raise InvalidInputError(
            "give either the components of the strain or lengths_angstrom", field="lengths_angstrom"
        )
    if step.lengths_angstrom:
        changed = strained_to(atoms, list(step.lengths_angstrom))
    else:
        changed = strained(atoms, tensor)
    # a stays along x: in-plane shear turns it
    a = np.asarray(changed.cell)[0]
    turn = Rotation.from_euler("z", -np.arctan2(a[1], a[0])).as_matrix()
    changed.set_cell(np.asarray(changed.cell) @ turn.T)
    changed.positions = changed.positions @ turn.T
    yield require_apart(changed, field="", remedy="strain it less")


def _tilt(atoms: ase.Atoms, step: transforms_pb2.Tilt) -> Iterator[ase.Atoms]:
    yield tilted(atoms, about_x_deg=step.about_x_deg, about_y_deg=step.about_y_deg)


def _displace(atoms: ase.Atoms, step: transforms_pb2.Displacements) -> Iterator[ase.Atoms]:
    both = sorted(set(step.b_angstrom2) & set(step.u_angstrom2))
    if both:
        raise InvalidInputError(
            f"{', '.join(both)} has both a B and a U_ij: give one of the two", field="u_angstrom2"
        )
    known = set(atoms.symbols)
    for element in {*step.b_angstrom2, *step.u_angstrom2} - known:
        if element not in atomic_numbers:
            raise InvalidInputError(
                f"{element!r} is no chemical element: this structure has "
                f"{', '.join(sorted(known))}",
                field="b_angstrom2",
            )
    squares: dict[str, Any] = {e: mean_square_from_b(b) for e, b in step.b_angstrom2.items()}
    for element, u in step.u_angstrom2.items():
        squares[element] = [[u.u11, u.u12, u.u13], [u.u12, u.u22, u.u23], [u.u13, u.u23, u.u33]]
    if step.configurations == 1:
        moved: Iterator[ase.Atoms] = iter([displaced(atoms, squares, seed=step.seed)])
    else:
        moved = frozen_phonons(atoms, squares, count=step.configurations, seed=step.seed)
    for configuration in moved:
        # atoms that are bound move independently in this model: they may come near each other
        yield require_apart(
            configuration, within_molecules=False, field="", remedy="move atoms less"
        )


def _place(atoms: ase.Atoms, step: transforms_pb2.PlacedMolecule) -> Iterator[ase.Atoms]:
    labels = atoms.arrays["label"]
    unknown = [site for site in step.sites if site not in labels]
    if unknown or not step.sites:
        raise InvalidInputError(
            f"sites are {', '.join(step.sites) or 'missing'}: choose from "
            f"{', '.join(sorted(set(labels.tolist())))}",
            field="sites",
        )
    # what the sites hold already makes room
    heads = molecule_heads(atoms)
    named = np.isin(labels, list(step.sites))
    bare = atoms[~named | (heads == np.arange(len(atoms)))]
    chosen = np.flatnonzero(np.isin(bare.arrays["label"], list(step.sites)))
    bare.arrays["molecule"][chosen] = -1
    molecule = _molecule(step)
    if (bool(step.turns) and step.distinct) or (step.seed and (step.turns or step.distinct)):
        raise InvalidInputError(
            "give one of turns, distinct, and a seed of random turns", field="distinct"
        )
    sites = [int(site) for site in chosen]
    poses: Sequence[Rotation | None] = [None]
    if step.turns:
        angles = [[turn.x_deg, turn.y_deg, turn.z_deg] for turn in step.turns]
        poses = [Rotation.from_euler("xyz", angles, degrees=True)]
    elif step.distinct:
        framework = bare[molecule_heads(bare) == np.arange(len(bare))]
        first = int(np.flatnonzero(np.isin(framework.arrays["label"], list(step.sites)))[0])
        poses = list(distinct_orientations(framework, first, molecule))
    for pose in poses:
        filled = place_molecule(bare, sites, molecule, orientations=pose, seed=step.seed)
        # the atoms that came have no label of their own
        filled.arrays["label"] = filled.arrays["label"][molecule_heads(filled)]
        yield filled


def _molecule(step: transforms_pb2.PlacedMolecule) -> ase.Atoms | str:
    if bool(step.name) == bool(step.atoms):
        raise InvalidInputError("give either the name of a cluster ion or its atoms", field="name")
    for atom in step.atoms:
        if atom.element not in atomic_numbers or atom.element == "X":
            raise InvalidInputError(
                f"{atom.element!r} is no chemical element: correct it", field="atoms"
            )
    if step.name:
        return step.name
    return require_apart(
        ase.Atoms(
            [atom.element for atom in step.atoms],
            [(atom.x_angstrom, atom.y_angstrom, atom.z_angstrom) for atom in step.atoms],
        ),
        field="atoms",
    )


def _cut(atoms: ase.Atoms, step: transforms_pb2.FlatCrystal) -> Iterator[ase.Atoms]:
    crystal = flat_crystal(
        atoms,
        (step.repeat_a, step.repeat_b),
        step.layers,
        terraces=[Terrace(t.angle_deg, t.distance_angstrom, t.layers) for t in step.terraces],
        vacuum_angstrom=step.vacuum_angstrom,
    )
    crystal.info["repeats"] = (1, 1, 1)
    yield crystal


def _shift(atoms: ase.Atoms, step: transforms_pb2.AntiphaseDomains) -> Iterator[ase.Atoms]:
    axis, widths = _domains(step)
    yield _lengthened(antiphase_domains(atoms, list(step.shift), axis=axis, widths=widths), axis)


def _twin(atoms: ase.Atoms, step: transforms_pb2.Twin) -> Iterator[ase.Atoms]:
    axis, widths = _domains(step)
    if len(step.operation) != 9:
        raise InvalidInputError(
            f"operation has {len(step.operation)} numbers: give nine, row by row",
            field="operation",
        )
    operation = np.reshape(list(step.operation), (3, 3))
    yield _lengthened(twin(atoms, operation, axis=axis, widths=widths), axis)


def _domains(
    step: transforms_pb2.AntiphaseDomains | transforms_pb2.Twin,
) -> tuple[int, tuple[int, int]]:
    if step.axis not in tuple(_AXES):
        raise InvalidInputError(f"axis is {step.axis!r}: choose a, b or c", field="axis")
    if len(step.widths) != 2:
        raise InvalidInputError(
            f"widths are {list(step.widths)}: give two whole numbers of at least 1", field="widths"
        )
    return _AXES.index(step.axis), (step.widths[0], step.widths[1])


def _lengthened(atoms: ase.Atoms, axis: int) -> ase.Atoms:
    widths = atoms.info["transforms"][-1]["widths"]
    repeats = list(atoms.info["repeats"])
    repeats[axis] *= sum(widths)
    atoms.info["repeats"] = tuple(repeats)
    return atoms


_STEPS: dict[str, Callable[[ase.Atoms, Any], Iterator[ase.Atoms]]] = {
    "strain": _strain,
    "tilt": _tilt,
    "displacements": _displace,
    "molecule": _place,
    "flat_crystal": _cut,
    "antiphase_domains": _shift,
    "twin": _twin,
}
