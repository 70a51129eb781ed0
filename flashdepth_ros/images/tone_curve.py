"""High dynamic range video to 8 bits. No ROS here.

BT.2100 has two curves: PQ (SMPTE ST 2084), whose code is an absolute luminance, and HLG
(ARIB STD-B67), which is shown here as on a display of 1000 cd/m2. Luminances are compressed by
Reinhard's extended curve: graphics white (203 cd/m2, BT.2408) becomes 0.52 of white, and 1000 cd/m2
white.
"""
import functools
from typing import Literal

import numpy as np

Curve = Literal['pq', 'hlg']
BITS = 12              # of a code; more than any camera's
WHITE = 203.0          # cd/m2
BRIGHTEST = 1000.0
GAMMA = 2.4            # of the display that 8 bits are for (BT.1886)


@functools.cache
def tone_table(curve: Curve) -> np.ndarray:
    """Return the 8-bit value of each code of BITS bits, uint8, ascending."""
    code = np.linspace(0, 1, 1 << BITS)
    light = _pq(code) if curve == 'pq' else _hlg(code)
    relative = light / WHITE
    shown = relative * (1 + relative / (BRIGHTEST / WHITE) ** 2) / (1 + relative)
    return np.round(255 * np.minimum(shown, 1) ** (1 / GAMMA)).astype(np.uint8)


def _pq(code: np.ndarray) -> np.ndarray:
    """Return the cd/m2 of PQ's codes, 0 to 1 (BT.2100, table 4)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = code ** (1 / m2)
    return 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def _hlg(code: np.ndarray) -> np.ndarray:
    """Return the cd/m2 of HLG's codes, 0 to 1, on a display of 1000 (BT.2100, table 5)."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    scene = np.where(code <= 0.5, code ** 2 / 3, (np.exp((code - c) / a) + b) / 12)
    return BRIGHTEST * scene ** 1.2


def to_8_bits(rgb: np.ndarray, curve: Curve) -> np.ndarray:
    """Pictures (h, w, 3) uint16, full range, in the codes of a curve -> uint8."""
    return tone_table(curve)[rgb >> (16 - BITS)]
