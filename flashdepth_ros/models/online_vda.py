"""Online Video Depth Anything (arXiv 2510.09182): VDA-S with a short memory of past frames only."""
import torch
from torch import Tensor

from .temporal import Window, ages
from .video_depth_anything import VideoDepthAnything


class OnlineVideoDepthAnything(VideoDepthAnything):
    """Streaming depth that attends the last `cache` - 1 frames, and never the current one.

    The current frame is part of the result through the residuals alone; only a stream's first
    frame, which has nothing else, attends itself.
    """

    keeps_first = False

    def __init__(self, cache: int, backbone: str = 'vits'):
        super().__init__(backbone, positions=cache, always_resample=True)
        self.slots = cache  # one more than are attended, which is being written

    def window(self, count: Tensor) -> Window:
        """Return which frames streams attend that have seen `count` (N,) frames."""
        attended = self.slots - 1
        count = count[:, None]
        age = ages(count, self.slots)                                        # (N, slots)
        seen = count.clamp(max=attended)
        # the oldest frame has position 0, so positions stand still only once the memory is full
        attends = torch.cat([age <= seen, count == 0], dim=1)
        positions = torch.cat([(seen - age).clamp(min=0), torch.zeros_like(count)], dim=1)
        return Window(
            positions=positions, query=seen[:, 0].clamp(min=1),
            bias=torch.where(attends, 0., -torch.inf)[:, None, None])
