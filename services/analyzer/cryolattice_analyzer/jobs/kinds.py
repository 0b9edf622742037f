"""The kinds of jobs that the analyzer runs, and how their specs are checked.

Runs in the server: nothing here imports numpy or scipy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from cryolattice.canonical import dataset_id_of
from cryolattice.errors import InvalidInputError
from cryolattice.jobs.kinds import Inputs, JobKind
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.job_pb2 import JobEstimate

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

G_MAX_PER_ANGSTROM = 0.7
FOCAL_SPREAD_ANGSTROM = 30.0
AMPLITUDE_CONTRAST = 0.07
REPORT_REVISION = "4"
"""To be raised whenever a report of the same datasets comes to look different."""
_LARGEST_SUPERCELL = 12
_DEFAULT_SUPERCELL = 2

# Memory of a process with the libraries of these jobs, measured; what it takes beside, in copies
# of an image (108 and 55 bytes a pixel for lattice and CTF) and of diffraction series.
_PROCESS_BYTES = 250_000_000
_IMAGE_COPIES = 25
_SERIES_COPIES = 3

Prepare = Callable[[Any, Inputs], JobEstimate]


def _not_negative(spec: Message, field: str, unit: str) -> None:
    value = getattr(spec, field)
    if not (math.isfinite(value) and value >= 0):
        raise InvalidInputError(
            f"{field} is {value:g} {unit}: give a positive value, or 0 for the default", field=field
        )


def _plane_supercell(spec: Any) -> None:
    spec.supercell_a = spec.supercell_a or _DEFAULT_SUPERCELL
    spec.supercell_b = spec.supercell_b or _DEFAULT_SUPERCELL
    for field in ("supercell_a", "supercell_b"):
        if not 1 <= getattr(spec, field) <= _LARGEST_SUPERCELL:
            raise InvalidInputError(
                f"{field} is {getattr(spec, field)}: choose 1 to {_LARGEST_SUPERCELL}", field=field
            )


def _prepare_dose(spec: analyzer_pb2.DoseSpec, inputs: Inputs) -> JobEstimate:
    series = [inputs.open(spec.series, "diffraction_series", field="series")]
    if spec.compare.name:
        series.append(inputs.open(spec.compare, "diffraction_series", field="compare"))
    _not_negative(spec, "lattice_angstrom", "angstrom")
    return JobEstimate(
        tile_count=1,
        store_bytes=3_000_000,
        core_seconds=20,
        worker_peak_bytes=_PROCESS_BYTES
        + _SERIES_COPIES * sum(one.array_bytes("frames") for one in series),
    )


def _image_peak_bytes(image: DatasetReader, array: str = "counts") -> int:
    return _PROCESS_BYTES + _IMAGE_COPIES * image.array_bytes(array)


def _prepare_lattice(spec: analyzer_pb2.LatticeSpec, inputs: Inputs) -> JobEstimate:
    image = inputs.open(spec.micrograph, "micrograph", field="micrograph")
    _plane_supercell(spec)
    if spec.HasField("parent_cell"):
        cell = spec.parent_cell
        right = all(math.isfinite(v) and v > 0 for v in (cell.a_angstrom, cell.b_angstrom))
        if not right or not 10 < cell.gamma_deg < 170:
            raise InvalidInputError(
                f"parent_cell is a = {cell.a_angstrom:g}, b = {cell.b_angstrom:g} angstrom, "
                f"gamma = {cell.gamma_deg:g} degrees: lengths must be positive, the angle within "
                "10 to 170",
                field="parent_cell",
            )
    return JobEstimate(
        tile_count=1,
        store_bytes=10_000_000,
        core_seconds=8,
        worker_peak_bytes=_image_peak_bytes(image),
    )


def _prepare_ctf(spec: analyzer_pb2.CtfSpec, inputs: Inputs) -> JobEstimate:
    if bool(spec.micrograph.name) == bool(spec.power_spectrum.name):
        raise InvalidInputError(
            "refer to a micrograph or to a power spectrum, one of the two", field="micrograph"
        )
    if spec.power_spectrum.name:
        spectrum = inputs.open(spec.power_spectrum, "power_spectrum", field="power_spectrum")
        peak_bytes = _image_peak_bytes(spectrum, "power")
    else:
        image = inputs.open(spec.micrograph, "micrograph", field="micrograph")
        peak_bytes = _image_peak_bytes(image)
    if spec.lattice.name:
        inputs.open(spec.lattice, "lattice", field="lattice")
    if not spec.HasField("amplitude_contrast"):
        spec.amplitude_contrast = AMPLITUDE_CONTRAST
    if not 0 <= spec.amplitude_contrast <= 1:
        raise InvalidInputError(
            f"amplitude_contrast is {spec.amplitude_contrast:g}: choose 0 to 1",
            field="amplitude_contrast",
        )
    _given_range(spec, "defocus_min_angstrom", "defocus_max_angstrom", "defocus_range")
    _given_range(spec, "spacing_min_angstrom", "spacing_max_angstrom", "resolution")
    return JobEstimate(
        tile_count=1, store_bytes=2_000_000, core_seconds=8, worker_peak_bytes=peak_bytes
    )


def _given_range(spec: Message, low: str, high: str, field: str) -> None:
    """Both ends of a range or neither, positive and rising."""
    given = [getattr(spec, name) if spec.HasField(name) else None for name in (low, high)]
    if given == [None, None]:
        return
    least, greatest = given
    if least is None or greatest is None:
        raise InvalidInputError(f"{low} and {high} go together: give both", field=field)
    if not (math.isfinite(greatest) and 0 < least < greatest):
        raise InvalidInputError(
            f"{field} is {least:g} to {greatest:g} angstrom: give two positive, different values",
            field=field,
        )


def greatest_g_max(pixel_size_angstrom: float) -> float:
    """Return the highest frequency in 1/angstrom that an average takes: just below Nyquist's."""
    return 0.48 / pixel_size_angstrom


