"""The networks as their authors write them: what every rewriting is measured and tested against.

Where the published code has a faster path for CUDA alone (xFormers), this is the one without it.
"""
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .dpt import FeatureFusionBlock, upsample
from .network import Network
from .temporal import HEADS, TemporalAttention, Window
from .vit import Attention


class PlainAttention(Attention):
    """Attention as two matrix products with a softmax between them."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return ((q * self.scale) @ k.transpose(-2, -1)).softmax(-1) @ v


class PlainFusionBlock(FeatureFusionBlock):
    """The 1x1 convolution after the upsampling."""

    def forward(self, x: Tensor, skip: Tensor | None, size: Sequence[int]) -> Tensor:
        if skip is not None:
            x = x + self.resConfUnit1(skip)
        return self.out_conv(upsample(self.resConfUnit2(x), size))


class PlainTemporalAttention(TemporalAttention):
    """Keys and values projected anew from every attended frame, after adding its position."""

    def step(
        self, h: Tensor, past: Tensor, window: Window, first: Tensor | None = None,
    ) -> Tensor:
        return torch.cat([
            self._attend(h[n], past[n], window, None if first is None else first[n], n)
            for n in range(len(h))])

    def _attend(
        self, h: Tensor, past: Tensor, window: Window, first: Tensor | None, stream: int,
    ) -> Tensor:
        """One stream's frame (L, C) attends -> (1, L, C)."""
        table = self.pos_encoder.pe[0]
        frames = [*past.unbind(1), h]                                        # T of (L, C)
        if first is not None:
            assert window.absent is not None  # of every model that keeps its first frame
            absent = [*window.absent[stream].flatten().tolist(), False]
            frames = [first, *(
                first if gone else x for gone, x in zip(absent, frames, strict=True))]
        attended = (window.bias[stream].flatten() == 0).nonzero().flatten().tolist()
        keys = torch.stack([frames[t] for t in attended], dim=1)             # (L, attended, C)
        keys = keys.to(h.dtype) + table[window.positions[stream, attended]]
        q = self.to_q(h + table[window.query[stream]]).unflatten(-1, (HEADS, 1, -1))
        k, v = (project(keys).unflatten(-1, (HEADS, -1)).transpose(1, 2)     # (L, heads, T, d)
                for project in (self.to_k, self.to_v))
        weights = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).softmax(-1)
        return self.to_out[0]((weights @ v).flatten(1))[None]


PLAIN: dict[type[nn.Module], type[nn.Module]] = {
    Attention: PlainAttention, FeatureFusionBlock: PlainFusionBlock,
    TemporalAttention: PlainTemporalAttention}


def write_plainly(model: Network) -> Network:
    """Give a model's layers their plain forms, in place; weights and state stay as they are."""
    for module in model.modules():
        if type(module) in PLAIN:
            module.__class__ = PLAIN[type(module)]
    return model
