"""One camera through time: its temporal state, and the rules for forgetting it. No ROS here."""
from dataclasses import dataclass, field

import numpy as np
import torch

from .engines import Engine
from .models import prepare_frame
from .models.dpt import upsample


@dataclass(frozen=True)
class FrameOrigin:
    """Where and when a frame comes from: stamp in ns, optical frame, size in pixels, encoding."""

    stamp: int
    frame_id: str
    width: int
    height: int
    encoding: str


@dataclass
class Continuity:
    """Decides whether a frame continues the ones before it.

    It must see every frame that arrives, also those that a busy worker never takes: skipped frames
    are no gap. max_gap is in seconds, 0 for no limit.
    """

    max_gap: float
    _last: FrameOrigin | None = field(default=None, init=False)

    def observe(self, frame: FrameOrigin) -> str | None:
        """Take note of a frame; return why the state must be forgotten before it, or None."""
        last, self._last = self._last, frame
        if last is None:
            return None
        elapsed = (frame.stamp - last.stamp) / 1e9
        if elapsed < 0:
            return 'stamp went back'
        if self.max_gap and elapsed > self.max_gap:
            return 'gap in time'
        if (frame.width, frame.height) != (last.width, last.height):
            return 'new image size'
        if frame.encoding != last.encoding:
            return 'new encoding'
        if frame.frame_id != last.frame_id:
            return 'new frame_id'
        return None

    def forget(self) -> None:
        """Start anew, so that the next frame continues nothing and breaks nothing."""
        self._last = None


class DepthStream:
    """Runs a model over the frames of one camera and holds what it remembers of them.

    RGB frames go in as (H, W, 3) uint8, the model's output comes out as (H, W) float32 in the
    unit of `engine.spec`. torch stays below this class.
    """

    def __init__(self, engine: Engine, short_side: int = 0):
        self.engine = engine
        self.short_side = short_side
        self._state = None

    def reset(self) -> None:
        """Forget the temporal state: the next frame is the first."""
        self._state = None

    def prepare(self, rgb: np.ndarray) -> torch.Tensor:
        """Make the network's frame (3, h, w) of a camera's; FrameTooSmallError."""
        return prepare_frame(rgb, self.engine.spec.frame, self.short_side)

    def step(self, frame: torch.Tensor) -> torch.Tensor:
        """Advance by one prepared frame (3, h, w); return the output (h, w) on the CPU.

        The state changes only if the step succeeds, so a failing frame loses nothing.
        """
        if frame.shape[1:] != (self.engine.height, self.engine.width):
            self.engine = self.engine.resized(*frame.shape[1:])
            self._state = None
        if self._state is None:
            self._state = self.engine.initial_state()
        output, state = self.engine.step(frame[None], self._state)
        output = output[0].cpu()  # waits for the device
        self._state = state
        return output

    @staticmethod
    def resample(output: torch.Tensor, height: int, width: int) -> np.ndarray:
        """Resize an output (h, w) to the camera's size as the models' authors do, before metres."""
        if output.shape != (height, width):
            output = upsample(output[None, None], (height, width))[0, 0]
        return output.numpy()
