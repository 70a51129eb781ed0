"""Video Depth Anything (Chen et al. 2025, arXiv 2501.12375), streaming and over whole windows."""
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor
import torch.nn.functional as F

from .dpt import DECODERS
from .network import COUNT, Network, State, advanced
from .temporal import ATTENTIONS, TemporalDPTHead, Window, ages
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
        cache_dtype: of the remembered frames, None for the temporal layers' own. float16 where
            that is float32 halves the state; the depth then departs by up to 5e-4 of its range.

    """

    # frames in the ring: until they have been the key frame, and the one that is being written
    slots = KEY_FRAME + 1
    keeps_first = True

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

        count: (streams,) frames seen; from twice the ring's length on, less by that length.
        past_{module}_{layer}: (streams, places, slots, channels) inputs of that attention layer,
        frame n at slot n modulo `slots`. first_{module}_{layer}: (streams, places, channels) those
        of the stream's first frame.
        """
        weight = self.head.temporal_module(0).temporal_transformer.proj_in.weight
        dtype = self.cache_dtype or weight.dtype
        state = {COUNT: weight.new_zeros(streams, dtype=torch.int32)}
        shapes = self.head.module_shapes(height // PATCH, width // PATCH)
        for module, (places, channels) in enumerate(shapes):
            for layer in range(ATTENTIONS):
                state[f'past_{module}_{layer}'] = weight.new_zeros(
                    (streams, places, self.slots, channels), dtype=dtype)
                if self.keeps_first:
                    state[f'first_{module}_{layer}'] = weight.new_zeros(
                        (streams, places, channels), dtype=dtype)
        return state

    def window(self, count: Tensor) -> Window:
        """Return which frames streams attend that have seen `count` (N,) frames."""
        count = count[:, None]
        age = ages(count, self.slots)                                        # (N, slots)
        first = count == 0                                                   # (N, 1)
        # every frame is attended, for the first one stands in for all before it, each time with
        # another position; that one itself attends only itself, as position 0
        attended = torch.cat([~first, ((age <= RECENT) | (age == KEY_FRAME)) & ~first,
                              torch.ones_like(first)], dim=1)                # (N, T)
        own = torch.where(first, 0, WINDOW - 1)
        place = torch.where(age == KEY_FRAME, 1, (WINDOW - 1 - age).clamp(min=0))
        return Window(
            positions=torch.cat([torch.zeros_like(count), place, own], dim=1), query=own[:, 0],
            bias=torch.where(attended, 0., -torch.inf)[:, None, None],
            absent=(age > count)[:, None, None])

    def count_after(self, count: Tensor) -> Tensor:
        """Return the count of frames seen after one more, (N,) -> (N,)."""
        count = count + 1
        return torch.where(count < 2 * self.slots, count, count - self.slots)

    def encode(self, frames: Tensor) -> list[Tensor]:
        """Normalised frames (B, 3, H, W) -> the decoder's maps of levels 1 to 4."""
        grid = (frames.shape[-2] // PATCH, frames.shape[-1] // PATCH)
        return self.head.maps(self.pretrained(frames, self.taps), grid)

    def compute(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Normalised frames (N, 3, H, W), H and W multiples of 14 -> depth (N, H, W), see the unit.

        The changes have one slot of each ring.
        """
        maps = self.encode(frames)
        path, changes = self._refine(maps, state, self.window(state[COUNT]))
        return self.head.finish(path, maps, *frames.shape[-2:]), changes

    def clip(
        self, frames: Tensor, state: State, forget: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Encode and finish all frames of clips at once, see Network.clip.

        forget: slots that a frame does not attend, but for that of the frame just before it.
        """
        shape = frames.shape[:2]
        maps = self.encode(frames.flatten(0, 1))
        each_frame = zip(*(level.unflatten(0, shape).unbind(1) for level in maps), strict=True)
        paths = []
        for index, levels in enumerate(each_frame):
            window = self.window(state[COUNT])
            if forget is not None:
                window = self._without(window, state[COUNT], forget[:, index])
            path, changes = self._refine(levels, state, window)
            state = advanced(state, changes)
            paths.append(path)
        path = torch.stack(paths, dim=1).flatten(0, 1)
        outputs = self.head.finish(path, maps, *frames.shape[-2:])
        return outputs.unflatten(0, shape), state

    def _without(self, window: Window, count: Tensor, forget: Tensor) -> Window:
        """Return the window without some slots (N, slots), of which the newest always stays."""
        forget = forget & (ages(count[:, None], self.slots) > 1)
        keys = F.pad(forget, (window.bias.shape[-1] - 1 - self.slots, 1))
        return replace(window, bias=window.bias.masked_fill(keys[:, None, None], -torch.inf))

    def _refine(
        self, maps: Sequence[Tensor], state: State, window: Window,
    ) -> tuple[Tensor, State]:
        """Maps of N streams' frames and their states -> the path of level 3 and the changes."""
        count = state[COUNT]
        changes = {COUNT: self.count_after(count)}
        is_first = (count == 0)[:, None, None]

        def temporal(index: int, x: Tensor) -> Tensor:
            names = [f'{index}_{layer}' for layer in range(ATTENTIONS)]
            x, remembered = self.head.temporal_module(index).step(
                x, [state[f'past_{name}'] for name in names],
                [state.get(f'first_{name}') for name in names], window)
            for name, h in zip(names, remembered, strict=True):
                changes[f'past_{name}'] = h[:, :, None]
                if self.keeps_first:
                    changes[f'first_{name}'] = torch.where(is_first, h, state[f'first_{name}'])
            return x

        return self.head.decode_over_time(maps, temporal), changes

    def decode_window(self, frames: Sequence[Sequence[Tensor]]) -> Iterator[Tensor]:
        """Up to 32 frames, each as `encode` returned it for one frame -> (H, W) for each, in order.

        All frames attend all. The depth maps are made one at a time, to bound the memory.
        """
        level3, level4 = (torch.cat([maps[i] for maps in frames]) for i in (2, 3))
        height, width = (PATCH * n for n in level3.shape[-2:])
        paths = self.head.decode_over_time(
            (*frames[0][:2], level3, level4), lambda index, x: self.head.motion_modules[index](x))
        for path, maps in zip(paths.split(1), frames, strict=True):
            yield self.head.finish(path, maps, height, width)[0]
