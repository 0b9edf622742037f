"""How every number was made: files, datasets, versions, and how to do it again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from cryolattice_analyzer.report.imaging_command import imaging_words

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

_PURPOSES = {
    "micrograph": "read and calibrated the micrograph",
    "diffraction_series": "read and calibrated the series",
    "power_spectrum": "read and calibrated the power spectrum",
    "models": "built every ordering of the parent, as atoms",
    "beams": "simulated each model by multislice, at every thickness",
    "lattice": "found the lattice, the crystal's area and superlattice spots",
    "ctf": "fitted defocus and astigmatism to the film's rings",
    "potential": "projected the potential of models",
    "average": "averaged the unit cells, with standard errors",
    "ranking": "fitted every model to the averaged cell and judged",
    "dose": "fitted the fading of every spacing",
}
# what a person gave beside the file, and by which option; what is absent was read from the file
_IMAGE_OPTIONS = {
    "pixel_size_angstrom": "--pixel-size",
    "dose_e_per_angstrom2": "--dose",
    "energy_kev": "--energy-kev",
    "cs_mm": "--cs-mm",
}
_COMPARED_OPTIONS = {"dose_per_frame_e_per_angstrom2": "--compare-dose-per-frame"}
_DIFFRACTION_OPTIONS = {
    "pixel_size_per_angstrom": "--pixel-size",
    "dose_per_frame_e_per_angstrom2": "--dose-per-frame",
}
_PYTHON = """\
import cryolattice