def _prepare_average(spec: analyzer_pb2.AverageSpec, inputs: Inputs) -> JobEstimate:
    image = inputs.open(spec.micrograph, "micrograph", field="micrograph")
    inputs.open(spec.lattice, "lattice", field="lattice")
    _plane_supercell(spec)
    _not_negative(spec, "g_max_per_angstrom", "1/angstrom")
    pixel = float(image.json("micrograph.json")["pixel_size_angstrom"])
    if spec.g_max_per_angstrom > greatest_g_max(pixel):
        raise InvalidInputError(
            f"g_max_per_angstrom is {spec.g_max_per_angstrom:g} 1/angstrom: pixels of {pixel:g} "
            f"angstrom show reflections up to {greatest_g_max(pixel):.3g}",
            field="g_max_per_angstrom",
        )
    spec.g_max_per_angstrom = spec.g_max_per_angstrom or G_MAX_PER_ANGSTROM
    return JobEstimate(
        tile_count=1,
        store_bytes=500_000,
        core_seconds=3,
        worker_peak_bytes=_image_peak_bytes(image),
    )


def _prepare_rank(spec: analyzer_pb2.RankSpec, inputs: Inputs) -> JobEstimate:
    inputs.open(spec.average, "average", field="average")
    beams = inputs.open(spec.beams, "beams", field="beams")
    _require_plain(beams)
    inputs.open(spec.micrograph, "micrograph", field="micrograph")
    models = inputs.open(spec.models, "models", field="models").json("models.json")
    asked = beams.manifest.spec
    if asked["models"]["name"] != dataset_id_of(spec.models):
        raise InvalidInputError(
            "beams were simulated from other models: give those that belong together",
            field="beams",
        )
    every = [record["model_id"] for record in models]
    chosen = asked.get("selection", {}).get("model_ids", every)
    if spec.ctf.name:
        inputs.open(spec.ctf, "ctf", field="ctf")
    if spec.screened.name:
        screened = inputs.open(spec.screened, "ranking", field="screened")
        _require_screen_of(spec, chosen, screened)
    if not spec.screen:
        spec.ClearField("screen")  # the same question as without it
    _not_negative(spec, "focal_spread_angstrom", "angstrom")
    spec.focal_spread_angstrom = spec.focal_spread_angstrom or FOCAL_SPREAD_ANGSTROM
    return JobEstimate(
        tile_count=len(chosen),
        store_bytes=5_000 * len(chosen),
        core_seconds=(0.1 if spec.screen else 1.5) * len(chosen),
        worker_peak_bytes=rank_peak_bytes(spec, inputs),
    )


def _require_screen_of(
    spec: analyzer_pb2.RankSpec, chosen: Collection[str], screened: DatasetReader
) -> None:
    asked = screened.manifest.spec
    if not asked.get("screen") or spec.screen:
        raise InvalidInputError(
            "screened is for a thorough ranking and refers to one whose spec says screen",
            field="screened",
        )
    for field in ("average", "models"):
        if asked[field]["name"] != dataset_id_of(getattr(spec, field)):
            raise InvalidInputError(
                f"screened was made of another {field} dataset: refer to the screen of this one",
                field="screened",
            )
    kept = screened.json("ranking.json")["kept"]
    # each counts once
    if set(chosen) != set(kept):
        raise InvalidInputError(
            f"beams hold {len(chosen)} models, not the {len(kept)} that the screen kept: sweep "
            "those that its ranking.json lists",
            field="beams",
        )


