"""One camera through time: its temporal state, and the rules for forgetting it. No ROS here."""
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..engines import Engine, EngineError, State
from ..images.confidence import FRAME_BY_FRAME, STREAMING, Confidence
from ..images.optical_flow import OpticalFlow
from ..images.resampling import resize_aligned
from ..images.temporal_filter import TemporalFilter
from ..models import prepare_frame
from .log_depth import LogDepth
from .point_maps import PointMaps


class NotFiniteError(EngineError):
    """A step gave NaN or Inf; the message says what to do."""

    def __init__(self) -> None:
        super().__init__(
            'the network gave no finite numbers (NaN or Inf): the frame is left out, and the '
            'temporal state forgotten. Where it happens again, set engine.precision to fp32, '
            'another engine.backend, or see whether the weights are whole')


class DepthStream:
    """The frames of one camera on their way to the network and back, and what it remembers of them.

    RGB frames go in as (H, W, 3) uint8, the model's output comes out as (H, W) float32 in the
    unit of `engine.spec`. torch stays below this module.

    points: what the stream has shown of its camera, of a model that gives points; else None.
    flow: of the pictures, at the network's size, from the frame prepared last to the one before.
    """

    def __init__(self, engine: Engine, short_side: int = 0):
        self.engine = engine  # of the last frame's size
        self.short_side = short_side
        # the state after the last step, of all streams in it, and which of them this one was
        self._state: tuple[State, int] | None = None
        self._forgotten = False  # what that state has of this stream
        self.points = PointMaps() if engine.spec.gives_focal else None
        self.flow = OpticalFlow()
        self._log_depth = LogDepth(engine.spec)
        self._confidence, self._filter = Confidence(), TemporalFilter()

    def reset(self) -> None:
        """Forget all: the next frame is the first."""
        self.forget_network()
        for each in (self.flow, self._log_depth, self._confidence, self._filter):
            each.forget()

    def forget_network(self) -> None:
        """Forget what the network remembers alone: it sees the next frame as one without memory."""
        self._forgotten = True
        if self.points is not None:
            self.points = PointMaps()

    def prepare(self, rgb: np.ndarray) -> torch.Tensor:
        """Make the network's frame (3, h, w) of a camera's, the stream's next; FrameTooSmallError.

        rgb: (H, W, 3) uint8, which must not change until the frame after it.
        """
        frame = prepare_frame(
            rgb, self.engine.spec.frame, self.short_side, self.engine.frame_device)
        self.flow.advance(rgb, *frame.shape[1:])
        return frame

    def nothing(self, camera: tuple[int, int]) -> torch.Tensor:
        """Return a plane (h, w) without a value for a camera's image (height, width)."""
        return torch.full(self.engine.spec.frame.network_size(*camera, self.short_side), torch.nan)

    def step(self, frame: torch.Tensor) -> torch.Tensor:
        """Advance by one prepared frame (3, h, w); return the output on the CPU, for `read`.

        NotFiniteError where that or the new state has NaN or Inf; the stream then starts anew.
        """
        output = step_together([self], [frame])[0]
        if output is None:
            raise NotFiniteError
        return output

    def confidence(self, output: torch.Tensor, remembers: bool | None = None) -> np.ndarray:
        """Return how far each pixel of a frame's output is to be trusted, (h, w) float32, 0 to 1.

        output: on the CPU, as the network gave it, of the frame prepared last. NaN where there is
        no depth. It ranks pixels by how depth has changed along the flow, in the frames for which
        this was called. remembers: whether the network has a memory; None is whether it has a
        state.
        """
        if remembers is None:
            remembers = self._state is None or bool(self._state[0])
        return self._confidence.update(self._log_depth.of(output), self.flow,
                                       STREAMING if remembers else FRAME_BY_FRAME)

    def smoothed(self, output: torch.Tensor, alpha: float, delta: float) -> torch.Tensor:
        """Return a frame's output mixed with those before; alpha, delta: as of TemporalFilter.

        output: as for `confidence`, which wants it before this.
        """
        logs = self._log_depth.of(output)
        return self._log_depth.changed(
            output, logs, self._filter.apply(logs, self.flow, alpha, delta))

    def read(
        self, output: torch.Tensor, camera: tuple[int, int], size: tuple[int, int] | None = None,
        focal: float | None = None,
    ) -> torch.Tensor:
        """Make one plane (h, w) in the model's unit of a frame's output: mostly it is that already.

        camera: (height, width) of the camera's image. size: of the plane, the camera's if None;
        focal: the camera's, over half the diagonal of the image, where it is known. Only where the
        output is a point map do they matter.
        """
        if self.points is None:
            return output
        return self.points.read(output, camera, size or camera, focal)

    def remembered(self) -> dict[str, torch.Tensor]:
        """Return a copy on the CPU of the temporal state, and the size of the network's frame.

        Empty before the first step.
        """
        if self._state is None or self._forgotten:
            return {}
        state, index = self._state
        return {**{f'state.{name}': value[index:index + 1].cpu().clone()
                   for name, value in state.items()},
                'size': torch.tensor([self.engine.height, self.engine.width])}

    def recall(self, remembered: dict[str, torch.Tensor]) -> None:
        """Go on from what `remembered` gave, with an engine of the same model."""
        if not remembered:
            return
        height, width = remembered['size'].tolist()
        engine = self.engine.resized(height, width, 1)
        state = engine.initial_state()
        with torch.inference_mode():  # which the state may have been made in
            for name, value in state.items():
                value.copy_(remembered[f'state.{name}'])
        self.engine, self._state, self._forgotten = engine, (state, 0), False

    @staticmethod
    def resample(output: torch.Tensor, height: int, width: int) -> np.ndarray:
        """Resize a plane (h, w) to the camera's size as the models' authors do, before metres."""
        return resize_aligned(output.numpy(), height, width)


