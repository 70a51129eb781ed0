"""A network rewritten for a graph of one size: layers in the forms that libraries run fastest.

The step stays the same but for rounding. The position tables are computed (no engine needs a cubic
resize then); the gains after attention and MLP and the scale of attention go into the projections
before them; projections and transposed convolutions take another form.
"""
import functools
from typing import cast

import torch
from torch import Tensor, nn

from ..models import Network
from ..models.flashdepth import Teacher
from ..models.vit import PATCH, Attention, Block, ScaledProduct, VisionTransformer


def fold(model: Network, height: int, width: int) -> None:
    """Rewrite a model, in place, for one size; it fits no other and no checkpoint any more."""
    folded(model, height, width)


@functools.singledispatch
def folded(layer: nn.Module, height: int, width: int) -> nn.Module:
    """Return what takes a layer's place where frames have this size: itself, or another form."""
    return _with_folded_parts(layer, height, width)


def _with_folded_parts(layer: nn.Module, height: int, width: int) -> nn.Module:
    for name, part in list(layer.named_children()):
        layer.add_module(name, folded(part, height, width))
    return layer


class UnscaledProduct(ScaledProduct):
    """Queries attend whose projection has the scale in it, in plain products."""

    def __init__(self):
        super().__init__(1)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return (q @ k.transpose(-1, -2)).softmax(-1) @ v


def _scale_output(linear: nn.Linear, scale: Tensor | float) -> None:
    linear.weight.data *= torch.as_tensor(scale)[..., None]
    linear.bias.data *= scale


class SplitAttention(Attention):
    """Attention with projections of their own for queries, keys and values, in plain products.

    In this form libraries recognise it, and fuse the transposes into it instead of running them.
    """

    def __init__(self, fused: Attention):
        nn.Module.__init__(self)  # the parts are the other's
        self.heads, self.proj = fused.heads, fused.proj
        dim = fused.proj.in_features
        self.parts = nn.ModuleList(nn.Linear(dim, dim, device='meta') for _ in range(3))
        parameters = zip(fused.qkv.weight.chunk(3), fused.qkv.bias.chunk(3), strict=True)
        for part, (weight, bias) in zip(self.parts, parameters, strict=True):
            part.weight, part.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        # a power of two for the 64 channels of a head, so this is exact
        _scale_output(cast(nn.Linear, self.parts[0]), fused.product.scale)
        self.product = UnscaledProduct()

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(part(x) for part in self.parts)


@folded.register
def _(layer: Attention, height: int, width: int) -> nn.Module:
    return SplitAttention(layer)


def fold_gains(model: nn.Module) -> None:
    """Multiply the gains after attention and MLP into the projections before them, in place.

    The step stays the same but for rounding, at any size.
    """
    for layer in model.modules():
        if isinstance(layer, Block) and not isinstance(layer.ls1, nn.Identity):
            _scale_output(layer.attn.proj, layer.ls1.gamma)
            _scale_output(layer.mlp.fc2, layer.ls2.gamma)
            for gain in ('ls1', 'ls2'):
                layer.add_module(gain, nn.Identity())


@folded.register
def _(layer: Block, height: int, width: int) -> nn.Module:
    fold_gains(layer)
    return _with_folded_parts(layer, height, width)


class PatchExpand(nn.Module):
    """A transposed convolution whose stride is its kernel: a 1x1 convolution and a rearrangement.

    (B, C, h, w) -> (B, C', k h, k w). No library is good at the former.
    """

    def __init__(self, transposed: nn.ConvTranspose2d):
        super().__init__()
        weight, bias = transposed.weight, transposed.bias
        assert bias is not None  # all of DPTHead's have one
        inputs, outputs, self.factor, _ = weight.shape
        places = self.factor ** 2
        self.conv = nn.Conv2d(inputs, outputs * places, 1, device='meta')
        self.conv.weight = nn.Parameter(weight.data.flatten(1).T[..., None, None].contiguous())
        self.conv.bias = nn.Parameter(bias.data.repeat_interleave(places))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pixel_shuffle(self.conv(x), self.factor)


@folded.register
def _(layer: nn.ConvTranspose2d, height: int, width: int) -> nn.Module:
    return PatchExpand(layer)


class OneGridTransformer(VisionTransformer):
    """A transformer for one grid of patches."""

    def __init__(self, transformer: VisionTransformer, rows: int, columns: int):
        nn.Module.__init__(self)  # the parts are the other's
        self.cls_token, self.patch_embed = transformer.cls_token, transformer.patch_embed
        self.blocks, self.norm = transformer.blocks, transformer.norm
        self.table = transformer.position_embedding(rows, columns).detach()

    def position_embedding(self, rows: int, columns: int) -> Tensor:
        return self.table


@folded.register
def _(layer: VisionTransformer, height: int, width: int) -> nn.Module:
    _with_folded_parts(layer, height, width)
    return OneGridTransformer(layer, height // PATCH, width // PATCH)


@folded.register
def _(layer: Teacher, height: int, width: int) -> nn.Module:
    return _with_folded_parts(layer, *layer.frame_size(height, width))
