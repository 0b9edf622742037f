"""The generator of planted truth against the engine: two programs, one crystal, one lens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import planted_micrographs, planted_waves
from cryolattice_simulator.beams import ExitBeams, Structure
from cryolattice_simulator.imaging import Lens, image
from tests.simulator.waves import exit_beams

VACANT = ((0.5, 0.0, 0.5), (0.5, 1.0, 0.5), (0.0, 0.5, 0.5), (1.0, 0.5, 0.5))


def test_495_orderings_fall_into_35_classes() -> None:
    classes = planted_waves.ordering_classes()
    assert (len(classes), sum(map(len, classes))) == (35, 495)
    paper = tuple(sorted(planted_waves.NA_SITES.index(site) for site in VACANT))
    assert [len(c) for c in classes if paper in c] == [4]


def test_fading_is_the_mean_over_the_exposure() -> None:
    found = planted_micrographs.fade(np.array([0.0, 1 / 4.7, 1 / 2.102]), 22.0)
    doses = np.linspace(0, 22, 20001)
    wanted = [1.0, *(np.exp(-doses / (2 * d)).mean() for d in (29.0, 17.02))]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_a_planted_micrograph_shows_the_simulated_cell(crystal: Structure) -> None:
    spec = planted_micrographs.PlantedSpec(
        vacant_sites=VACANT,
        thickness_angstrom=75.2,
        defocus_u_angstrom=2900.0,
        defocus_v_angstrom=2500.0,
        angle_deg=35.0,
        rotation_deg=20.0,
        pixels=512,
        draws=3,
    )
    counts, truth = planted_micrographs.plant(spec, seed=4)
    assert counts.mean() == pytest.approx(22 * 0.25, rel=0.01)

    beams = exit_beams(crystal, energy_kev=300, thicknesses_angstrom=[75.2], gpts=(56, 56))
    faded = replace(
        beams, psi=beams.psi * planted_micrographs.fade(np.hypot(*beams.g_per_angstrom.T), 22.0)
    )
    # The centre of the field lies in the crystal; orders up to 0.45 1/A are compared there.
    n = spec.pixels
    x = np.arange(n) * spec.pixel_size_angstrom
    bell = np.exp(-((x - x[n // 2]) ** 2) / 2 / 11.0**2)
    window = bell[:, None] * bell
    orders = np.array(
        [(h, k) for h in range(-4, 5) for k in range(-4, 5) if 0 < h * h + k * k < 18]
    )
    turn = np.radians(spec.rotation_deg)
    g = orders @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / 9.4
    rows = np.exp(-2j * np.pi * g[:, 1:] * x)
    columns = np.exp(-2j * np.pi * g[:, :1] * x)
    seen = np.einsum("gy,yx,gx->g", rows, window * counts, columns, optimize=True) / window.sum()
    noise = np.sqrt((window**2 * counts).sum()) / window.sum()
    seen = seen * np.exp(2j * np.pi * g @ np.array(truth["origin_xy_angstrom"]))

    def misfit(cell_beams: ExitBeams, change: float, angle: float) -> float:
        # The lens is given in the field's axes, the cell is turned by the rotation.
        lens = Lens(2700 + change, 2700 - change, angle - 20.0, 2.7, 30.0, 8.0)
        picture = image(cell_beams, 0, lens)
        spectrum = np.fft.fft2(picture) / picture.size
        model = spectrum[orders[:, 1], orders[:, 0]] * np.exp(-0.15 * (g**2).sum(axis=1))
        scale = (seen @ model.conj()).real / (np.abs(model) ** 2).sum()
        return float((np.abs(seen - scale * model) ** 2).mean() / noise**2)

    true = misfit(faded, 200.0, 35.0)
    assert true < 2
    assert misfit(faded, 0.0, 0.0) > 10 * true
    assert misfit(faded, 200.0, -35.0) > 10 * true
    mirrored = replace(faded, psi=faded.psi.conj())
    assert misfit(mirrored, 200.0, 35.0) > 10 * true