def _require_plain(beams: DatasetReader, *, field: str = "beams") -> None:
    """Refuse beams over energies, tilts or phonon configurations: there is one micrograph."""
    beams.require_dims("psi", ("model", "b_level", "thickness", "beam"), field=field)


def rank_peak_bytes(spec: analyzer_pb2.RankSpec, inputs: Inputs) -> int:
    """Estimate the greatest memory of a worker that ranks: it holds all beams and an image."""
    beams = inputs.open(spec.beams, "beams", field="beams")
    image = inputs.open(spec.micrograph, "micrograph", field="micrograph")
    return _PROCESS_BYTES + beams.array_bytes("psi") + image.array_bytes("counts")


def _prepare_report(spec: analyzer_pb2.ReportSpec, inputs: Inputs) -> JobEstimate:
    given = 0
    peak_bytes = _PROCESS_BYTES
    for field in (
        "micrograph",
        "lattice",
        "ctf",
        "average",
        "models",
        "beams",
        "ranking",
        "dose",
        "power_spectrum",
        "images",
        "potential",
        "confirmation",
    ):
        ref = getattr(spec, field)
        if ref.name:
            kind = "ranking" if field == "confirmation" else field
            reader = inputs.open(ref, kind, field=field)
            given += 1
            if kind == "beams":
                _require_plain(reader)
            if field == "images":
                _require_recorded_from(spec, reader)
            if field == "micrograph":
                peak_bytes = _image_peak_bytes(reader)
    for kind in ("models", "beams", "potential"):
        if getattr(spec, f"compare_{kind}").name:
            reader = inputs.open(getattr(spec, f"compare_{kind}"), kind, field=f"compare_{kind}")
            if kind == "beams":
                _require_plain(reader, field="compare_beams")
    if spec.HasField("paper"):
        _prepare_paper(spec, inputs)
    if not given:
        raise InvalidInputError("nothing to report on: refer to a dataset", field="micrograph")
    if not spec.thickness_angstrom:
        spec.ClearField("thickness_angstrom")  # the same question as without it
    spec.revision = REPORT_REVISION
    return JobEstimate(
        tile_count=1, store_bytes=5_000_000, core_seconds=8, worker_peak_bytes=peak_bytes
    )


def _require_recorded_from(spec: analyzer_pb2.ReportSpec, images: DatasetReader) -> None:
    for field in ("beams", "models"):
        if images.manifest.spec[field]["name"] != dataset_id_of(getattr(spec, field)):
            raise InvalidInputError(
                f"images were recorded from other {field}: refer to those", field="images"
            )


def _prepare_paper(spec: analyzer_pb2.ReportSpec, inputs: Inputs) -> None:
    for field in ("micrograph", "lattice", "average", "models", "beams", "ranking", "dose"):
        inputs.open(getattr(spec, field), field, field=field)
    inputs.open(spec.paper.potential, "potential", field="paper.potential")
    for field in ("series", "compare"):
        inputs.open(getattr(spec.paper, field), "diffraction_series", field=f"paper.{field}")


def _kind(
    name: str, output: str, spec: type[Message], prepare: Prepare, run: str, *, tiled: bool = False
) -> JobKind:
    return JobKind(name, output, spec, prepare, f"cryolattice_analyzer.jobs.{run}", tiled)


DOSE = _kind("dose", "dose", analyzer_pb2.DoseSpec, _prepare_dose, "dose:run_dose")
CTF = _kind("ctf", "ctf", analyzer_pb2.CtfSpec, _prepare_ctf, "imaging:run_ctf")
LATTICE = _kind(
    "lattice", "lattice", analyzer_pb2.LatticeSpec, _prepare_lattice, "imaging:run_lattice"
)
AVERAGE = _kind(
    "average", "average", analyzer_pb2.AverageSpec, _prepare_average, "imaging:run_average"
)
RANK = _kind("rank", "ranking", analyzer_pb2.RankSpec, _prepare_rank, "rank:RankTiles", tiled=True)
REPORT = _kind("report", "report", analyzer_pb2.ReportSpec, _prepare_report, "report:run_report")

KINDS = (DOSE, CTF, LATTICE, AVERAGE, RANK, REPORT)
