"""Procedural textures: tileable pictures made of seeded noise and patterns. Pure NumPy.

Every texture is (size, size, 3) uint8 and repeats without a seam.
"""
from collections.abc import Callable

import numpy as np

Color = np.ndarray  # (3,) in 0..1


def hsv(hue: float, saturation: float, value: float) -> Color:
    """Return the RGB colour (3,) of hue, saturation and value, all in 0..1."""
    k = (np.array([5.0, 3.0, 1.0]) + hue * 6) % 6
    return value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)


def cloud_noise(
    rng: np.random.Generator, size: int, roughness: float, stretch: tuple[float, float] = (1, 1),
) -> np.ndarray:
    """Return periodic noise (size, size) in 0..1 with a spectrum of 1 / frequency ** roughness.

    stretch: factors by which the structures are longer in y and x (the grain of wood).
    """
    y, x = np.fft.fftfreq(size)[:, None] * stretch[0], np.fft.rfftfreq(size)[None] * stretch[1]
    frequency = np.maximum(np.hypot(y, x), 1 / size)
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / frequency ** roughness
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, (size, size))
    return np.clip(0.5 + noise / (4 * noise.std() + 1e-9), 0, 1)


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return y (size, 1) and x (1, size), both running from 0 to 1."""
    line = (np.arange(size) + 0.5) / size
    return line[:, None], line[None]


def plain(rng: np.random.Generator, size: int) -> np.ndarray:
    """One tone: nothing but the fine noise that every texture gets."""
    return np.zeros((size, size))


def cloudy(rng: np.random.Generator, size: int) -> np.ndarray:
    """Plaster, concrete, cloth, carpet."""
    return cloud_noise(rng, size, rng.uniform(0.3, 2.0))


def stripes(rng: np.random.Generator, size: int) -> np.ndarray:
    y, x = _grid(size)
    across = [(1, 0), (0, 1), (1, 1)][rng.choice(3, p=[0.4, 0.4, 0.2])]
    wave = np.sin(2 * np.pi * rng.integers(2, 13) * (across[0] * x + across[1] * y))
    return np.clip(0.5 + wave * rng.choice([0.5, 20.0]), 0, 1)  # soft or hard


def checks(rng: np.random.Generator, size: int) -> np.ndarray:
    y, x = _grid(size)
    n = 2 * rng.integers(1, 6)
    return ((np.floor(x * n) + np.floor(y * n)) % 2).astype(float)


def tiles(rng: np.random.Generator, size: int) -> np.ndarray:
    """Tiles or bricks between lines of grout."""
    y, x = _grid(size)
    rows = 2 * rng.integers(1, 5)
    columns = max(1, rows // rng.choice([1, 1, 2]))
    shift = rng.choice([0.0, 0.5])
    row = np.floor(y * rows)
    along = (x * columns + shift * (row % 2)) % columns
    tone = rng.uniform(0, rng.uniform(0, 0.5), (rows, columns))[
        row.astype(int), np.floor(along).astype(int)]
    gap = rng.uniform(0.02, 0.06)
    grout = ((y * rows) % 1 < gap) | (along % 1 < gap * columns / rows)
    return np.where(grout, 1.0, tone)


def wood(rng: np.random.Generator, size: int) -> np.ndarray:
    """Planks, each with a tone and a grain along y."""
    _, x = _grid(size)
    planks = rng.integers(1, 9)
    grain = cloud_noise(rng, size, 1.0, (12, 1))
    tone = rng.uniform(0, 1, planks)[np.floor(x * planks).astype(int)]
    seam = ((x * planks) % 1 < 0.03) & (planks > 1)
    return np.clip(0.55 * grain + 0.35 * tone + 0.5 * seam, 0, 1)


def speckles(rng: np.random.Generator, size: int) -> np.ndarray:
    """Terrazzo, granite, patterned cloth."""
    noise = cloud_noise(rng, size, rng.uniform(0.5, 1.5))
    return (noise > np.quantile(noise, rng.uniform(0.6, 0.95))).astype(float)


def motif(rng: np.random.Generator, size: int) -> np.ndarray:
    """A repeated ornament, as of wallpaper or a rug."""
    y, x = _grid(size)
    n, m = rng.integers(1, 7, 2)
    wave = np.sin(2 * np.pi * n * x) * np.sin(2 * np.pi * m * y)
    wave = wave + rng.uniform(0, 1) * np.cos(2 * np.pi * n * (x + y)) * np.cos(2 * np.pi * m * x)
    return np.clip(0.5 + wave * rng.uniform(0.5, 5), 0, 1)


Pattern = Callable[[np.random.Generator, int], np.ndarray]
PATTERNS: dict[str, Pattern] = {
    pattern.__name__: pattern
    for pattern in (plain, cloudy, stripes, checks, tiles, wood, speckles, motif)}


def make_texture(
    rng: np.random.Generator, pattern: str, first: Color, second: Color, size: int = 128,
) -> np.ndarray:
    """Return a texture (size, size, 3) uint8 that goes from the first colour to the second."""
    mix = PATTERNS[pattern](rng, size)[..., None]
    picture = first * (1 - mix) + second * mix
    fine = rng.standard_normal((size, size, 1)) * rng.uniform(0.005, 0.04)
    coarse = cloud_noise(rng, size, 1.6)[..., None] - 0.5
    picture = picture * (1 + fine + coarse * rng.uniform(0, 0.25))
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)
