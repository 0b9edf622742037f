"""The potential job: projected potentials of some models of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryolattice.errors import InvalidInputError
from cryolattice.jobs.kinds import Inputs, JobKind
from cryolattice_api.common.v1.job_pb2 import JobEstimate
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.beams import require_positive
from cryolattice_simulator.engines import FAST_REVISION
from cryolattice_simulator.engines.form_factors import PARAMETRIZATIONS
from cryolattice_simulator.memory import FAST
from cryolattice_simulator.models_data import chosen_models, shared_edges
from cryolattice_simulator.slicing import choose_grid
from cryolattice_simulator.sweep_spec import SAMPLING_ANGSTROM, require_parametrization

if TYPE_CHECKING:
    from cryolattice.jobs.context import JobContext

_GREATEST_POINTS = 4096


def prepare_potential(spec: simulator_pb2.PotentialSpec, inputs: Inputs) -> JobEstimate:
    """Check a potential spec and fill in its defaults."""
    models = inputs.open(spec.models, "models", field="models")
    spec.sampling_angstrom = spec.sampling_angstrom or SAMPLING_ANGSTROM
    spec.parametrization = spec.parametrization or PARAMETRIZATIONS[0]
    require_parametrization(spec.parametrization)
    require_positive(spec.sampling_angstrom, field="sampling_angstrom", unit="angstrom")
    if spec.b_angstrom2:
        require_positive(spec.b_angstrom2, field="b_angstrom2", unit="angstrom^2")
    spec.engine_revision = f"fast {FAST_REVISION}"
    chosen = chosen_models(models, spec.model_ids, field="model_ids")
    edges = shared_edges([structure for _, structure in chosen], field="model_ids")
    points = np.ceil(np.asarray(edges) / spec.sampling_angstrom)
    if points.max() > _GREATEST_POINTS:
        raise InvalidInputError(
            f"sampling_angstrom is {spec.sampling_angstrom:g} angstrom, {points.max():.0f} points "
            f"along an edge: choose at least {max(edges) / _GREATEST_POINTS:.3g}",
            field="sampling_angstrom",
        )
    return JobEstimate(
        tile_count=1,
        store_bytes=int(4 * len(chosen) * points.prod()),
        core_seconds=1.0 + 0.2 * len(chosen),
        # the maps, stacked and on their way to the store, and what one is made from
        worker_peak_bytes=FAST.process_bytes + int(8 * (len(chosen) + 12) * points.prod()),
    )


def run_potential(context: JobContext, spec: simulator_pb2.PotentialSpec) -> None:
    """Project the potentials and write them."""
    from cryolattice_simulator.projected_potential import projected_potential  # noqa: PLC0415

    models = context.inputs.open(spec.models, "models", field="models")
    chosen = chosen_models(models, spec.model_ids, field="model_ids")
    # one grid for all, although each alone might choose another
    gpts = choose_grid(chosen[0][1], spec.sampling_angstrom)
    found = []
    for index, (name, structure) in enumerate(chosen):
        context.progress(index, len(chosen), name)
        found.append(
            projected_potential(
                structure,
                gpts=gpts,
                parametrization=spec.parametrization,
                b_angstrom2=spec.b_angstrom2,
            )
        )
    output = context.output
    output.add_array("potential", np.stack(found), ("model", "y", "x"), "V angstrom")
    for axis, name in enumerate(("x", "y")):
        edge = float(chosen[0][1].lengths_angstrom[axis])
        output.add_array(name, np.arange(gpts[axis]) * edge / gpts[axis], (name,), "angstrom")
    output.add_json("potential.json", {"model_ids": [name for name, _ in chosen]})
    context.progress(len(chosen), len(chosen), "done")


POTENTIAL = JobKind(
    name="potential",
    output_kind="potential",
    spec=simulator_pb2.PotentialSpec,
    prepare=prepare_potential,
    run="cryolattice_simulator.potential_job:run_potential",
)
