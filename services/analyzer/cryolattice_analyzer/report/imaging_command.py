"""The command of a report on a lens, a lattice or an averaged cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

_SHARED_OPTIONS = {"pixel_size_angstrom": "--pixel-size"}
_LENS_OPTIONS = {**_SHARED_OPTIONS, "energy_kev": "--energy-kev", "cs_mm": "--cs-mm"}


def imaging_words(readers: Mapping[str, DatasetReader]) -> list[str]:
    """Return the words of ``cryolattice ctf``, ``lattice`` or ``average``; none for other reports.

    A parent's CIF is not among the datasets, so that its name is left to fill in.
    """
    if "ctf" in readers:
        return _ctf(readers)
    if "average" in readers or "lattice" in readers:
        return _lattice(readers)
    return []


def _ctf(readers: Mapping[str, DatasetReader]) -> list[str]:
    spec = readers["ctf"].manifest.spec
    spectrum = "power_spectrum" in readers
    header = readers["power_spectrum" if spectrum else "micrograph"].manifest.spec["header"]
    words = ["cryolattice", "ctf", header["file_name"]]
    words += ["--power-spectrum"] if spectrum else []
    if "lattice" in readers and "parent_cell" in readers["lattice"].manifest.spec:
        words += ["--parent", "PARENT.cif"]
    words += _given(header, _LENS_OPTIONS)
    words += ["--amplitude-contrast", f"{spec['amplitude_contrast']:g}"]
    for option, names in (
        ("--defocus", ("defocus_min_angstrom", "defocus_max_angstrom")),
        ("--resolution", ("spacing_max_angstrom", "spacing_min_angstrom")),
    ):
        if names[0] in spec:
            words += [option, *(f"{spec[name]:g}" for name in names)]
    return words


def _lattice(readers: Mapping[str, DatasetReader]) -> list[str]:
    spec = readers["lattice"].manifest.spec
    header = readers["micrograph"].manifest.spec["header"]
    average = readers["average"].manifest.spec if "average" in readers else None
    asked = spec if average is None else average
    words = ["cryolattice", "lattice" if average is None else "average", header["file_name"]]
    words += _given(header, _SHARED_OPTIONS)
    if "parent_cell" in spec:
        words += ["--parent", "PARENT.cif"]
    words += ["--supercell", str(asked["supercell_a"]), str(asked["supercell_b"])]
    if average is not None:
        words += ["--g-max", f"{average['g_max_per_angstrom']:g}"]
    return words


def _given(header: dict[str, Any], options: dict[str, str]) -> list[str]:
    told = header.get("image", {})
    words = [
        word
        for name, option in options.items()
        if name in told
        for word in (option, f"{told[name]:g}")
    ]
    return words + (["--signal", header["signal"]] if header.get("signal") else [])
