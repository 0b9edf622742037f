"""The engine of a sweep: chosen before it starts, and part of the question."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from cryolattice.errors import InvalidInputError
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.beams import Structure
from cryolattice_simulator.engines import FAST_REVISION, Device, Engine, engine_named, fast_refusal
from cryolattice_simulator.engines.settings import Multislice, Projection

_ENGINES = {simulator_pb2.ENGINE_ABTEM: "abtem", simulator_pb2.ENGINE_FAST: "fast"}
_DEVICES: dict[int, Device] = {
    simulator_pb2.DEVICE_UNSPECIFIED: "auto",
    simulator_pb2.DEVICE_CPU: "cpu",
    simulator_pb2.DEVICE_GPU: "gpu",
}
_PRECISIONS: dict[int, Any] = {
    simulator_pb2.PRECISION_FLOAT32: "float32",
    simulator_pb2.PRECISION_FLOAT64: "float64",
}
_PROJECTIONS: dict[int, Projection] = {
    simulator_pb2.PROJECTION_UNSPECIFIED: "infinite",
    simulator_pb2.PROJECTION_FINITE: "finite",
}


def prepare_engine(spec: simulator_pb2.SweepSpec, structures: Sequence[Structure]) -> list[str]:
    """Fill in engine, its revision and precision: the fast engine unless abTEM alone can do this.

    Returns
    -------
    list of str
        Why another engine than the fast one was chosen; empty where none was.

    Raises
    ------
    InvalidInputError
        If one of them, the device or the projection is not known, or an engine is asked for what it
        cannot do.
    """
    if spec.projection in {
        simulator_pb2.PROJECTION_INFINITE,
        simulator_pb2.PROJECTION_UNSPECIFIED,
    }:
        spec.ClearField("projection")  # the same question as without it
    spec.precision = spec.precision or simulator_pb2.PRECISION_FLOAT32
    engines = {simulator_pb2.ENGINE_UNSPECIFIED: "", **_ENGINES}
    for field, known in (
        ("engine", engines),
        ("precision", _PRECISIONS),
        ("device", _DEVICES),
        ("projection", _PROJECTIONS),
    ):
        value = getattr(spec, field)
        if value not in known:
            raise InvalidInputError(
                f"{field} {value} is unknown: choose "
                + " or ".join(name.upper() for name in known.values() if name),
                field=field,
            )
    refusal = fast_refusal(sweep_settings(spec))
    if refusal and spec.engine == simulator_pb2.ENGINE_FAST:
        raise InvalidInputError(f"{refusal}: choose ABTEM, or leave the engine out", field="engine")
    remarks = [] if spec.engine or not refusal else [f"{refusal}: abTEM answers instead"]
    spec.engine = spec.engine or (
        simulator_pb2.ENGINE_ABTEM if refusal else simulator_pb2.ENGINE_FAST
    )
    fast = spec.engine == simulator_pb2.ENGINE_FAST
    if not fast:
        _require_abtem_can(spec, structures)
    spec.engine_revision = f"fast {FAST_REVISION}" if fast else version("abtem")
    return remarks


def _require_abtem_can(spec: simulator_pb2.SweepSpec, structures: Sequence[Structure]) -> None:
    """Raise `InvalidInputError` where abTEM would fail, which is not imported for it."""
    if not all(structure.orthogonal for structure in structures):
        raise InvalidInputError(
            "abTEM needs a cell with a, b, c along x, y, z, and a model has another: choose FAST, "
            "or an orthogonal supercell",
            field="engine",
        )
    vibrating = any(spec.b_levels_angstrom2) or any(spec.debye_waller_b_angstrom2.values())
    finite = spec.projection == simulator_pb2.PROJECTION_FINITE
    if finite and vibrating and not spec.axes.HasField("frozen_phonons"):
        raise InvalidInputError(
            "projection is FINITE with Debye-Waller factors B above 0 angstrom^2, with which abTEM "
            "cannot damp it: set them to 0, or ask for axes.frozen_phonons",
            field="projection",
        )


def sweep_engine(spec: simulator_pb2.SweepSpec) -> Engine:
    """Return the engine of a prepared spec."""
    return engine_named(_ENGINES[spec.engine])


def sweep_settings(spec: simulator_pb2.SweepSpec, **changes: Any) -> Multislice:
    """Return a prepared spec as settings of an engine.

    Parameters
    ----------
    spec : SweepSpec
    **changes
        Fields of `Multislice` in which a pass differs from the spec.
    """
    settings: dict[str, Any] = {
        "energy_kev": spec.energy_kev,
        "thicknesses_angstrom": list(spec.thicknesses_angstrom),
        "k_max_per_angstrom": spec.k_max_per_angstrom,
        "sampling_angstrom": spec.sampling_angstrom,
        "slice_thickness_angstrom": spec.slice_thickness_angstrom,
        "parametrization": spec.parametrization,
        "debye_waller_b_angstrom2": dict(spec.debye_waller_b_angstrom2),
        "precision": _PRECISIONS[spec.precision],
        "device": _DEVICES[spec.device],
        "projection": _PROJECTIONS[spec.projection],
    }
    return Multislice(**(settings | changes))
