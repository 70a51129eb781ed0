"""One camera through time: its temporal state, and the rules for forgetting it. No ROS here."""
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from .engines import Engine, State
from .models import prepare_frame
from .resampling import resize_aligned, resized_bands


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
    """The frames of one camera on their way to the network and back, and what it remembers of them.

    RGB frames go in as (H, W, 3) uint8, the model's output comes out as (H, W) float32 in the
    unit of `engine.spec`. torch stays below this module.
    """

    def __init__(self, engine: Engine, short_side: int = 0):
        self.engine = engine  # of the last frame's size
        self.short_side = short_side
        self._state: State | None = None

    def reset(self) -> None:
        """Forget the temporal state: the next frame is the first."""
        self._state = None

    def prepare(self, rgb: np.ndarray) -> torch.Tensor:
        """Make the network's frame (3, h, w) of a camera's; FrameTooSmallError."""
        return prepare_frame(
            rgb, self.engine.spec.frame, self.short_side, self.engine.frame_device)

    def step(self, frame: torch.Tensor) -> torch.Tensor:
        """Advance by one prepared frame (3, h, w); return the output (h, w) on the CPU."""
        return step_together([self], [frame])[0]

    @staticmethod
    def resample(output: torch.Tensor, height: int, width: int) -> np.ndarray:
        """Resize an output (h, w) to the camera's size as the models' authors do, before metres."""
        return resize_aligned(output.numpy(), height, width)

    @staticmethod
    def resample_bands(
        output: torch.Tensor, height: int, width: int,
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield what `resample` gives band by band: the slice of rows, and their values."""
        return resized_bands(output.numpy(), height, width)


def step_together(
    streams: Sequence[DepthStream], frames: Sequence[torch.Tensor],
) -> list[torch.Tensor]:
    """Advance streams of one model by a frame (3, h, w) each, all of one size, in one step.

    Returns their outputs (h, w) on the CPU. The states change only if the step succeeds, so a
    failing frame loses nothing.
    """
    height, width = frames[0].shape[1:]
    engine = streams[0].engine.resized(height, width, len(streams))
    fresh = None
    states = []
    for stream in streams:
        if stream._state is None or (stream.engine.height, stream.engine.width) != (height, width):
            fresh = fresh or engine.initial_state()
            states.append({name: value[:1] for name, value in fresh.items()})
        else:
            states.append(stream._state)
    together = states[0] if len(states) == 1 else {
        name: torch.cat([state[name] for state in states]) for name in states[0]}
    outputs, together = engine.step(torch.stack(list(frames)), together)
    outputs = outputs.cpu()  # waits for the device
    for i, stream in enumerate(streams):
        stream.engine = engine
        stream._state = {name: value[i:i + 1] for name, value in together.items()}
    return list(outputs)
