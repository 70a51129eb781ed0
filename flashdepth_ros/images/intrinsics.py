"""Pinhole geometry: intrinsics, their rescaling, and unprojection. No ROS here.

Pixel coordinates are those of OpenCV and ROS: the centre of the first pixel is (0, 0). Points are
in the camera's optical frame, x right, y down, z forward (REP 103).
"""
from dataclasses import dataclass
import math

import numpy as np


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera for images of width x height pixels; focal lengths and centre in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self):
        values = np.array([self.fx, self.fy, self.cx, self.cy])
        if not np.isfinite(values).all() or min(self.fx, self.fy) <= 0:
            raise ValueError(
                f'focal lengths {self.fx}, {self.fy} and centre {self.cx}, {self.cy} are no camera:'
                f' they must be finite and the focal lengths positive')
        if min(self.width, self.height) <= 0:
            raise ValueError(f'an image of {self.width}x{self.height} pixels has no camera')

    @classmethod
    def from_field_of_view(
        cls, degrees: float, width: int, height: int, pixel_aspect: float = 1.0,
    ) -> 'Intrinsics':
        """Return an ideal camera with this horizontal field of view.

        pixel_aspect: the width of a pixel over its height.
        """
        focal = width / 2 / math.tan(math.radians(degrees) / 2)
        return cls(
            focal, focal * pixel_aspect, (width - 1) / 2, (height - 1) / 2, width, height)

    def resized(self, width: int, height: int) -> 'Intrinsics':
        """Return the camera of the same view resampled to width x height.

        Pixel centres move as resampling moves them: u -> (u + 0.5) * s - 0.5.
        """
        if (width, height) == (self.width, self.height):
            return self
        sx, sy = width / self.width, height / self.height
        return Intrinsics(
            self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5,
            width, height)

    @property
    def matrix(self) -> np.ndarray:
        """K, (3, 3) float64."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    def check_size(self, image: np.ndarray, name: str) -> None:
        """Raise ValueError unless an image (H, W, ...), called `name`, has the camera's size."""
        if image.shape[:2] != (self.height, self.width):
            raise ValueError(
                f'{name} of {image.shape[1]}x{image.shape[0]} pixels does not belong to a camera '
                f'of {self.width}x{self.height}')

    def rays(self, stride: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return x/z of every stride-th column and y/z of every stride-th row, float32."""
        x = (np.arange(0, self.width, stride) - self.cx) / self.fx
        y = (np.arange(0, self.height, stride) - self.cy) / self.fy
        return x.astype(np.float32), y.astype(np.float32)
