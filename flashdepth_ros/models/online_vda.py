"""Online Video Depth Anything (arXiv 2510.09182): VDA-S with a short memory of past frames only."""
import torch
from torch import Tensor

from .temporal import Window
from .video_depth_anything import VideoDepthAnything


class OnlineVideoDepthAnything(VideoDepthAnything):
    """Streaming depth that attends the last `cache` - 1 frames, and never the current one.

    The current frame is part of the result through the residuals alone; only a stream's first
    frame, which has nothing else, attends itself.
    """

    def __init__(self, cache: int):
        super().__init__('vits', positions=cache, always_resample=True)
        self.remembered = cache - 1

    def window(self, count: Tensor) -> Window:
        """Return which frames streams attend that have seen `count` (N,) frames."""
        slots = torch.arange(self.remembered, device=count.device)
        count = count[:, None]
        # the oldest frame has position 0, so positions stand still only once the memory is full
        positions = slots - (self.remembered - count)                        # (N, slots)
        attended = torch.cat([positions >= 0, count == 0], dim=1)
        positions = torch.cat([positions.clamp(min=0), torch.zeros_like(count)], dim=1)
        return Window(
            slots=(slice(None),), positions=positions, query=count[:, 0].clamp(min=1),
            bias=torch.where(attended, 0., -torch.inf)[:, None, None])

    def remember(self, past: Tensor, new: Tensor, count: Tensor) -> Tensor:
        """Return the past (N, L, slots, C) with the frame (N, L, 1, C) added as the newest."""
        return torch.cat([past[:, :, 1:], new], dim=2)
