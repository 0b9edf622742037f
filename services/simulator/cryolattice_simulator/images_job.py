"""The images job: what a camera records of one model at each thickness and defocus."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice.jobs.kinds import Inputs, JobKind
from cryolattice_api.common.v1.job_pb2 import JobEstimate
from cryolattice_api.simulator.v1 import simulator_pb2
from cryolattice_simulator.beams import ExitBeams, is_orthogonal, require_positive
from cryolattice_simulator.memory import FAST
from cryolattice_simulator.models_data import beams_row

if TYPE_CHECKING:
    from cryolattice.jobs.context import JobContext
    from cryolattice.store.reader import DatasetReader
    from cryolattice_simulator.camera import Mtf, Raster
    from cryolattice_simulator.imaging import Lens

# scipy is imported where it is used: the server starts without it

_PATTERN_PX = 512
_SPOT_PX = 1.5
_GREATEST_EDGE_PX = 8192
_GREATEST_VALUES = 2**27
_SAME_THICKNESS_ANGSTROM = 5e-3
_SECONDS_PER_VALUE = 1e-7


def prepare_images(spec: simulator_pb2.ImagesSpec, inputs: Inputs) -> JobEstimate:
    """Check an images spec and fill in its defaults."""
    models = inputs.open(spec.models, "models", field="models")
    beams = inputs.open(spec.beams, "beams", field="beams")
    beams.require_dims("psi", ("model", "b_level", "thickness", "beam"), field="beams")
    records = models.json("models.json")
    place = _model(records, spec.model_id)
    beams_row(beams, place, field="model_id")
    record = records[place]
    spec.model_id = record["model_id"]
    thicknesses = beams.array("thickness")
    for wanted in spec.thicknesses_angstrom:
        _plane(thicknesses, wanted)
    if not spec.thicknesses_angstrom:
        spec.thicknesses_angstrom.extend(thicknesses.tolist())
    if not spec.objective.defocus_angstrom:
        spec.objective.defocus_angstrom.append(0.0)
    k_max = float(beams.manifest.spec["k_max_per_angstrom"])
    cell = models.array("cell")[place]
    if not is_orthogonal(cell):
        raise InvalidInputError(
            f"a camera's pixels need a cell with a, b, c along x, y, z, and that of "
            f"{spec.model_id} is {cell.round(3).tolist()}: choose an orthogonal supercell",
            field="model_id",
        )
    _fill_camera(spec.camera, k_max, (float(cell[0, 0]), float(cell[1, 1])))
    lenses_of(spec.objective)
    raster_of(spec.camera)
    mtf_of(spec.camera.mtf)
    values = _values(spec)
    if values > _GREATEST_VALUES:
        raise LimitExceededError(
            f"{len(spec.thicknesses_angstrom)} thicknesses x "
            f"{len(spec.objective.defocus_angstrom)} defoci of {spec.camera.width_px} x "
            f"{spec.camera.height_px} pixels are {4 * values / 2**30:.1f} GiB, above the limit of "
            f"{4 * _GREATEST_VALUES / 2**30:.1f}: ask for fewer or smaller images",
            field="width_px",
        )
    return JobEstimate(
        tile_count=1,
        store_bytes=4 * values,
        core_seconds=1.0 + values * _SECONDS_PER_VALUE,
        # the images, and their chunks on the way to the store
        worker_peak_bytes=FAST.process_bytes + 8 * values,
    )


def _model(records: list[dict[str, Any]], wanted: str) -> int:
    names = [record["model_id"] for record in records]
    if not wanted and len(names) == 1:
        return 0
    if wanted not in names:
        raise InvalidInputError(
            f"model_id is {wanted!r}, none of the {len(names)} models of this dataset: its "
            "models.json lists them",
            field="model_id",
        )
    return names.index(wanted)


def _plane(thicknesses: NDArray[np.float64], wanted: float) -> int:
    nearest = int(np.argmin(np.abs(thicknesses - wanted)))
    if not abs(thicknesses[nearest] - wanted) <= _SAME_THICKNESS_ANGSTROM:
        raise InvalidInputError(
            f"thicknesses_angstrom names {wanted:g} angstrom, which was not simulated: the nearest "
            f"is {thicknesses[nearest]:g}",
            field="thicknesses_angstrom",
        )
    return nearest


def _fill_camera(
    camera: simulator_pb2.Camera, k_max: float, lengths_angstrom: tuple[float, float]
) -> None:
    # an image of beams up to k_max has frequencies up to twice that
    camera.pixel_size_angstrom = camera.pixel_size_angstrom or 1 / (4 * k_max)
    pixel = require_positive(
        camera.pixel_size_angstrom, field="pixel_size_angstrom", unit="angstrom"
    )
    camera.pattern_px = camera.pattern_px or _PATTERN_PX
    for field, edge in (
        ("width_px", lengths_angstrom[0]),
        ("height_px", lengths_angstrom[1]),
        ("pattern_px", 0.0),
    ):
        value = getattr(camera, field) or max(2, round(2 * edge / pixel))
        if not 2 <= value <= _GREATEST_EDGE_PX:
            raise InvalidInputError(
                f"{field} is {value}: choose 2 to {_GREATEST_EDGE_PX}, or other pixels than of "
                f"{pixel:g} angstrom",
                field=field,
            )
        setattr(camera, field, value)
    if camera.dose_e_per_angstrom2:
        require_positive(
            camera.dose_e_per_angstrom2, field="dose_e_per_angstrom2", unit="e/angstrom^2"
        )
    else:
        camera.ClearField("seed")  # without noise it makes no other images
    camera.spot_sigma_per_angstrom = (
        camera.spot_sigma_per_angstrom or _SPOT_PX * 2 * k_max / camera.pattern_px
    )
    require_positive(
        camera.spot_sigma_per_angstrom, field="spot_sigma_per_angstrom", unit="1/angstrom"
    )


def _values(spec: simulator_pb2.ImagesSpec) -> int:
    camera = spec.camera
    images = len(spec.objective.defocus_angstrom) * (1 + spec.ctf_corrected) + 2 * spec.exit_wave
    one = images * camera.width_px * camera.height_px + camera.pattern_px**2
    return len(spec.thicknesses_angstrom) * one


def lenses_of(objective: simulator_pb2.Objective) -> list[Lens]:
    """Return the lens of each defocus."""
    from cryolattice_simulator.imaging import Lens  # noqa: PLC0415

    half = objective.astigmatism_angstrom / 2
    return [
        Lens(
            mean + half,
            mean - half,
            angle_deg=objective.astigmatism_angle_deg,
            cs_mm=objective.cs_mm,
            focal_spread_angstrom=objective.focal_spread_angstrom,
            b_factor_angstrom2=objective.envelope_b_angstrom2,
            aperture_mrad=objective.aperture_mrad,
        )
        for mean in objective.defocus_angstrom
    ]


def raster_of(camera: simulator_pb2.Camera) -> Raster:
    """Return the pixels of a camera."""
    from cryolattice_simulator.camera import Raster  # noqa: PLC0415

    return Raster(camera.pixel_size_angstrom, (camera.height_px, camera.width_px))


def mtf_of(message: simulator_pb2.Mtf) -> Mtf:
    """Return the modulation transfer that a message describes."""
    from cryolattice_simulator.camera import Mtf  # noqa: PLC0415

    return Mtf(
        tuple(message.frequency_per_pixel),
        tuple(message.value),
        message.square_pixel,
        tuple(message.lorentzians),
    )


def load_beams(models: DatasetReader, beams: DatasetReader, index: int) -> ExitBeams:
    """Read the beams of one model, at the smallest Debye-Waller factor."""
    arrays = beams.to_xarray()
    row = beams_row(beams, index, field="model_id")
    count = int(arrays.beam_count[row])
    gpts = arrays.gpts.values[row]
    return ExitBeams(
        h=arrays.h.values[row, :count].astype(np.int64),
        k=arrays.k.values[row, :count].astype(np.int64),
        psi=arrays.psi[row, 0, :, :count].values,
        thicknesses_angstrom=arrays.thickness.values,
        cell_angstrom=models.array("cell")[index],
        energy_kev=float(arrays.psi.attrs["energy_kev"]),
        gpts=(int(gpts[0]), int(gpts[1])),
        slices_per_period=0,
    )


def run_images(context: JobContext, spec: simulator_pb2.ImagesSpec) -> None:
    """Form the images and write them."""
    from cryolattice_simulator.recording import Recording  # noqa: PLC0415

    models = context.inputs.open(spec.models, "models", field="models")
    reader = context.inputs.open(spec.beams, "beams", field="beams")
    beams = load_beams(models, reader, _model(models.json("models.json"), spec.model_id))
    lenses, camera = lenses_of(spec.objective), spec.camera
    recording = Recording(
        beams,
        raster_of(camera),
        mtf_of(camera.mtf),
        dose_e_per_angstrom2=camera.dose_e_per_angstrom2,
        seed=camera.seed,
    )
    k_max = float(reader.manifest.spec["k_max_per_angstrom"])
    found: dict[str, list[Any]] = {}
    total = len(spec.thicknesses_angstrom)
    for row, thickness in enumerate(spec.thicknesses_angstrom):
        context.progress(row, total, f"{thickness:g} angstrom")
        plane = _plane(beams.thicknesses_angstrom, thickness)
        series = [recording.image(plane, lens, number) for number, lens in enumerate(lenses)]
        found.setdefault("image", []).append([image for image, _ in series])
        if spec.ctf_corrected:
            found.setdefault("corrected", []).append([corrected for _, corrected in series])
        if spec.exit_wave:
            wave = recording.exit_wave(plane)
            found.setdefault("amplitude", []).append(np.abs(wave))
            found.setdefault("phase", []).append(np.angle(wave))
        found.setdefault("pattern", []).append(
            recording.pattern(
                plane,
                pixels=camera.pattern_px,
                half_width=k_max,
                sigma=camera.spot_sigma_per_angstrom,
            )
        )
    _write(context, spec, found, k_max)
    context.progress(total, total, "done")


_AXES = {
    "image": ("thickness", "defocus", "y", "x"),
    "corrected": ("thickness", "defocus", "y", "x"),
    "amplitude": ("thickness", "y", "x"),
    "phase": ("thickness", "y", "x"),
    "pattern": ("thickness", "ky", "kx"),
}


def _write(
    context: JobContext, spec: simulator_pb2.ImagesSpec, found: dict[str, list[Any]], k_max: float
) -> None:
    output, camera = context.output, spec.camera
    counts = "electron" if camera.dose_e_per_angstrom2 else "1"
    units = {"image": counts, "corrected": counts, "pattern": counts, "phase": "rad"}
    for name, stack in found.items():
        output.add_array(name, np.asarray(stack, np.float32), _AXES[name], units.get(name, "1"))
    step = 2 * k_max / camera.pattern_px
    frequencies = (np.arange(camera.pattern_px) - camera.pattern_px // 2) * step
    coordinates: tuple[tuple[str, Any, str], ...] = (
        ("thickness", spec.thicknesses_angstrom, "angstrom"),
        ("defocus", spec.objective.defocus_angstrom, "angstrom"),
        ("y", np.arange(camera.height_px) * camera.pixel_size_angstrom, "angstrom"),
        ("x", np.arange(camera.width_px) * camera.pixel_size_angstrom, "angstrom"),
        ("ky", frequencies, "1/angstrom"),
        ("kx", frequencies, "1/angstrom"),
    )
    for axis, values, unit in coordinates:
        output.add_array(axis, np.asarray(values, np.float64), (axis,), unit)
    nyquist = mtf_of(camera.mtf).at_nyquist
    means = np.asarray(found["image"]).mean(axis=(2, 3))
    output.add_json(
        "images.json",
        {
            "model_id": spec.model_id,
            "pixel_size_angstrom": camera.pixel_size_angstrom,
            "pattern_pixel_size_per_angstrom": step,
            "mtf_at_nyquist": nyquist if math.isfinite(nyquist) else None,
            "mean": means.tolist(),
            "unit": counts,
        },
    )


IMAGES = JobKind(
    name="images",
    output_kind="images",
    spec=simulator_pb2.ImagesSpec,
    prepare=prepare_images,
    run="cryolattice_simulator.images_job:run_images",
)
