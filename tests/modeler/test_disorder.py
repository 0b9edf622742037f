"""Split sites and disorder groups: what excludes what, and how many orderings that leaves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.counting import count_orderings
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.ordering_structures import ordering_structure, ordering_to_cif
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.permutations import permutation_group
from cryolattice_modeler.sampling import sample_orderings
from cryolattice_modeler.structures import build_models
from cryolattice_modeler.supercell import DisorderedSupercell, disordered_supercell
from cryolattice_modeler.superlattices import superlattices

TETRAGONAL = (4, 4, 5, 90, 90, 90)
CUBE = (6, 6, 6, 90, 90, 90)
ANION = "Cl1 Cl 0.5 0.5 0.5 1 . ."
TWO_GROUPS = (
    "O1 O 0.1 0.1 0.1 0.5 A 1",
    "C1 C 0.25 0.1 0.1 0.5 A 1",
    "O2 O 0.1 0.3 0.1 0.5 A 2",
    "C2 C 0.1 0.42 0.13 0.5 A 2",
    "H2 H 0.1 0.50 0.2 0.5 A 2",
)
CRYSTALS = {
    "off a mirror plane": (TETRAGONAL, ["Na1 Na 0 0 0.07 0.5 . ."], "P 4/m m m"),
    "two elements apart": (TETRAGONAL, ["A Na 0 0 0.07 0.5 . .", "B K 0 0 0.2 0.5 . ."], "P 4 m m"),
    "with vacancies": (TETRAGONAL, ["Na1 Na 0 0 0.07 0.25 . ."], "P 4/m m m"),
    "a shared position": (
        TETRAGONAL,
        ["A Na 0 0 0.1 0.25 . .", "B K 0 0 0.1 0.25 . .", "D Rb 0 0 0.25 0.5 . ."],
        "P 1",
    ),
    "two groups": (CUBE, TWO_GROUPS, "P 1"),
    "a group about a centre": (
        CUBE,
        ["O1 O 0.06 0.03 0.02 0.5 A -1", "C1 C 0.2 0.1 0.05 0.5 A -1"],
        "P -1",
    ),
}


def written(cell: tuple[float, ...], atoms: tuple[str, ...] | list[str], group: str) -> str:
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    tags = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
    tags += ("disorder_assembly", "disorder_group")
    lines = ["data_test", *(f"_cell_{n} {v}" for n, v in zip(names, cell, strict=True))]
    lines += [f"_space_group_name_H-M_alt '{group}'", "loop_", *(f"_atom_site_{t}" for t in tags)]
    return "\n".join([*lines, *atoms, ANION]) + "\n"


def read(name: str) -> ParentCrystal:
    return read_parent_crystal(written(*CRYSTALS[name]), name)


def allowed(layout: DisorderedSupercell) -> Iterator[tuple[str, ...]]:
    """Yield every arrangement with the right numbers and at most one atom in a block."""
    kinds = []
    for part in layout.sublattices:
        letters = itertools.chain(
            *([s] * n for s, n in zip(part.species, part.counts, strict=True))
        )
        kinds.append(sorted(set(itertools.permutations(letters))))
    for parts in itertools.product(*kinds):
        codes = tuple(itertools.chain(*parts))
        taken = [b for b, code in zip(layout.blocks, codes, strict=True) if code and b >= 0]
        if len(set(taken)) == len(taken):
            yield codes


@pytest.mark.parametrize("supercell", [(2, 1, 1), (2, 2, 1)])
@pytest.mark.parametrize("name", CRYSTALS)
def test_counts_and_classes_are_those_found_one_by_one(
    name: str, supercell: tuple[int, int, int]
) -> None:
    parent = read(name)
    if name == "a shared position" and supercell == (2, 1, 1):
        supercell = (1, 1, 4)
    layout = disordered_supercell(parent, supercell)
    left = set(allowed(layout))
    total, classes = len(left), 0
    group = permutation_group(layout)
    while left:
        codes = np.array(left.pop(), dtype=object)
        for permutation in group:
            image = np.empty_like(codes)
            image[permutation] = codes
            left.discard(tuple(image))
        classes += 1
    assert count_orderings(parent, supercell) == (total, classes)
    found = list(enumerate_orderings(parent, supercell))
    assert (sum(o.multiplicity for o in found), len(found)) == (total, classes)
    assert len({ordering.ordering_id for ordering in found}) == classes


def test_the_atoms_of_a_group_come_and_go_together() -> None:
    parent = read("two groups")
    assert [site.label for site in parent.sites] == ["C2", "C1", "Cl1"]
    assert [element for element, _ in parent.sites[0].companions] == ["H", "O"]
    for ordering in enumerate_orderings(parent, (2, 1, 1)):
        structure = ordering_structure(ordering)
        assert sorted(structure.numbers) == [1, 6, 6, 8, 8, 17, 17]
        again = read_parent_crystal(ordering_to_cif(ordering, "p1"), "x", require_disorder=False)
        cell = again.cell_angstrom
        places = {e: [] for e in ("O", "C", "H")}  # type: ignore[var-annotated]
        for site in again.sites:
            places.setdefault(site.occupants[0][0], []).append(np.array(site.fractional) @ cell)
        gaps = np.linalg.norm(np.array(places["C"])[:, None] - np.array(places["O"]), axis=-1)
        # group 1 has 0.9 angstrom between O and C, group 2 0.742
        assert sorted(gaps.min(axis=1)) == pytest.approx([np.hypot(0.72, 0.18), 0.9])
    models = build_models(
        *(parent, (2, 1, 1), [ordering]),
        zone_axes="all",
        clusters={},
        hydrogens="none",
        seed=0,
        include_disordered=True,
    )
    for model in models:
        for number in (6, 8):
            assert model.occupancies[model.numbers == number].sum() == pytest.approx(2)


def test_ids_do_not_depend_on_the_origin_or_the_order_of_atoms() -> None:
    cell, atoms, group = CRYSTALS["two groups"]
    ids = [o.ordering_id for o in enumerate_orderings(read("two groups"), (2, 2, 1))]
    shifted = []
    for row in [*reversed(atoms), ANION]:
        label, symbol, x, y, z, *rest = row.split()
        moved = [
            f"{(float(v) + s) % 1:.6f}" for v, s in zip((x, y, z), (0.3, 0.95, 0.2), strict=True)
        ]
        shifted.append(" ".join([label, symbol, *moved, *rest]))
    text = written(cell, shifted[:-1], group).replace(ANION, shifted[-1])
    again = read_parent_crystal(text, "shifted")
    assert [o.ordering_id for o in enumerate_orderings(again, (2, 2, 1))] == ids


def test_larger_and_primitive_cells_keep_what_excludes_what() -> None:
    parent = read("off a mirror plane")
    matrix = [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]
    assert count_orderings(parent, matrix)[0] == 4
    assert [item.total for item in superlattices(parent, 2)] == [2, 4, 4, 4, 4, 4]
    centred = read_parent_crystal(
        written((8, 4, 5, 90, 90, 90), ["Na1 Na 0 0 0.05 0.5 . ."], "C m m m").replace(
            ANION, "Cl1 Cl 0 0 0.5 1 . ."
        ),
        "centred",
    )
    assert superlattices(centred, 1)[0].total == 2


def test_a_split_site_is_read_again_as_it_was_written() -> None:
    text = written(*CRYSTALS["off a mirror plane"])
    parent = read_parent_crystal(text, "once")
    sites = [(site.label, site.fractional, site.occupants, site.to_middle) for site in parent.sites]
    assert sites[0][2:] == ((("Na", Fraction(1, 2)),), (0.0, 0.0, -0.07))
    rows = [
        f"{label} {o[0][0]} {x:.6f} {y:.6f} {z:.6f} {float(o[0][1])} . ."
        for label, (x, y, z), o, _ in sites[:-1]
    ]
    again = read_parent_crystal(written(TETRAGONAL, rows, "P 1"), "twice")
    assert [(s.label, s.fractional, s.occupants, s.to_middle) for s in again.sites] == sites
    assert again.space_group == parent.space_group


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (["A Na 0 0 0 0.7 . .", "B K 0 0 .09 0.7 . ."], r"A and B come within 0\.45 ang.*0\.7"),
        (["N1 N 0 0 0 1 . .", "H1 H 0 0 0.08 1 . ."], r"N1 and H1 come within 0\.40 angstrom"),
        (["A Na 0 0 0 1 . .", "B K 0 0 0.09 1 . ."], r"A and B come within 0\.45 angstrom"),
        (
            ["A Na 0 0 0 0.4 . .", "B Na 0 0 0.1 0.4 . .", "D Na 0 0.15 0.05 0.4 . ."],
            r"split positions of A, B, D can be taken.*1\.2, above 1",
        ),
        (["A O 0 0 0 0.5 A 1", "B C 0.3 0 0 0.4 A 1"], r"group 1 of assembly A.*A 0\.5, B 0\.4"),
        (["A O 0 0 0 0.6 A 1", "B C 0.3 0 0 0.6 A 2"], r"split positions of A, B .*1\.2"),
        ([f"A{i} Na {i / 5} 0 0 0.5 . ." for i in range(5)], "one another without end"),
        (
            [f"{e}{g} {e} 0 0 {z} 0.5 A {g}" for g in "12" for e, z in (("O", 0.1), ("C", 0.4))],
            "disorder group of O1, C1 cannot be told apart",
        ),
        (
            ["A Na 0 0 0 0.5 A 1", "B C 0.3 0 0 0.5 A 1", "D C 0.3 0 0 0.5 . ."],
            "D and B are on one site.*larger disorder group",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(atoms: list[str], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read_parent_crystal(written(TETRAGONAL, atoms, "P 1"), "bad.cif")


def test_no_sample_is_drawn_of_them() -> None:
    with pytest.raises(InvalidInputError, match="no random sample"):
        sample_orderings(read("two groups"), (2, 1, 1), 1, seed=0)
