"""A transformer's weights rounded to bfloat16 so that their errors cancel (GPTQ).

Frantar et al. 2023, arXiv 2210.17323. Rounding a weight errs by up to 1/512 of it, for every token
in the same way. Here a layer's weights are rounded one input after the other, and what the inputs
to come and the bias can make up for goes there, so that the layer gives nearly what it gave. Which
inputs come together is found out in float32 on made pictures, the same ones every time.
"""
from collections.abc import Callable, Mapping, Sequence
import logging
from pathlib import Path
import re
import time

import torch
from torch import Tensor, nn

from ..models import Network
from ..models.vit import Block
from . import cache
from .folding import fold
from .trust import natural_frames

PICTURES = 48
SIDE = 140      # of a picture, about: weights are rounded alike for every size
DAMPING = 1e-3  # of the mean power of an input: how much an input counts that was never seen
COLUMNS = 32    # are rounded before the rest is told
# what of this package's source makes the weights what they are
CODE = ('models/*.py', *(f'engines/{name}.py' for name in (
    'folding', 'rounding', 'trust')))
FILE = 'rounded.safetensors'

log = logging.getLogger(__name__)

Moments = Mapping[str, Tensor]  # of a layer's inputs by its name before `fold`, (C + 1, C + 1)


def rounded_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """Return the linear layers of all transformer blocks by name, folded or not."""
    return {f'{name}.{part}': layer for name, block in model.named_modules()
            if isinstance(block, Block) for part, layer in block.named_modules()
            if isinstance(layer, nn.Linear)}


def made_pictures(height: int, width: int) -> Tensor:
    """Make normalised frames (PICTURES, 3, height, width) of any brightness, contrast and tint."""
    generator = torch.Generator().manual_seed(0)

    def between(low: float, high: float, channels: int = 1) -> Tensor:
        numbers = torch.rand((PICTURES, channels, 1, 1), generator=generator)
        return low + (high - low) * numbers

    frames = natural_frames(1, PICTURES, height, width)[0]
    frames = frames * between(0.2, 1.5) + between(-1.5, 1.5) + between(-0.3, 0.3, 3)
    return frames.clamp(-2.1, 2.6)


def _picture_size(model: Network) -> tuple[int, int]:
    """Return (height, width)."""
    return model.spec.frame.network_size(SIDE, SIDE, SIDE)


def _with_one(x: Tensor) -> Tensor:
    """(..., C) -> (N, C + 1), the last of them what a bias is multiplied with."""
    return nn.functional.pad(x.float().flatten(0, -2), (0, 1), value=1)


@torch.no_grad()
def input_moments(model: Network) -> Moments:
    """Return x^T x of the inputs of all rounded layers that run, before `fold`."""
    moments: dict[str, Tensor] = {}

    def note(name: str) -> Callable[[nn.Module, Sequence[Tensor]], None]:
        def hook(layer: nn.Module, inputs: Sequence[Tensor]) -> None:
            x = _with_one(inputs[0])
            moments[name] = moments.get(name, 0) + x.T @ x
        return hook

    hooks = [layer.register_forward_pre_hook(note(name))
             for name, layer in rounded_layers(model).items()]
    size = _picture_size(model)
    for frame in made_pictures(*size).split(1):
        model.step(frame, model.initial_state(1, *size))
    for hook in hooks:
        hook.remove()
    return moments


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
    _give(layer, rows[:-1].T, rows[-1].clone())


def _give(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    layer.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)


@torch.no_grad()
def round_weights(model: Network, moments: Moments) -> dict[str, nn.Linear]:
    """Round weights of a model that was folded since its moments were taken; return its layers."""
    factors: dict[str, Tensor] = {}
    layers = {}
    for name, layer in rounded_layers(model).items():
        source = re.sub(r'parts\.\d$', 'qkv', name)  # which three layers share since
        if source not in moments:  # blocks after the last tap never run
            continue
        if source not in factors:
            factors = {source: compensation(moments[source])}
        round_layer(layer, factors[source])
        layers[name] = layer
    return layers


def cached_rounding(model: str, weights: str, load: Callable[[], Network]) -> Path:
    """Return the file of a model's rounded weights in the cache, made first where there is none.

    weights: the file's sha256, or 'random'. load: gives the model for that; it is spent afterwards.
    They are the same for every size of frame and number of streams.
    """
    def make(folder: Path) -> dict:
        from safetensors.torch import save_file
        begin = time.perf_counter()
        network = load()
        moments = input_moments(network)
        fold(network, *_picture_size(network))
        layers = round_weights(network, moments)
        save_file({f'{name}.{part}': value for name, layer in layers.items() for part, value in (
            ('weight', layer.weight.data.bfloat16()), ('bias', layer.bias.data))}, folder / FILE)
        log.info('rounded the weights of %s in %.1f s', model, time.perf_counter() - begin)
        return {}

    key = {'model': model, 'weights': weights, 'kind': 'rounded', 'torch': torch.__version__,
           'code': cache.code_digest(*CODE)}
    return cache.get(key, make).folder / FILE


def take_rounded(model: Network, file: Path) -> None:
    """Give a folded model the rounded weights of a file that `cached_rounding` made."""
    from safetensors.torch import load_file
    tensors = load_file(file)
    for name, layer in rounded_layers(model).items():
        if f'{name}.weight' in tensors:
            _give(layer, tensors[f'{name}.weight'].float(), tensors[f'{name}.bias'])
