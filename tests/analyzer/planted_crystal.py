"""Micrographs of a crystal beside a film, with every number chosen by the test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PlantedCrystal:
    counts: NDArray[np.float64]
    inside: NDArray[np.bool_]
    reciprocal: NDArray[np.float64]
    supercell: tuple[int, int]
    coefficients: dict[tuple[int, int], complex]


PARENT_COEFFICIENTS = {
    (1, 0): 0.05 + 0.02j,
    (0, 1): -0.04 + 0.03j,
    (1, 1): 0.03j,
    (1, -1): 0.02 - 0.02j,
    (2, 1): 0.02,
    (1, 2): -0.015j,
    (2, 2): 0.05 - 0.01j,
    (2, -2): 0.04j,
    (3, 0): 0.02 + 0.01j,
}


def plant(
    *,
    a: float = 4.7,
    b: float = 4.7,
    gamma_deg: float = 90.0,
    rotation_deg: float = 12.0,
    pixels: tuple[int, int] = (512, 512),
    pixel: float = 0.5,
    counts_per_pixel: float = 5.0,
    contrast: float = 1.0,
    supercell: tuple[int, int] = (1, 1),
    extra: dict[tuple[int, int], complex] | None = None,
    edge: tuple[float, float, float] | None = (0.8, 0.6, 0.0),
    seed: int = 0,
) -> PlantedCrystal:
    """Crystal where x cos + y sin < offset (angstrom, from the centre); film-like speckle beyond.

    `extra` holds coefficients in supercell indices; `edge` None fills the field.
    """
    rng = np.random.default_rng(seed)
    turn, gamma = np.deg2rad(rotation_deg), np.deg2rad(gamma_deg)
    direct = np.array(
        [
            [a * np.cos(turn), a * np.sin(turn)],
            [b * np.cos(turn + gamma), b * np.sin(turn + gamma)],
        ]
    )
    reciprocal = np.linalg.inv(direct).T
    m, n = supercell
    coefficients = {(h * m, k * n): contrast * c for (h, k), c in PARENT_COEFFICIENTS.items()}
    coefficients |= {hk: contrast * c for hk, c in (extra or {}).items()}
    yy, xx = np.mgrid[: pixels[0], : pixels[1]] * pixel
    image = np.ones(pixels)
    fine = reciprocal / np.array(supercell)[:, None]
    for (h, k), c in coefficients.items():
        g = np.array([h, k]) @ fine
        image += 2 * (c * np.exp(2j * np.pi * (g[0] * xx + g[1] * yy))).real
    inside = np.ones(pixels, dtype=bool)
    if edge is not None:
        cos, sin, offset = edge
        centre = np.array([pixels[1], pixels[0]]) * pixel / 2
        inside = (xx - centre[0]) * cos + (yy - centre[1]) * sin < offset
    k2 = (
        np.fft.fftfreq(pixels[0], pixel)[:, None] ** 2
        + np.fft.fftfreq(pixels[1], pixel)[None, :] ** 2
    )
    speckle = np.fft.ifft2(
        np.fft.fft2(rng.normal(size=pixels)) * np.sin(70 * k2) * np.exp(-6 * k2)
    ).real
    field = np.where(inside, 0.85 * image, 1.0) + 0.1 * speckle / speckle.std()
    counts = rng.poisson(np.maximum(field, 0) * counts_per_pixel).astype(np.float64)
    return PlantedCrystal(counts, inside, reciprocal, supercell, coefficients)
