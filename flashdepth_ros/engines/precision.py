"""Which parts of a network run in a half precision, and which stay in float32.

The same rule holds for PyTorch and for every exported graph, where the types are written down, so
that a library neither lowers more than this nor less.
"""
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..models.dpt import DPTHead
from ..models.dyfn import PointHead, ResidualBlock, Stabiliser
from ..models.flashdepth import HybridFusion, TemporalRefiner
from ..models.temporal import TemporalTransformer
from ..models.vit import Block

PRECISIONS = ('fp32', 'fp16', 'bf16')  # all that any backend offers
DTYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}

# What bfloat16 (8 bits) costs the depth of flashdepth-s with random weights, AbsRel: MLPs 0.7 %,
# products of queries, keys and values 0.2 %, projections around them 1.2 %, decoder 1.8 %, if the
# weights are rounded one by one; its residual unit on the finest map 0.1 %. float16 (11 bits)
# costs an eighth everywhere.
Inputs = tuple[object, ...]


def _cast_inputs(dtype: torch.dtype) -> Callable[[nn.Module, Inputs], Inputs]:
    def hook(module: nn.Module, inputs: Inputs) -> Inputs:
        return tuple(
            x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs)
    return hook


def _lower_layers(
    module: nn.Module, dtype: torch.dtype, kept: nn.Module | None = None,
) -> None:
    for layer in module.modules():
        if layer is not kept and isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            layer.to(dtype)
            layer.register_forward_pre_hook(_cast_inputs(dtype))


def lower(model: nn.Module, precision: str, rounded: bool = False) -> None:
    """Make a model's heavy layers compute in a half precision, in place.

    bf16: the transformer's MLPs and the products of its attention; where the weights are `rounded`
    (rounding.py) also its projections and the decoder's residual unit on the finest map. fp16: all
    of these, the decoder's convolutions, and what FlashDepth puts between Mamba and these. The
    residual sums, all normalisations, everything temporal (its errors would be remembered), the
    fusion with the teacher and the very last layer stay in float32; so do frames, state and output.
    """
    if precision == 'fp32':
        return
    dtype = DTYPES[precision]
    for module in list(model.modules()):
        if isinstance(module, Block):
            whole = rounded or dtype is torch.float16
            _lower_layers(module if whole else module.mlp, dtype)
            module.attn.product.register_forward_pre_hook(_cast_inputs(dtype))
        elif isinstance(module, DPTHead) and rounded:
            fusion = module.scratch.get_submodule('refinenet1')
            _lower_layers(fusion.get_submodule('resConfUnit1'), dtype)
        elif isinstance(module, DPTHead) and dtype is torch.float16:
            last = module.scratch.output_conv2[2]
            for part in (module.projects, module.resize_layers, module.scratch):
                _lower_layers(part, dtype, kept=last)
            last.register_forward_pre_hook(_cast_inputs(torch.float32))
        elif isinstance(module, PointHead) and dtype is torch.float16:
            for part in (module.projects, module.upsample_blocks):
                _lower_layers(part, dtype)
            for first, last in module.output_layers():
                _lower_layers(first, dtype)
                last.register_forward_pre_hook(_cast_inputs(torch.float32))
        elif isinstance(module, (TemporalRefiner, HybridFusion, TemporalTransformer, Stabiliser,
                                 ResidualBlock, nn.GroupNorm)):
            module.register_forward_pre_hook(_cast_inputs(torch.float32))
        if isinstance(module, TemporalRefiner) and dtype is torch.float16:
            # nothing of it is remembered, and at 2044x1148 it is half of what is left in float32
            module.final_layer.to(dtype).register_forward_pre_hook(_cast_inputs(dtype))