@dataclass(frozen=True)
class Step:
    """A step of several streams that is under way.

    asynchronous: it may be, still. wait: waits for it and returns the streams' outputs on the CPU,
    for `DepthStream.read`. The states change then, and only if the step has succeeded, so a failing
    frame loses nothing. Where an output or a new state has NaN or Inf there is None, and that
    stream starts anew.
    """

    asynchronous: bool
    wait: Callable[[], list[torch.Tensor | None]]


def launch_together(streams: Sequence[DepthStream], frames: Sequence[torch.Tensor]) -> Step:
    """Begin to advance streams of one model by a frame (3, h, w) each, all of one size.

    It must have been waited for before any of the streams is stepped again.
    """
    height, width = frames[0].shape[1:]
    engine = streams[0].engine.resized(height, width, len(streams))
    launched = engine.launch(torch.stack(list(frames)), _joined(streams, engine))

    def wait() -> list[torch.Tensor | None]:
        outputs, finite = launched.wait()
        for i, (stream, good) in enumerate(zip(streams, finite, strict=True)):
            stream.engine, stream._state, stream._forgotten = engine, (launched.state, i), False
            if not good:
                stream.reset()
        return [output if good else None for output, good in zip(outputs, finite, strict=True)]

    return Step(engine.asynchronous, wait)


def step_together(
    streams: Sequence[DepthStream], frames: Sequence[torch.Tensor],
) -> list[torch.Tensor | None]:
    """Do what `launch_together` begins; return what its step gives."""
    return launch_together(streams, frames).wait()


def _joined(streams: Sequence[DepthStream], engine: Engine) -> State:
    """Return the streams' state for a step of `engine`, as it is where it lies together already.

    It may be a window of remembered frames, of hundreds of megabytes.
    """
    size = engine.height, engine.width
    kept = [stream._state if (stream.engine.height, stream.engine.width) == size else None
            for stream in streams]
    if kept[0] and streams[0].engine.streams == len(streams) and all(
            each and each[0] is kept[0][0] and each[1] == i for i, each in enumerate(kept)):
        state, _ = kept[0]
        for i, stream in enumerate(streams):
            if stream._forgotten:  # zeros are a stream that has seen nothing
                with torch.inference_mode():  # which the state may have been made in
                    for value in state.values():
                        value[i].zero_()
        return state
    parts = []
    for stream, each in zip(streams, kept, strict=True):
        state, index = (engine.initial_state(), 0) if each is None or stream._forgotten else each
        parts.append({name: value[index:index + 1] for name, value in state.items()})
    return parts[0] if len(parts) == 1 else {
        name: torch.cat([part[name] for part in parts]) for name in parts[0]}
