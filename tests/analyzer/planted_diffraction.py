"""Plant diffraction series with known critical doses; shares no code with the analyser."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Plan:
    """What to plant; lengths in angstrom, doses in e/angstrom^2, positions in px (y, x)."""

    a_angstrom: float = 4.7
    b_angstrom: float = 4.7
    gamma_deg: float = 90.0
    rotation_deg: float = 17.0
    pixel_size_per_angstrom: float = 0.012
    size: int = 256
    centre: tuple[float, float] = (126.3, 129.8)
    frames: int = 24
    dose_per_frame: float = 1.0
    critical_dose_low: float = 12.0  # at the largest spacing
    critical_dose_slope: float = 0.5  # Dc ~ d ** slope
    sigma_px: float = 1.7
    broadening: float = 0.0  # growth of sigma at the end of the series, as a share
    g_max_per_angstrom: float = 1.2
    counts: float = 4000.0  # of a typical strong spot in the first frame
    debye_waller_b: float = 6.0
    background: float = 6.0
    floor: float = 1.0
    beam_counts: float = 3.0e5
    beam_stop: bool = False
    drift_px: float = 1.5
    ellipticity: float = 0.0
    ellipse_axis_deg: float = 30.0
    plateau: float = 0.0
    tilt: float = 0.3  # scatter of ln I0 between equivalents
    dose_scatter: float = 0.0  # scatter of ln Dc between equivalents
    flicker: float = 0.0  # scatter of the beam current between frames
    gain: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Planted:
    frames: NDArray[np.float32]
    plan: Plan
    spacings: dict[tuple[int, int], float] = field(default_factory=dict)

    def critical_dose(self, d_angstrom: float) -> float:
        return critical_dose(self.plan, d_angstrom)


def critical_dose(plan: Plan, d_angstrom: float) -> float:
    return float(
        plan.critical_dose_low
        * (d_angstrom / max(plan.a_angstrom, plan.b_angstrom)) ** plan.critical_dose_slope
    )


def plant(plan: Plan) -> Planted:
    rng = np.random.default_rng(plan.seed)
    n, count = plan.size, plan.frames
    gamma, turn = np.radians(plan.gamma_deg), np.radians(plan.rotation_deg)
    direct = np.array(
        [[plan.a_angstrom, 0.0], [plan.b_angstrom * np.cos(gamma), plan.b_angstrom * np.sin(gamma)]]
    )
    reciprocal = np.linalg.inv(direct).T
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    axis = np.radians(plan.ellipse_axis_deg)
    frame = np.array([[np.cos(axis), -np.sin(axis)], [np.sin(axis), np.cos(axis)]])
    stretch = frame @ np.diag([1 + plan.ellipticity / 2, 1 - plan.ellipticity / 2]) @ frame.T

    steps = rng.normal(size=(count, 2)).cumsum(axis=0)
    steps -= steps[0]
    drift = plan.drift_px * steps / max(np.abs(steps).max(), 1e-9)
    yy, xx = np.mgrid[:n, :n].astype(float)
    edges = plan.dose_per_frame * np.arange(count + 1)
    current = np.exp(plan.flicker * rng.normal(size=count))

    expected = np.full((count, n, n), plan.floor)
    for f in range(count):
        r = np.hypot(yy - plan.centre[0] - drift[f, 0], xx - plan.centre[1] - drift[f, 1])
        fade = 0.8 + 0.2 * np.exp(-edges[f] / plan.critical_dose_low)
        expected[f] += plan.background * fade * np.exp(-r * plan.pixel_size_per_angstrom / 0.35)

    spacings = {}
    reach = int(np.ceil(plan.g_max_per_angstrom * max(plan.a_angstrom, plan.b_angstrom) * 1.3)) + 1
    for h in range(-reach, reach + 1):
        for k in range(-reach, reach + 1):
            g = np.array([h, k]) @ reciprocal
            length = float(np.hypot(*g))
            if (h, k) == (0, 0) or length > plan.g_max_per_angstrom:
                continue
            d = 1.0 / length
            spacings[h, k] = d
            odd = 0.35 if (h + k) % 2 else 1.0
            i0 = plan.counts * odd * np.exp(-plan.debye_waller_b * length**2 / 2)
            i0 *= np.exp(plan.tilt * rng.normal())
            dc = critical_dose(plan, d) * np.exp(plan.dose_scatter * rng.normal())
            x, y = (stretch @ rotation @ g) / plan.pixel_size_per_angstrom
            for f in range(count):
                # Simpson's rule over the exposure: not the closed form under test.
                dose = np.linspace(edges[f], edges[f + 1], 9)
                simpson = np.array([1, 4, 2, 4, 2, 4, 2, 4, 1]) / 24.0
                fading = float(simpson @ np.exp(-dose / dc))
                volume = i0 * ((1 - plan.plateau) * fading + plan.plateau)
                s = plan.sigma_px * (1 + plan.broadening * (f + 0.5) / count)
                _add(
                    expected[f],
                    plan.centre[0] + y + drift[f, 0],
                    plan.centre[1] + x + drift[f, 1],
                    s,
                    volume,
                )
    for f in range(count):
        _add(
            expected[f],
            plan.centre[0] + drift[f, 0],
            plan.centre[1] + drift[f, 1],
            plan.sigma_px,
            plan.beam_counts,
        )
        expected[f] *= current[f]
    if plan.beam_stop:
        shadow = np.hypot(yy - plan.centre[0], xx - plan.centre[1]) < 14
        shadow |= (np.abs(yy - plan.centre[0] - 3) < 6) & (xx > plan.centre[1])
        expected = np.where(shadow, 0.02 * np.minimum(expected, plan.background), expected)
    frames = rng.poisson(expected) * plan.gain
    return Planted(frames.astype(np.float32), plan, spacings)


def _add(image: NDArray[np.float64], y: float, x: float, sigma: float, volume: float) -> None:
    half = int(np.ceil(6 * sigma))
    y0, x0 = round(y), round(x)
    rows = np.arange(max(y0 - half, 0), min(y0 + half + 1, image.shape[0]))
    columns = np.arange(max(x0 - half, 0), min(x0 + half + 1, image.shape[1]))
    if not rows.size or not columns.size:
        return
    profile = np.exp(-((rows[:, None] - y) ** 2 + (columns[None] - x) ** 2) / (2 * sigma**2))
    image[np.ix_(rows, columns)] += volume * profile / (2 * np.pi * sigma**2)
