"""Images of a real lens -> images of a pinhole camera, as image_proc makes them. No ROS here."""
from dataclasses import dataclass
import functools

import cv2
import numpy as np

from .intrinsics import Intrinsics

# names of CameraInfo.distortion_model, and what other programs call the same; '' is what drivers
# write that do not know of others
_POLYNOMIAL = ('plumb_bob', 'rational_polynomial', '', 'radtan', 'brown_conrady', 'thin_prism')
_EQUIDISTANT = ('equidistant', 'fisheye', 'kannala_brandt')
MODELS = ('plumb_bob', 'rational_polynomial', 'equidistant')
_LENGTHS = {'polynomial': (0, 4, 5, 8, 12, 14), 'equidistant': (4,)}  # that OpenCV takes


@dataclass(frozen=True)
class Distortion:
    """How a lens bends: a model and its coefficients, as CameraInfo has them (D)."""

    model: str = 'plumb_bob'
    coefficients: tuple[float, ...] = ()

    def __post_init__(self):
        if self.exists and self.known and self.padded is None:
            raise ValueError(
                f'the distortion model {self.model} has {len(self.coefficients)} coefficients; '
                f'OpenCV takes {", ".join(map(str, self._lengths))}')

    @property
    def exists(self) -> bool:
        """Whether the lens bends at all."""
        return any(self.coefficients)

    @property
    def known(self) -> bool:
        """Whether images can be rectified that were bent so."""
        return self.model.lower() in (*_POLYNOMIAL, *_EQUIDISTANT)

    @property
    def equidistant(self) -> bool:
        return self.model.lower() in _EQUIDISTANT

    @property
    def _lengths(self) -> tuple[int, ...]:
        return _LENGTHS['equidistant' if self.equidistant else 'polynomial']

    @functools.cached_property
    def padded(self) -> tuple[float, ...] | None:
        """The coefficients in a number that OpenCV takes, by zeros at their end; None if none."""
        values = list(self.coefficients)
        while values and not values[-1]:
            values.pop()
        length = next((length for length in self._lengths if length >= len(values)), None)
        return None if length is None else (*values, *[0.0] * (length - len(values)))


class Rectifier:
    """Turns images of a lens into those of a pinhole camera that sees the same; made once.

    raw: the lens' camera (K). rotation: R of CameraInfo, (3, 3), from the raw camera's axes to the
    rectified one's. rectified: the pinhole camera (P); images keep their size. ValueError for a
    distortion that is not known.

    unseen: the pixels (H, W) bool of the result of which the lens saw nothing, black there, or None
    where it saw all.
    """

    def __init__(
        self, raw: Intrinsics, distortion: Distortion, rotation: np.ndarray, rectified: Intrinsics,
    ):
        if not distortion.known:
            raise ValueError(f"images of the distortion model '{distortion.model}' cannot be "
                             f'rectified, only of {", ".join(MODELS)}')
        if (raw.width, raw.height) != (rectified.width, rectified.height):
            raise ValueError(f'{raw} and {rectified} must be of one size')
        self.raw, self.intrinsics = raw, rectified
        make = (cv2.fisheye.initUndistortRectifyMap if distortion.equidistant
                else cv2.initUndistortRectifyMap)
        # fixed point: what image_proc uses, and twice as fast as floats
        self.maps: tuple[np.ndarray, np.ndarray] = make(
            raw.matrix, np.array(distortion.padded or (0.0,) * 4), np.asarray(rotation, float),
            rectified.matrix, (raw.width, raw.height), cv2.CV_16SC2)
        self.unseen = self._unseen()

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Rectify an image (H, W) or (H, W, C) of the raw camera's size; ValueError for others."""
        self.raw.check_size(image, 'an image')
        return cv2.remap(image, *self.maps, cv2.INTER_LINEAR)

    def apply_nearest(self, depth: np.ndarray) -> np.ndarray:
        """Rectify a depth (H, W) float32 that is aligned with the raw image, of any size.

        No values are mixed; NaN where the lens saw nothing. The depth stays that along z, which it
        is in the rectified camera too, unless that is turned.
        """
        return cv2.remap(
            cv2.resize(depth, (self.raw.width, self.raw.height), interpolation=cv2.INTER_NEAREST),
            *self.maps, cv2.INTER_NEAREST, borderValue=float('nan'))

    def unseen_at(self, width: int, height: int) -> np.ndarray:
        """Return where the lens saw nothing (height, width), bool, of an image resampled so."""
        unseen = (np.zeros((self.raw.height, self.raw.width), bool) if self.unseen is None
                  else self.unseen)
        if unseen.shape == (height, width):
            return unseen
        return cv2.resize(unseen.view(np.uint8), (width, height),
                          interpolation=cv2.INTER_NEAREST).view(bool)

    def _unseen(self) -> np.ndarray | None:
        place, fraction = self.maps    # whole pixels (x, y), and 32nds: y * 32 + x
        outside = np.zeros(place.shape[:2], bool)
        for axis, side in enumerate((self.raw.width, self.raw.height)):
            part = fraction & 31 if axis == 0 else fraction >> 5
            outside |= (place[..., axis] < 0) | (place[..., axis] + (part > 0) > side - 1)
        return outside if outside.any() else None
