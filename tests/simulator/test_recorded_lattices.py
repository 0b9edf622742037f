"""Structures whose lattice is known, from a user's file to a written image."""

from __future__ import annotations

import io
from pathlib import Path

import ase
import ase.io
import mrcfile
import numpy as np
import pytest
from ase.build import bulk, graphene
from ase.spacegroup import crystal

from cryolattice.client.image_files import save_images
from cryolattice.store.array_store import open_store
from cryolattice.store.writer import DatasetWriter
from cryolattice_modeler.given_crystal import given_crystal
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_simulator.beams import Structure, wavelength_angstrom
from cryolattice_simulator.camera import Mtf, Raster
from cryolattice_simulator.imaging import Lens
from cryolattice_simulator.recording import Recording
from tests.simulator.waves import exit_beams

PIXEL = 0.31
PERIODS = 3
PADDED = 2048
SILICON = bulk("Si", "diamond", a=5.431, cubic=True)
TITANATE = crystal(
    ("Sr", "Ti", "O"), [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)], spacegroup=221, cellpar=3.905
)


@pytest.mark.parametrize(
    ("atoms", "file_format", "beam", "d_angstrom"),
    [
        (graphene(a=2.46), "extxyz", (0, 0, 1), 2.46 * 3**0.5 / 2),
        (SILICON, "vasp", (1, 1, 0), 5.431 / 3**0.5),
        (TITANATE, "cif", (0, 0, 1), 3.905),
    ],
    ids=["graphene", "silicon-110", "strontium-titanate-001"],
)
def test_fringes_have_the_spacing_of_the_lattice(
    atoms: ase.Atoms,
    file_format: str,
    beam: tuple[int, int, int],
    d_angstrom: float,
    tmp_path: Path,
) -> None:
    file = io.BytesIO() if file_format == "cif" else io.StringIO()
    ase.io.write(file, atoms, format=file_format)
    parent = read_parent_crystal(file.getvalue(), "structure", require_disorder=False)
    model, setting = given_crystal(parent, beam, (1, 1, 1), clusters={}, hydrogens="none", seed=0)
    period = float(model.cell_angstrom[2, 2])
    beams = exit_beams(
        Structure(model.cell_angstrom, model.numbers, model.positions_angstrom, model.occupancies),
        energy_kev=300,
        thicknesses_angstrom=[period * (PERIODS if setting["repeats_along_beam"] else 1)],
    )
    # only the first orders pass beside the direct beam
    aperture = 1e3 * wavelength_angstrom(300) / d_angstrom * 1.1
    lens = Lens(600.0, 600.0, cs_mm=1.2, aperture_mrad=aperture)
    image, _ = Recording(beams, Raster(PIXEL, (300, 340)), Mtf()).image(0, lens)
    written = _written(image, tmp_path)
    with mrcfile.open(written) as mrc:
        pixel = float(mrc.voxel_size.x)
        found = np.array(mrc.data, dtype=float)
    assert pixel == pytest.approx(PIXEL)
    # half a step of the transform along each axis
    step = d_angstrom / (PADDED * pixel)
    assert _strongest_spacing(found, pixel) == pytest.approx(d_angstrom, rel=0.75 * step)


def _written(image: np.ndarray, folder: Path) -> Path:
    output = DatasetWriter(open_store(f"file://{folder}/store"), "images", "00")
    output.add_array(
        "image", image.astype(np.float32)[None, None], ("thickness", "defocus", "y", "x")
    )
    for name, values in (
        ("thickness", np.array([1.0])),
        ("defocus", np.array([600.0])),
        ("y", PIXEL * np.arange(image.shape[0])),
        ("x", PIXEL * np.arange(image.shape[1])),
    ):
        output.add_array(name, values, (name,), "angstrom")
    return save_images(output.commit(spec_json=b"{}", inputs={}), folder, "mrc")[0]


def _strongest_spacing(image: np.ndarray, pixel: float) -> float:
    """Spacing of the strongest fringes: the peak of a padded and windowed transform."""
    window = np.outer(*(np.hanning(size) for size in image.shape))
    power = np.abs(np.fft.rfft2((image - image.mean()) * window, s=(PADDED, PADDED)))
    y, x = np.unravel_index(int(np.argmax(power)), power.shape)
    return 1 / float(np.hypot(np.fft.fftfreq(PADDED, pixel)[y], x / (PADDED * pixel)))
