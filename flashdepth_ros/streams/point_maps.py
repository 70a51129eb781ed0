"""From a stream's point maps to depth up to scale, and to the camera's focal length. No ROS here.

The authors of MoGe and DyFN solve every frame for its own focal length and shift, or a whole clip
for the mean shift. A stream has one camera, and its depth must not jump: here it has one focal
length, of its first good frames, and one shift, the mean over all good frames so far.
"""
import math

import numpy as np
import torch
from torch import Tensor
import torch.nn.functional as F

from ..images.focal_shift import FEWEST, solve, view_coordinates

SAMPLES = 64          # of an image's columns and rows that are solved for
GOOD = 0.25           # of the samples have depth in a frame that counts: others may be mostly sky
FIRST_FRAMES = 5      # good ones that settle the focal length
MASK = 0.5            # above it there is depth
LARGEST = 80.0        # of log z: float32 ends at 88
SAME = 1e-3           # relative difference of focal lengths that are one

Size = tuple[int, int]  # height, width


class PointMaps:
    """What one stream has shown of its camera so far.

    focal: the network's estimate of the focal length over half the diagonal; None before the first
    good frame. settled: whether it stays as it is.
    """

    def __init__(self) -> None:
        self.focal: float | None = None
        self._frames = 0              # that have told the focal length
        self._given: float | None = None
        self._shift, self._shifts = 0.0, 0

    @property
    def settled(self) -> bool:
        return self._frames >= FIRST_FRAMES

    def read(
        self, planes: Tensor, camera: Size, size: Size, focal: float | None = None,
    ) -> Tensor:
        """Planes (4, h, w) of a frame, as spec.POINT_MAP has them -> depth up to scale at `size`.

        camera: the size of the camera's image. focal: of the camera over half the diagonal, where
        it is known. +Inf where the network sees no depth (sky), 0 for what is not before the
        camera.
        """
        shift = self._follow(planes, camera, focal)
        log_z, mask = resized(planes[2:], size)
        depth = (log_z.clamp(max=LARGEST).exp() + shift).clamp(min=0)
        return depth.masked_fill(~(mask > MASK), math.inf)

    def _follow(self, planes: Tensor, camera: Size, given: float | None) -> float:
        """Take note of a frame; return the shift of its depth."""
        xy, z, uv = samples(planes, camera)
        good = z.size >= GOOD * SAMPLES ** 2
        if good and not self.settled and (found := solve(xy, z, uv)) is not None:
            self._frames += 1
            before = math.log(self.focal) if self.focal else 0.0
            self.focal = math.exp(before + (math.log(found[0]) - before) / self._frames)
        if not _same(given, self._given):  # the shifts so far belong to another camera
            self._given, self._shift, self._shifts = given, 0.0, 0
        if (good or not self._shifts) and z.size >= FEWEST:
            found = solve(xy, z, uv, given or self.focal)
            if found is not None and good:
                self._shifts += 1
                self._shift += (found[1] - self._shift) / self._shifts
            elif found is not None:
                return found[1]
        return self._shift


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= SAME * other


def resized(planes: Tensor, size: Size) -> Tensor:
    """Resize planes (n, h, w) as the authors do: the logarithm of depth, bilinear."""
    if tuple(planes.shape[1:]) == size:
        return planes
    return F.interpolate(planes[None], size, mode='bilinear', align_corners=False)[0]


def samples(planes: Tensor, camera: Size) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x and y (2, N), z (N,), u and v (2, N) of some pixels of the camera's that have depth.

    They are those of 64x64 places in the map at the camera's size, which is not made for them.
    """
    height, width = camera
    rows, columns = (np.arange(SAMPLES) * side // SAMPLES for side in camera)
    values = _picked(_picked(planes, rows, height, 1), columns, width, 2).numpy()
    x, y, log_z, mask = values.reshape(4, -1)
    u, v = view_coordinates(columns, rows, width, height)
    uv = np.stack(np.broadcast_arrays(u, v[:, None])).reshape(2, -1)
    seen = (mask > MASK) & (np.abs(log_z) < LARGEST)
    z = np.exp(log_z[seen])
    return np.stack([x[seen], y[seen]]) * z, z, uv[:, seen]


def _picked(planes: Tensor, places: np.ndarray, length: int, dim: int) -> Tensor:
    """Return rows (dim 1) or columns (2) of planes (4, h, w), as of planes resized to a length."""
    size = planes.shape[dim]
    place = ((places + 0.5) * (size / length) - 0.5).clip(0, size - 1)
    first = place.astype(np.int64)
    share = torch.from_numpy((place - first).astype(np.float32))
    before, after = (planes.index_select(dim, torch.from_numpy(each))
                     for each in (first, np.minimum(first + 1, size - 1)))
    return before + (share[:, None] if dim == 1 else share) * (after - before)
