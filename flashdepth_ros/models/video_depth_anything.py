"""Video Depth Anything (Chen et al. 2025, arXiv 2501.12375), streaming and over whole windows."""
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .dpt import DECODERS
from .network import Network, State
from .temporal import ATTENTIONS, TemporalDPTHead, Window
from .vit import BACKBONES, PATCH, VisionTransformer

WINDOW = 32    # frames that attend each other
KEY_FRAME = 41  # the age of the one frame that a step attends besides the first and the recent ones
RECENT = 29    # frames just before the current one


class VideoDepthAnything(Network):
    """Streaming depth that attends the first frame, the one 41 back and the last 29.

    Args:
        backbone: of BACKBONES. positions: length of the position tables. always_resample: see
            VisionTransformer.

    Attributes:
        cache_dtype: of the remembered frames, None for the weights' own. float16 under float32
            weights halves the state; the depth then departs by up to 5e-4 of its range.

    """

    remembered = 1 + KEY_FRAME  # frames: the first one, and all until they have been the key frame

    def __init__(
        self, backbone: str, positions: int = WINDOW, always_resample: bool = False,
    ):
        super().__init__()
        dim, depth, heads, self.taps = BACKBONES[backbone]
        self.pretrained = VisionTransformer(dim, depth, heads, always_resample)
        self.head = TemporalDPTHead(dim, *DECODERS[backbone], positions)
        self.cache_dtype: torch.dtype | None = None

    def initial_state(self, streams: int, height: int, width: int) -> State:
        """Return the state of streams that have seen no frame: zeros.

        count: (streams,) frames seen, up to the number remembered. past_{module}_{layer}: (streams,
        places, remembered, channels) inputs of that attention layer, the newest frame last.
        """
        weight = self.head.scratch.output_conv1.weight
        state = {'count': weight.new_zeros(streams, dtype=torch.int32)}
        shapes = self.head.module_shapes(height // PATCH, width // PATCH)
        for module, (places, channels) in enumerate(shapes):
            for layer in range(ATTENTIONS):
                state[f'past_{module}_{layer}'] = weight.new_zeros(
                    (streams, places, self.remembered, channels),
                    dtype=self.cache_dtype or weight.dtype)
        return state

    def window(self, count: Tensor) -> Window:
        """Return which frames streams attend that have seen `count` (N,) frames."""
        count = count[:, None]
        recent = torch.arange(RECENT, 0, -1, device=count.device)            # ages
        first = count == 0                                                   # (N, 1)
        # the first frame stands in for all before it, each time with another position
        absent = torch.cat(
            [torch.zeros_like(first), count < KEY_FRAME, count < recent], dim=1)  # (N, 31)
        # and itself attends only itself, as position 0
        bias = torch.where(first, -torch.inf, 0.).expand(-1, WINDOW - 1)
        bias = torch.cat([bias, torch.zeros_like(bias[:, :1])], dim=1)       # (N, 32)
        own = torch.where(first, 0, WINDOW - 1)
        positions = torch.arange(WINDOW - 1, device=count.device).expand(count.shape[0], -1)
        return Window(
            slots=(slice(0, 2), slice(-RECENT, None)),
            positions=torch.cat([positions, own], dim=1), query=own[:, 0],
            bias=bias[:, None, None], absent=absent[:, None, None])

    def remember(self, past: Tensor, new: Tensor, count: Tensor) -> Tensor:
        """Return the past (N, L, slots, C) with the frame (N, L, 1, C) added as the newest.

        The one shift is the copy that a new state needs anyway: a ring would be copied as well.
        """
        first = (count == 0)[:, None, None, None]
        return torch.cat([torch.where(first, new, past[:, :, :1]), past[:, :, 2:], new], dim=2)

    def encode(self, frames: Tensor) -> list[Tensor]:
        """Normalised frames (B, 3, H, W) -> the decoder's inputs at levels 1 to 4."""
        grid = (frames.shape[-2] // PATCH, frames.shape[-1] // PATCH)
        return self.head.levels(self.pretrained(frames, self.taps), grid)

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Normalised frames (N, 3, H, W), H and W multiples of 14 -> depth (N, H, W), see the unit.

        A new state is returned; the given one is not changed. Copying it takes 2 percent of a step
        of vda-s at 518 x 518 on a CPU.
        """
        count = state['count']
        window = self.window(count)
        new_state = {'count': (count + 1).clamp(max=self.remembered)}

        def temporal(index: int, x: Tensor) -> Tensor:
            names = [f'past_{index}_{layer}' for layer in range(ATTENTIONS)]
            x, new = self.head.temporal_module(index).step(
                x, [state[name] for name in names], window)
            for name, h in zip(names, new, strict=True):
                new_state[name] = self.remember(state[name], h, count)
            return x

        level1, level2, level3, level4 = self.encode(frames)
        path = self.head.refine(level3, level4, level2.shape[-2:], temporal)
        return self.head.finish(path, level1, level2, *frames.shape[-2:]), new_state

    def decode_window(self, frames: Sequence[Sequence[Tensor]]) -> Iterator[Tensor]:
        """Up to 32 frames, each as `encode` returned it for one frame -> (H, W) for each, in order.

        All frames attend all. The depth maps are made one at a time, to bound the memory.
        """
        level3, level4 = (torch.cat([levels[i] for levels in frames]) for i in (2, 3))
        size = frames[0][1].shape[-2:]
        height, width = (PATCH * n for n in level3.shape[-2:])
        paths = self.head.refine(
            level3, level4, size, lambda index, x: self.head.motion_modules[index](x))
        for path, (level1, level2, *_) in zip(paths.split(1), frames, strict=True):
            yield self.head.finish(path, level1, level2, height, width)[0]
