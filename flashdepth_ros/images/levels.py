"""Samples of 16 bits or floats -> the 8 bits that the networks see. No ROS here."""
import numpy as np


class Levels:
    """Which samples of one camera are white: told, or the brightest that it has been seen to give.

    bits: how many of 16 are in use, 8 to 16; 0 finds it: the fewest of 8, 10, 12, 14 and 16 that
    hold all samples so far. What is found only grows, so that the picture does not flicker with its
    brightest spot. Samples above are white. Floats go to 1 or, once more than that was seen, 255.
    """

    def __init__(self, bits: int = 0):
        self._fixed = bits
        self._bits = bits or 8
        self._white = 1.0    # of floats
        self._news: str | None = None

    def to_bytes(self, samples: np.ndarray) -> np.ndarray:
        """Return samples of any shape as uint8: themselves, if they are."""
        if samples.dtype == np.uint8:
            return samples
        if samples.dtype.kind == 'f':
            return self._floats(samples)
        top = 0
        if self._fixed != 16:
            top = int(samples.max(initial=0))
            if not self._fixed and top >> self._bits:
                self._bits = 2 * -(-top.bit_length() // 2)
                self._news = (f'the images have {self._bits} of 16 bits in use, of which the upper '
                              f'8 are taken from now on (input.bits fixes it)')
        shifted = samples >> (self._bits - 8)
        if top >> self._bits:
            np.minimum(shifted, 255, out=shifted)
        return shifted.astype(np.uint8)

    def news(self) -> str | None:
        """Say what was found since the last call, once; None for nothing."""
        news, self._news = self._news, None
        return news

    def _floats(self, samples: np.ndarray) -> np.ndarray:
        if self._white == 1.0 and samples.max(initial=0, where=np.isfinite(samples)) > 2:
            self._white = 255.0
            self._news = 'the images hold floats up to 255, which are taken for white from now on'
        with np.errstate(invalid='ignore', over='ignore'):
            scaled = samples.astype(np.float32) * np.float32(255 / self._white)
        return np.nan_to_num(np.clip(scaled, 0, 255)).round().astype(np.uint8)
