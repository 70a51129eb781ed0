"""Video Depth Anything over a whole video: overlapping windows that see the future as well.

For recorded video (arXiv 2501.12375, section 3.3, "super-long" videos): a depth map comes out up to
31 frames after its frame went in.
"""
from collections.abc import Sequence

import torch
from torch import Tensor

from .dpt import upsample
from .spec import Unit
from .video_depth_anything import WINDOW, VideoDepthAnything

# In the place of its first 10 frames, a window sees these of the window before: two key frames,
# that align the two, and the last eight, over which the depth is faded from one to the other.
KEY_FRAMES = (0, 12, *range(24, 32))
OVERLAP = len(KEY_FRAMES)
FADE = 8
ALIGN = OVERLAP - FADE
STEP = WINDOW - OVERLAP  # new frames a window


def scale_and_shift(depth: Sequence[Tensor], reference: Sequence[Tensor]) -> tuple[float, float]:
    """Return s and t of the least squares fit s * depth + t = reference; (1, 0) for a flat depth.

    The sums are in float64: in float32 the determinant cancels for depths that vary little.
    """
    x = torch.cat([d.flatten() for d in depth]).double()
    y = torch.cat([d.flatten() for d in reference]).double()
    dx = x - x.mean()
    variance = (dx * dx).mean()
    if variance == 0:
        return 1.0, 0.0
    scale = (dx * y).mean() / variance
    return scale.item(), (y.mean() - scale * x.mean()).item()


class WindowedDepth:
    """Runs a Video Depth Anything model over one video of any length in bounded memory.

    Every frame is encoded once, when it comes. At most 32 encoded frames are kept (8.6 MB each for
    vda-s at 518 x 518) and as many depth maps.

    Args:
        model: of build_model; its unit decides whether windows are aligned, which metres are not.
        size: (height, width) of the depth maps; None for the network's. The alignment is done at
            this size, so it has a part in the result.

    """

    def __init__(self, model: VideoDepthAnything, size: tuple[int, int] | None = None):
        self._model, self._size = model, size
        self._metric = model.spec.unit is Unit.METRES
        self._new: list[list[Tensor]] = []   # encoded frames that no window has seen
        self._keys: list[list[Tensor]] = []  # encoded frames of the last window, for the next one
        self._reference: list[Tensor] = []   # aligned depth of the first two of them
        self._fading: list[Tensor] = []      # aligned depth of the last eight, not final
        self._frames = self._windows = self._final = 0

    @torch.inference_mode()
    def push(self, frame: Tensor) -> list[Tensor]:
        """Add a normalised frame (3, H, W) -> the depth maps (height, width) that are now final.

        Maps come in the order of the frames, all of which have the same size.
        """
        self._new.append(self._model.encode(frame[None]))
        self._frames += 1
        return self._run_window() if len(self._keys) + len(self._new) == WINDOW else []

    @torch.inference_mode()
    def finish(self) -> list[Tensor]:
        """Return the depth maps of the frames that are left, when the video is over.

        As the authors do, the last frame is repeated until the windows are full; a window starts at
        every 22nd frame of the video, so also where only faded depth is left to be made.
        """
        depths = []
        while self._windows * STEP < self._frames:
            last = (self._new or self._keys)[-1]
            self._new += [last] * (WINDOW - len(self._keys) - len(self._new))
            depths += self._run_window()
        return [*depths, *self._fading][:self._frames - self._final + len(depths)]

    def _run_window(self) -> list[Tensor]:
        window = self._keys + self._new
        maps = (self._resized(depth) for depth in self._model.decode_window(window))
        if not self._keys:
            aligned = list(maps)
            self._reference = [aligned[i] for i in KEY_FRAMES[:ALIGN]]
        else:
            keys = [next(maps) for _ in range(ALIGN)]
            scale, shift = (1., 0.) if self._metric else scale_and_shift(keys, self._reference)
            aligned = [(depth * scale + shift).clamp(min=0) for depth in maps]
            # the very first frame stays a reference for ever
            self._reference = [self._reference[0], aligned[KEY_FRAMES[1] - ALIGN]]
            for i, before in enumerate(self._fading):
                weight = i / (FADE - 1)
                aligned[i] = before * (1 - weight) + aligned[i] * weight
        self._keys, self._new = [window[i] for i in KEY_FRAMES], []
        self._fading = aligned[-FADE:]
        self._windows += 1
        self._final += len(aligned) - FADE
        return aligned[:-FADE]

    def _resized(self, depth: Tensor) -> Tensor:
        return depth if self._size is None else upsample(depth[None, None], self._size)[0, 0]
