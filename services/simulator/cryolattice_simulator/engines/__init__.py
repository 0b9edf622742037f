"""Multislice engines: ``fast``, ours, and ``abtem``, the authority. None imports abTEM by itself.

>>> from cryolattice_simulator.engines import Multislice, choose_engine  # doctest: +SKIP
>>> engine, reason = choose_engine("auto", structure, settings)  # doctest: +SKIP
>>> beams = engine.exit_beams(structure, settings)  # doctest: +SKIP
"""

from cryolattice_simulator.engines.choice import (
    ENGINE_NAMES,
    FAST_REVISION,
    Choice,
    choose_engine,
    engine_named,
    fast_refusal,
)
from cryolattice_simulator.engines.protocol import Engine
from cryolattice_simulator.engines.settings import Device, Multislice, Plan

__all__ = [
    "ENGINE_NAMES",
    "FAST_REVISION",
    "Choice",
    "Device",
    "Engine",
    "Multislice",
    "Plan",
    "choose_engine",
    "engine_named",
    "fast_refusal",
]
