"""Exit waves of made-up orderings and the averaged cells they would give, in plain numpy.

Nothing of the analyzer is used, so that an error there cannot hide here: the image is formed in
real space on a fine grid, with many focal values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

A = 4.7
WAVELENGTH = 0.0196875
SITES = (
    (0.5, 0.0),
    (1.5, 0.0),
    (0.5, 1.0),
    (1.5, 1.0),
    (0.0, 0.5),
    (1.0, 0.5),
    (0.0, 1.5),
    (1.0, 1.5),
)
# Vacant sites out of the eight; the last entry is the crystal without order.
ORDERINGS: tuple[tuple[int, ...] | None, ...] = (
    (0, 2, 4, 5),
    (0, 1, 4, 6),
    (0, 3, 4, 7),
    (0, 1, 2, 3),
    (0, 1, 2, 4),
    None,
)
DISORDERED = 5
LAYERS = 56


def exit_waves(
    vacant: tuple[int, ...] | None, layers: int = LAYERS
) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
    """Orders (b, 2) and beams after each 4.7 A layer of gaussian atoms."""
    n, size = 48, 2 * A
    k = np.fft.fftfreq(n, size / n)
    square = k[:, None] ** 2 + k[None, :] ** 2

    def atom(x: float, y: float, strength: float, width: float) -> NDArray[np.complex128]:
        phase = np.exp(-2j * np.pi * (k[:, None] * x + k[None, :] * y) * A)
        return strength * phase * np.exp(-2 * np.pi**2 * width**2 * square)

    lower = sum(
        atom(i, j, 0.1, 0.3) + atom(i + 0.5, j + 0.5, 0.09, 0.25) for i in (0, 1) for j in (0, 1)
    )
    upper = sum(
        (0.5 if vacant is None else float(s not in vacant)) * atom(*site, 0.15, 0.22)
        for s, site in enumerate(SITES)
    )
    slices = [np.exp(1j * np.fft.ifft2(v).real * (n / size) ** 2) for v in (lower, upper)]
    propagator = np.exp(-1j * np.pi * WAVELENGTH * A / 2 * square) * (square < 1.7**2)
    wave = np.zeros((n, n), np.complex128)
    wave[0, 0] = 1
    orders = np.rint(np.fft.fftfreq(n) * n).astype(np.int64)
    h, q = np.meshgrid(orders, orders, indexing="ij")
    inside = h**2 + q**2 <= (1.0 * size) ** 2
    planes = []
    for _ in range(layers):
        for transmission in slices:
            wave = np.fft.fft2(np.fft.ifft2(wave) * transmission) * propagator
        planes.append(wave[inside])
    return np.stack([h[inside], q[inside]], axis=1), np.array(planes)


def half_plane(reciprocal: NDArray[np.float64], g_max: float = 0.7) -> NDArray[np.int64]:
    return np.array(
        [
            (h, k)
            for h in range(12)
            for k in range(-11, 12)
            if (h > 0 or k > 0) and np.hypot(*(np.array([h, k]) @ reciprocal)) <= g_max
        ]
    )


def observed_basis(
    rotation_deg: float = 20.0, strain: float = 0.01, gamma_deg: float = 90.4
) -> NDArray[np.float64]:
    """Reciprocal rows of a turned and strained 2 x 2 supercell."""
    angles = np.radians([rotation_deg, rotation_deg + gamma_deg])
    lengths = 2 * A * np.array([1 + strain, 1 - strain])
    direct = np.stack([lengths * np.cos(angles), lengths * np.sin(angles)], axis=1)
    return np.linalg.inv(direct).T


def image_coefficients(
    orders: NDArray[np.int64],
    psi: NDArray[np.complex128],
    hk: NDArray[np.int64],
    reciprocal: NDArray[np.float64],
    *,
    defocus_u: float,
    defocus_v: float,
    angle_deg: float,
    shift: tuple[float, float] = (0.0, 0.0),
    cs_mm: float = 2.7,
    focal_spread: float = 30.0,
    b_factor: float = 8.0,
    fading: float = 0.0,
) -> NDArray[np.complex128]:
    """Coefficients of the image over its mean, formed in real space."""
    g = orders @ reciprocal
    square, azimuth = (g**2).sum(axis=1), np.arctan2(g[:, 1], g[:, 0])
    turn = 2 * (azimuth - np.radians(angle_deg))
    defocus = (defocus_u + defocus_v) / 2 + (defocus_u - defocus_v) / 2 * np.cos(turn)
    n = 64
    u = np.arange(n) / n
    image = np.zeros((n, n))
    nodes, weights = np.polynomial.hermite_e.hermegauss(11)
    amplitude = psi * np.where(square > 0, np.exp(-fading / 2), 1.0)
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        chi = -np.pi * WAVELENGTH * square * (defocus + node * focal_spread)
        chi += np.pi / 2 * cs_mm * 1e7 * WAVELENGTH**3 * square**2
        beams = amplitude * np.exp(-1j * chi - b_factor * square / 4)
        along_u = np.exp(2j * np.pi * np.outer(u - shift[0], orders[:, 0]))
        along_v = np.exp(2j * np.pi * np.outer(u - shift[1], orders[:, 1]))
        image += weight * np.abs((along_u * beams) @ along_v.T) ** 2
    spectrum = np.fft.fft2(image / image.mean()) / n**2
    return np.asarray(spectrum[hk[:, 0] % n, hk[:, 1] % n])
