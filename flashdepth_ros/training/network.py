"""Networks as they are trained: flashdepth-nano in a form of its own, and what it is exported to.

Two things differ while training, a third from nothing; none changes what is exported:

- the output has no final ReLU, which would end the gradient, and is in units of OUTPUT_UNIT, near
  which it lies; exporting multiplies the last layer by it;
- attention is written as matrix products, which is faster backwards on a CPU than PyTorch's own;
- from nothing, the position table of 37 x 37 places is spanned by a small smooth grid. At 140 x 182
  the network samples 10 x 13 places of it, so the table itself would stay mostly untrained.
"""
import math
from pathlib import Path

import torch
from torch import Tensor, nn
import torch.nn.functional as F
from torch.nn.utils import parametrize

from ..models import build_model, load_weights, model_spec, randomise
from ..models.network import Network
from ..models.vit import PATCH, TRAINED_GRID, ScaledProduct
from .trainer import Learner

MODEL = 'flashdepth-nano'
POSITION_GRID = (9, 11)
OUTPUT_UNIT = 40.0  # 100/m, that is 2.5 m

_POSITIONS = 'pretrained.parametrizations.pos_embed.original'
_LAST = 'depth_head.scratch.output_conv2.2'


class PositionGrid(nn.Module):
    """Class token and grid (1, 1 + rows * columns, dim) -> the table (1, 1 + 37 * 37, dim)."""

    def forward(self, grid: Tensor) -> Tensor:
        return expand_positions(grid)


def expand_positions(grid: Tensor) -> Tensor:
    """Resample the trained grid of POSITION_GRID places, its corners the table's corners."""
    places = grid[:, 1:].unflatten(1, POSITION_GRID).permute(0, 3, 1, 2)
    table = F.interpolate(places, (TRAINED_GRID, TRAINED_GRID), mode='bicubic', align_corners=True)
    return torch.cat([grid[:, :1], table.flatten(2).transpose(1, 2)], dim=1)


