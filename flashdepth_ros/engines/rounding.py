"""A transformer's weights rounded to bfloat16 so that their errors cancel (GPTQ).

Frantar et al. 2023, arXiv 2210.17323. Rounding a weight errs by up to 1/512 of it, for every token
in the same way. Here a layer's weights are rounded one input after the other, and what the inputs
to come and the bias can make up for goes there, so that the layer gives nearly what it gave. Which
inputs come together is found out in float32 on made pictures, the same ones every time.
"""
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..models import Network
from ..models.vit import Block
from .folding import SplitAttention
from .trust import natural_frames

PICTURES = 48
SIDE = 140      # of a picture, about: weights are rounded alike for every size
DAMPING = 1e-3  # of the mean power of an input: how much an input counts that was never seen
COLUMNS = 32    # are rounded before the rest is told

Moments = list[list[Tensor]]  # of each Block: the inputs of qkv, proj, fc1 and fc2


def made_pictures(height: int, width: int) -> Tensor:
    """Make normalised frames (PICTURES, 3, height, width) of any brightness, contrast and tint."""
    generator = torch.Generator().manual_seed(0)

    def between(low: float, high: float, channels: int = 1) -> Tensor:
        numbers = torch.rand((PICTURES, channels, 1, 1), generator=generator)
        return low + (high - low) * numbers

    frames = natural_frames(1, PICTURES, height, width)[0]
    frames = frames * between(0.2, 1.5) + between(-1.5, 1.5) + between(-0.3, 0.3, 3)
    return frames.clamp(-2.1, 2.6)


def _others(block: Block) -> list[nn.Linear]:
    return [block.attn.proj, block.mlp.fc1, block.mlp.fc2]


def _with_one(x: Tensor) -> Tensor:
    """(..., C) -> (N, C + 1), the last of them what a bias is multiplied with."""
    return nn.functional.pad(x.float().flatten(0, -2), (0, 1), value=1)


@torch.no_grad()
def input_moments(model: Network) -> Moments:
    """Return x^T x (C + 1, C + 1) of the layers of all transformer blocks, before `fold`."""
    moments: dict[nn.Module, Tensor | int] = defaultdict(int)

    def note(layer: nn.Module, inputs: Sequence[Tensor]) -> None:
        x = _with_one(inputs[0])
        moments[layer] = moments[layer] + x.T @ x

    blocks = [[module.attn.qkv, *_others(module)]
              for module in model.modules() if isinstance(module, Block)]
    hooks = [layer.register_forward_pre_hook(note) for layers in blocks for layer in layers]
    height, width = model.spec.frame.network_size(SIDE, SIDE, SIDE)
    for frame in made_pictures(height, width).split(1):
        model.step(frame, model.initial_state(1, height, width))
    for hook in hooks:
        hook.remove()
    # blocks after the last tap never run
    return [[cast(Mapping[nn.Module, Tensor], moments)[layer] for layer in layers]
            if layers[0] in moments else [] for layers in blocks]


def compensation(moments: Tensor) -> Tensor:
    """Return (C + 1, C + 1): in row j, what of input j's error the later inputs make up for."""
    moments = moments.double()
    power = moments.diagonal()[:-1]
    power += DAMPING * power.mean()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments))
    factor = torch.linalg.cholesky(inverse, upper=True)
    return (factor / factor.diagonal()[:, None]).float()


def round_layer(layer: nn.Linear, factor: Tensor) -> None:
    """Round a layer's weights to bfloat16, in place; they and its bias stay of type float32."""
    inputs = layer.in_features
    rows = torch.cat([layer.weight.data, layer.bias.data[:, None]], 1).T.contiguous()
    for begin in range(0, inputs, COLUMNS):
        end = min(begin + COLUMNS, inputs)
        lost = torch.empty_like(rows[begin:end])
        for j in range(begin, end):
            rounded = rows[j].bfloat16().float()
            lost[j - begin] = rows[j] - rounded
            rows[j] = rounded
            rows[j + 1:end].addcmul_(factor[j, j + 1:end, None], lost[j - begin], value=-1)
        rows[end:].addmm_(factor[begin:end, end:].T, lost, alpha=-1)
    layer.weight = nn.Parameter(rows[:-1].T.contiguous(), requires_grad=False)
    layer.bias = nn.Parameter(rows[-1].clone(), requires_grad=False)


@torch.no_grad()
def round_weights(model: Network, moments: Moments) -> None:
    """Round the transformer's weights of a model that was folded since its moments were taken."""
    blocks = [module for module in model.modules() if isinstance(module, Block)]
    for block, of_block in zip(blocks, moments, strict=True):
        parts = cast(SplitAttention, block.attn).parts
        layers: list[Iterable[nn.Module]] = [parts, *([layer] for layer in _others(block))]
        for shared, of_input in zip(layers, of_block, strict=bool(of_block)):
            factor = compensation(of_input)
            for layer in shared:
                round_layer(cast(nn.Linear, layer), factor)