with cryolattice.connect() as lab:
    {kind} = lab.dataset("{name}")
    {kind}.verify()
    arrays = {kind}.to_xarray()"""
_IDENTIFIER = re.compile(r"\b[0-9a-f]{32}\b")


@dataclass(frozen=True)
class InputFile:
    """A file that was given: its name, its calibration in words, its digest."""

    name: str
    facts: str
    sha256: str = ""


@dataclass(frozen=True)
class Step:
    """A dataset: what was asked, when it was made, and its digest."""

    kind: str
    purpose: str
    identifier: str
    manifest_sha256: str
    time: str
    spec: Markup
    source: str = ""


@dataclass(frozen=True)
class Provenance:
    """Everything the last part of a report says."""

    files: list[InputFile]
    steps: list[Step]
    command: str
    python: str
    citation: str
    versions: dict[str, str]


def provenance(readers: Mapping[str, DatasetReader], versions: dict[str, str]) -> Provenance:
    """Describe how the datasets of a report came about.

    Parameters
    ----------
    readers : mapping of str to DatasetReader
        By the field they were given as, in the order of the steps.
    versions : dict of str to str
        Of what draws the report; those of the steps are added where they differ.
    """
    known = {reader.manifest.id for reader in readers.values()}
    steps = [_step(reader, known) for reader in readers.values()]
    seen: dict[str, set[str]] = {name: {version} for name, version in versions.items()}
    for reader in readers.values():
        for name, version in reader.manifest.versions.items():
            seen.setdefault(name, set()).add(version)
    version = versions.get("cryolattice", "")
    last = steps[-1] if steps else None
    digest = f", dataset {last.identifier}, manifest sha256 {last.manifest_sha256}" if last else ""
    return Provenance(
        files=_files(readers),
        steps=steps,
        command=_command(readers),
        python=_PYTHON.format(kind=last.kind.replace(" ", "_"), name=last.identifier)
        if last
        else "",
        citation=f"Cryolattice {version}{digest}.",
        versions={name: ", ".join(sorted(found)) for name, found in sorted(seen.items())},
    )


def _step(reader: DatasetReader, known: set[str]) -> Step:
    manifest = reader.manifest
    spec = json.loads(json.dumps(manifest.spec))
    crystal = spec.get("parent_crystal", {})
    source = crystal.pop("cif", "")
    text = str(escape(json.dumps(spec, indent=1, ensure_ascii=False)))
    linked = _IDENTIFIER.sub(
        lambda found: (
            f'<a href="#d-{found.group()}">{found.group()}</a>'
            if found.group() in known
            else found.group()
        ),
        text,
    )
    return Step(
        kind=manifest.kind.replace("_", " "),
        purpose=_purpose(manifest.kind, manifest.spec),
        identifier=manifest.id,
        manifest_sha256=reader.manifest_sha256,
        time=manifest.create_time[:19].replace("T", " ") + " UTC",
        # escaped above; the links hold nothing but hexadecimal digits
        spec=Markup(linked),  # noqa: S704
        source=source,
    )


def _purpose(kind: str, spec: Mapping[str, Any]) -> str:
    if kind == "ranking" and spec.get("screen"):
        return "took a quick look at every model: which are worth a thorough one"
    if kind == "beams" and spec.get("selection"):
        return f"simulated {len(spec['selection']['model_ids'])} of the models by multislice"
    if kind == "ranking" and spec.get("screened"):
        return "fitted the models that the screen kept to the averaged cell and judged"
    return _PURPOSES.get(kind, "")


def _files(readers: Mapping[str, DatasetReader]) -> list[InputFile]:
    files = []
    for reader in readers.values():
        kind = reader.manifest.kind
        if kind in {"micrograph", "power_spectrum", "diffraction_series"}:
            facts = reader.json(f"{kind}.json")
            scale = _series_scale(facts) if kind == "diffraction_series" else _image_scale(facts)
            files.append(
                InputFile(facts["file_name"], scale + _told(facts), facts.get("file_sha256", ""))
            )
            files += [
                InputFile(name, "beside it", digest)
                for name, digest in sorted(facts.get("companions", {}).items())
            ]
        elif kind == "models":
            crystal = reader.manifest.spec["parent_crystal"]
            files.append(
                InputFile(
                    crystal.get("file_name") or "parent crystal",
                    "The parent crystal; its text is part of the models' specification.",
                )
            )
    return files


def _image_scale(facts: dict[str, Any]) -> str:
    dose = facts.get("dose_e_per_angstrom2")
    return (
        f"{facts['pixel_size_angstrom']:.6g} Å per pixel, {facts['energy_kev']:g} keV, Cs "
        f"{facts['cs_mm']:g} mm, {f'{dose:.4g} e/Å²' if dose else 'dose not given'}."
    )


def _series_scale(facts: dict[str, Any]) -> str:
    return (
        f"{facts['pixel_size_per_angstrom']:.6g} 1/Å per pixel, "
        f"{facts['dose_per_frame_e_per_angstrom2']:.4g} e/Å² per frame."
    )


def _told(facts: dict[str, Any]) -> str:
    """Say what else the file tells of itself."""
    words = [facts["file_format"]] if facts.get("file_format") else []
    if facts.get("signal"):
        words.append(f"image “{facts['signal']}”")
    if facts.get("frames_summed", 1) > 1:
        words.append(f"sum of {facts['frames_summed']} frames")
    scale = facts.get("file_scale", {}).get("x", {})
    if scale.get("value"):
        words.append(f"its own scale {scale['value']:.6g} {scale['unit'] or '(no unit)'} per pixel")
    instrument = facts.get("instrument", {})
    words += [
        instrument[key] for key in ("microscope", "camera", "acquired") if instrument.get(key)
    ]
    return f" {', '.join(words)}." if words else ""


def _command(readers: Mapping[str, DatasetReader]) -> str:
    """Write the command that asks the same again."""
    if "dose" in readers:
        return _dose_command(readers)
    if "models" not in readers:
        words = imaging_words(readers)
        return _joined([*words, "--out", "report"]) if words else ""
    spec = readers["models"].manifest.spec
    parent = spec["parent_crystal"].get("file_name") or "PARENT.cif"
    cells = [str(spec["supercell"][axis]) for axis in "abc"]
    if "micrograph" in readers:
        header = readers["micrograph"].manifest.spec["header"]
        words = ["cryolattice", "identify", header["file_name"], "--parent", parent]
        words += ["--supercell", *cells, *_given(header.get("image", {}), _IMAGE_OPTIONS)]
        words += _signal(header)
        if spec.get("zone_axes") == "ZONE_AXES_ALL":
            words += ["--zone-axes", "all"]
        if "ranking" in readers and "screened" in readers["ranking"].manifest.spec:
            words += ["--cascade", "on"]
    else:
        words = ["cryolattice", "simulate", parent, "--supercell", *cells]
        for identifier in spec.get("ordering_ids", []):
            words += ["--ordering", identifier]
        if "beams" in readers:
            words += ["--energy-kev", f"{readers['beams'].manifest.spec['energy_kev']:g}"]
    for label, ion in sorted(spec.get("clusters", {}).items()):
        words += ["--cluster", f"{label}={ion}"]
    if "beams" in readers:
        words += _thickness_options(readers["beams"].manifest.spec, readers["models"])
    return _joined([*words, "--out", "report"])


def _signal(header: dict[str, Any]) -> list[str]:
    return ["--signal", header["signal"]] if header.get("signal") else []


def _given(values: dict[str, Any], options: dict[str, str]) -> list[str]:
    return [
        word
        for name, option in options.items()
        if name in values
        for word in (option, f"{values[name]:g}")
    ]


def _thickness_options(sweep: dict[str, Any], models: DatasetReader) -> list[str]:
    """Return the options of the thicknesses, the step where it is not one period."""
    thicknesses = sweep["thicknesses_angstrom"]
    words = ["--thickness-max", f"{thicknesses[-1]:g}"]
    period = max(record["period_angstrom"] for record in models.json("models.json"))
    if abs(thicknesses[0] - period) > 1e-3:
        words += ["--thickness-step", f"{thicknesses[0]:g}"]
    return words


def _dose_command(readers: Mapping[str, DatasetReader]) -> str:
    by_name = {reader.manifest.id: reader for reader in readers.values()}
    spec = readers["dose"].manifest.spec
    words = ["cryolattice", "dose"]
    for field in ("series", "compare"):
        name = spec.get(field, {}).get("name")
        if not name:
            continue
        header = by_name[name].manifest.spec["header"]
        given = header.get("diffraction", {})
        if field == "series":
            words += [header["file_name"], *_given(given, _DIFFRACTION_OPTIONS), *_signal(header)]
        else:
            words += ["--compare", header["file_name"], *_given(given, _COMPARED_OPTIONS)]
    lattice = spec.get("lattice_angstrom")
    if lattice:
        words += ["--lattice", f"{lattice:g}"]
    return _joined([*words, "--out", "report"])


def _joined(words: list[str]) -> str:
    """Join the words of a command, an option a line."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(shlex.quote(word))
    return " \\\n    ".join(" ".join(line) for line in lines)
