"""The networks as their authors write them: what every rewriting is measured and tested against.

Where the published code has a faster path for CUDA alone (xFormers), this is the one without it.
"""
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from .dpt import FeatureFusionBlock, upsample
from .temporal import HEADS, TemporalAttention, Window
from .vit import ScaledProduct

Module = TypeVar('Module', bound=nn.Module)


class PlainProduct(ScaledProduct):
    """Attention as two matrix products with a softmax between them."""

    def __init__(self, product: ScaledProduct):
        super().__init__(product.scale)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return ((q * self.scale) @ k.transpose(-2, -1)).softmax(-1) @ v


class PlainFusionBlock(FeatureFusionBlock):
    """The 1x1 convolution after the upsampling."""

    def __init__(self, block: FeatureFusionBlock):
        nn.Module.__init__(self)  # the parts are the block's
        self.out_conv = block.out_conv
        self.resConfUnit1, self.resConfUnit2 = block.resConfUnit1, block.resConfUnit2

    def forward(self, x: Tensor, skip: Tensor | None, size: Sequence[int]) -> Tensor:
        if skip is not None:
            x = x + self.resConfUnit1(skip)
        return self.out_conv(upsample(self.resConfUnit2(x), size))


class PlainTemporalAttention(TemporalAttention):
    """Keys and values projected anew from every attended frame, after adding its position."""

    def __init__(self, attention: TemporalAttention):
        nn.Module.__init__(self)  # the parts are the attention's
        self.to_q, self.to_k, self.to_v = attention.to_q, attention.to_k, attention.to_v
        self.to_out, self.pos_encoder = attention.to_out, attention.pos_encoder

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


PLAIN: dict[type[nn.Module], Callable[..., nn.Module]] = {
    ScaledProduct: PlainProduct, FeatureFusionBlock: PlainFusionBlock,
    TemporalAttention: PlainTemporalAttention}


def write_plainly(module: Module) -> Module:
    """Put the plain forms of a model's layers in their places; weights and state stay."""
    for name, child in list(module.named_children()):
        plain = PLAIN.get(type(child))
        setattr(module, name, plain(child) if plain else write_plainly(child))
    return module