class MatrixProduct(ScaledProduct):
    """Attention as two matrix products."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.softmax((q * self.scale) @ k.transpose(-1, -2), dim=-1).to(v.dtype) @ v


def _sines(rows: int, columns: int, dim: int) -> Tensor:
    """Sines and cosines of the place, half the channels for each axis, (rows * columns, dim)."""
    frequencies = math.pi * torch.logspace(-1, math.log10(4), dim // 4)

    def axis(n: int) -> Tensor:
        phase = torch.linspace(-1, 1, n)[:, None] * frequencies
        return torch.cat([phase.sin(), phase.cos()], dim=1)

    y, x = axis(rows), axis(columns)
    return torch.cat([y[:, None].expand(-1, columns, -1), x[None].expand(rows, -1, -1)],
                     dim=2).flatten(0, 1)


def _cosine_filters(count: int) -> Tensor:
    """The lowest-frequency cosine patterns of a patch in grey and two colour differences.

    (count, 3, 14, 14), each of norm 1: three quarters see brightness, a quarter colours.
    """
    n = torch.arange(PATCH)
    waves = torch.cos(math.pi / PATCH * torch.arange(PATCH)[:, None] * (n + 0.5))
    waves = waves / waves.norm(dim=1, keepdim=True)
    order = sorted(((u, v) for u in range(PATCH) for v in range(PATCH)),
                   key=lambda f: (f[0] ** 2 + f[1] ** 2, f))
    colours = F.normalize(torch.tensor([[1., 1., 1.], [1., 0., -1.], [1., -2., 1.]]), dim=1)
    grey = count * 3 // 4
    chosen = [(0, f) for f in order[:grey]]
    chosen += [(1 + i % 2, order[i // 2]) for i in range(count - grey)]
    return torch.stack([colours[c][:, None, None] * waves[u][:, None] * waves[v]
                        for c, (u, v) in chosen])


def initialise(model: nn.Module, seed: int) -> None:
    """Fill the model with what training starts from."""
    generator = torch.Generator().manual_seed(seed)

    def normal(weight: Tensor, std: float) -> None:
        weight.copy_(std * torch.randn(weight.shape, generator=generator))

    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                transposed = isinstance(module, nn.ConvTranspose2d)
                fan_in = (module.weight.shape[0] if transposed
                          else math.prod(module.weight.shape[1:]))
                gain = math.sqrt(2) if 'output_conv2' in name else 1.0
                if 'resConfUnit' in name and name.endswith('conv2'):
                    gain = 0.3
                if 'output_conv1' in name:
                    gain = 0.3  # what reaches the last layers is then about 1
                normal(module.weight, gain / math.sqrt(fan_in))
                if module.bias is not None:
                    module.bias.zero_()
        vit = model.pretrained
        for block in vit.blocks:  # residual branches that begin small
            for layer in (block.attn.proj, block.mlp.fc2):
                layer.weight.mul_(1 / math.sqrt(2 * len(vit.blocks)))
        dim = vit.cls_token.shape[-1]
        vit.patch_embed.proj.weight.copy_(0.5 * _cosine_filters(dim))
        grid = torch.zeros(1, 1 + math.prod(POSITION_GRID), dim)
        grid[0, 1:] = 0.5 * _sines(*POSITION_GRID, dim)
        vit.parametrizations.pos_embed.original.copy_(grid)
        normal(vit.cls_token, 0.02)
        for block in model.mamba.blocks[0]:
            mamba = block.mamba
            low, high = math.log(0.003), math.log(0.1)
            dt = torch.exp(torch.rand(mamba.heads, generator=generator) * (high - low) + low)
            mamba.dt_bias.copy_(dt + torch.log(-torch.expm1(-dt)))
            # the slowest head forgets over some hundred tokens, that is several frames
            mamba.A_log.copy_(torch.linspace(0.5, 4, mamba.heads).log())
            bound = 1 / math.sqrt(mamba.conv1d.weight.shape[-1])
            normal(mamba.conv1d.weight, bound)
            mamba.conv1d.bias.zero_()
        model.mamba.final_layer[1].weight.zero_()  # as FlashDepth: the memory begins as nothing
        last = model.get_submodule(_LAST)
        last.weight.mul_(0.2)
        last.bias.fill_(1.0)


def training_network(seed: int = 0, weights: Path | None = None) -> Network:
    """Build the network as it is trained, from a weights file or (None) from nothing.

    Its step() gives inverse depth in OUTPUT_UNIT.
    """
    model = build_model(MODEL).requires_grad_(True).train()
    if weights is None:
        dim = model.pretrained.cls_token.shape[-1]
        model.pretrained.pos_embed = nn.Parameter(torch.zeros(1, 1 + math.prod(POSITION_GRID), dim))
        parametrize.register_parametrization(
            model.pretrained, 'pos_embed', PositionGrid(), unsafe=True)
        initialise(model, seed)
    else:
        load_weights(model, weights)
        model.float()
        with torch.no_grad():
            for parameter in model.get_submodule(_LAST).parameters():
                parameter.div_(OUTPUT_UNIT)
    for block in model.pretrained.blocks:
        block.attn.product = MatrixProduct(block.attn.product.scale)
    model.depth_head.scratch.output_conv2[3] = nn.Identity()
    model.pretrained.mask_token.requires_grad_(False)  # in the checkpoints, never used
    model.depth_head.scratch.refinenet4.resConfUnit1.requires_grad_(False)
    return model.to(memory_format=torch.channels_last)


def exported(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turn the state dict of a network in training into one for build_model(MODEL), float32."""
    result = {}
    for key, value in state.items():
        value = value.detach().float()
        if key == _POSITIONS:
            key, value = 'pretrained.pos_embed', expand_positions(value)
        elif key.startswith(_LAST):
            value = OUTPUT_UNIT * value
        result[key] = value.contiguous().clone()
    return result


def learner_of(name: str, weights: Path | None, seed: int = 0) -> Learner:
    """Return a model of the registry to be trained, from a weights file or (None) from nothing.

    flashdepth-nano has the form above. From nothing, another is filled with random weights.
    """
    spec = model_spec(name)
    if name == MODEL:
        return Learner(training_network(seed, weights), spec, OUTPUT_UNIT, exported)
    network = build_model(name)
    if weights is None:
        randomise(network, seed)
    else:
        load_weights(network, weights)
    return Learner(network.float().to(memory_format=torch.channels_last), spec)
