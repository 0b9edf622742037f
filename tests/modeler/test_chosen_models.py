from __future__ import annotations

from itertools import islice

import pytest

from cryolattice.errors import LimitExceededError
from cryolattice.jobs.kinds import Inputs
from cryolattice.settings import Settings
from cryolattice.store.array_store import open_store
from cryolattice_api.common.v1.crystal_pb2 import Supercell
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_modeler.chosen_models import chosen_models
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.enumeration import forget_name
from cryolattice_modeler.jobs import prepare_models
from cryolattice_modeler.orderings import enumerate_orderings


def test_a_few_orderings_of_millions_are_built(
    cubic: ParentCrystal, cubic_text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Those that are named are looked for until they are found, in 6,849,807 classes."""
    chosen = [o.ordering_id for o in islice(enumerate_orderings(cubic, (3, 2, 2)), 9)][::4]
    spec = modeler_pb2.ModelsSpec(
        parent_crystal=modeler_pb2.Crystal(cif=cubic_text),
        supercell=Supercell(a=3, b=2, c=2),
        ordering_ids=chosen[::-1],
    )
    inputs = Inputs(open_store(Settings(home=tmp_path_factory.mktemp("home")).store_url))
    assert prepare_models(spec, inputs).store_bytes < 1_000_000
    views = {"zone_axes": "c", "hydrogens": "none"}
    models = chosen_models(spec, cubic, (3, 2, 2), views=views)
    assert {model.ordering_id for model in models} == set(chosen)
    del spec.ordering_ids[:]
    with pytest.raises(LimitExceededError, match=r"6,849,807 .* more than 20,000 name those"):
        prepare_models(spec, inputs)


def test_only_a_format_that_a_name_tells_is_kept_of_it(cubic_text: str) -> None:
    plain = modeler_pb2.Crystal(cif=cubic_text)
    named = modeler_pb2.Crystal(cif=cubic_text, file_name="a.cif", format="", box=modeler_pb2.Box())
    forget_name(named)
    assert named == plain
    told = modeler_pb2.Crystal(cif="Primvec", file_name="a.xsf")
    forget_name(told)
    assert told == modeler_pb2.Crystal(cif="Primvec", format="xsf")
