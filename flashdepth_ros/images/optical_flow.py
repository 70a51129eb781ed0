"""How a camera's picture moves from one frame to the next. No ROS here."""
import functools
from typing import Any

import cv2
import numpy as np


class OpticalFlow:
    """The flow from the newest frame of a stream back to the one before, for all that need it.

    Frames go in as they come, at no cost: the pictures are made, and the flow computed, when
    somebody asks, and once for each frame. Dense inverse search, OpenCV's fast preset: 0.6 ms at
    182x140, 6 ms at 640x480.

    frames: how many have come, so that what is carried from frame to frame can tell a frame that it
    has missed.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._now: _Picture | None = None
        self._before: _Picture | None = None
        self._flow: np.ndarray | None = None
        self._sources: tuple[np.ndarray, np.ndarray] | None = None
        self._search = FlowSearch()

    def forget(self, keep_newest: bool = False) -> None:
        """Begin a new stream: with the next frame, or with the newest one."""
        self._before = self._flow = self._sources = None
        if not keep_newest:
            self._now = None

    def advance(self, rgb: np.ndarray, height: int, width: int) -> None:
        """Take the next frame (H, W, 3) uint8, which must not change; the flow is of that size.

        After a frame of another size it is the first.
        """
        if self._now is not None and self._now.size != (height, width):
            self.forget()
        self.frames += 1
        self._before, self._now = self._now, _Picture(rgb, (height, width))
        self._flow = self._sources = None

    @property
    def is_first(self) -> bool:
        """Whether the newest frame has none before it."""
        return self._before is None

    @property
    def now(self) -> np.ndarray:
        """The newest frame's picture (height, width) uint8, grey."""
        assert self._now is not None, 'no frame has come'
        return self._now.grey()

    @property
    def before(self) -> np.ndarray:
        """The picture of the frame before it, likewise; not of the first."""
        assert self._before is not None, 'the first frame has none before it'
        return self._before.grey()

    @property
    def flow(self) -> np.ndarray:
        """Where each pixel (x, y) was in the frame before, less (x, y): (height, width, 2) float32.

        Not of the first frame.
        """
        if self._flow is None:
            self._flow = self._search.flow(self.now, self.before)
        return self._flow

    @property
    def sources(self) -> tuple[np.ndarray, np.ndarray]:
        """Where pixels were in the frame before, and which were in it, as of `sources`."""
        if self._sources is None:
            self._sources = sources(self.flow)
        return self._sources


class FlowSearch:
    """Dense inverse search, OpenCV's fast preset, for pictures (H, W) uint8.

    OpenCV's object is made anew for each size: after a picture below some 100 pixels it stays slow
    for ever.
    """

    def __init__(self) -> None:
        self._search: tuple[tuple[int, ...], cv2.DISOpticalFlow] | None = None

    def flow(self, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Return where pixels (x, y) of `now` were in `before`, less (x, y): (H, W, 2) float32."""
        if self._search is None or self._search[0] != now.shape:
            self._search = now.shape, cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        new: Any = None
        return self._search[1].calc(now, before, new)


class _Picture:
    """A frame's grey picture at a size (height, width), made when it is wanted."""

    def __init__(self, rgb: np.ndarray, size: tuple[int, int]):
        self.size = size
        self._pixels, self._is_grey = rgb, False

    def grey(self) -> np.ndarray:
        if not self._is_grey:
            grey = cv2.cvtColor(self._pixels, cv2.COLOR_RGB2GRAY)
            height, width = self.size
            while grey.shape[0] >= 2 * height and grey.shape[1] >= 2 * width:
                # exact halves are thirty times faster than another factor
                rows, columns = grey.shape[0] // 2, grey.shape[1] // 2
                grey = cv2.resize(grey[:2 * rows, :2 * columns], (columns, rows),
                                  interpolation=cv2.INTER_AREA)
            if grey.shape != self.size:
                grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
            self._pixels, self._is_grey = grey, True
        return self._pixels


def sources(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where pixels were in the frame before, (H, W, 2) float32, and which were in it (H, W).

    flow: (H, W, 2), as of OpticalFlow. The latter is bool; a pixel's centre must have been inside.
    """
    height, width = flow.shape[:2]
    places = flow + pixel_grid(height, width)
    # one pass over both coordinates
    return places, cv2.inRange(places, (0, 0), (width - 1, height - 1)) > 0


def warp(image: np.ndarray, places: np.ndarray, sharp: bool = False) -> np.ndarray:
    """Carry what belongs to the frame before, (H, W) or (H, W, C), to where it is now.

    places: (H, W, 2) float32, as of `sources`. Edges are repeated beyond the image. sharp: bicubic
    instead of bilinear, for what is carried on and on.
    """
    no_map: Any = None  # both coordinates are in `places`; OpenCV's types do not know of it
    return cv2.remap(image, places, no_map, cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REPLICATE)


@functools.lru_cache(maxsize=8)
def pixel_grid(height: int, width: int) -> np.ndarray:
    """Return x and y of each pixel, (height, width, 2) float32, not to be written to."""
    grid = np.stack(np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)), axis=-1)
    grid.flags.writeable = False
    return grid
