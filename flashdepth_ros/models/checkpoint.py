"""Reading weights from files: strictly, and without ever unpickling an object."""
import functools
import math
from pathlib import Path
import pickle
import zipfile
import zlib

import torch
from torch import Tensor, nn

from .network import Network
from .registry import MODELS
from .spec import ModelSpec


class CheckpointError(Exception):
    """A weights file cannot be used; the message says why and what to do."""


def load_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read the state dict of a .safetensors or .pth file, on the CPU.

    A .pth may be a state dict, or a training checkpoint with the state dict under 'model'. Only
    tensors and plain containers are read (weights_only); CheckpointError for anything else.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(f'there is no weights file {path}')
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file
            return load_file(path)
        # memory-mapped where the format allows: training checkpoints also hold the optimiser
        content = torch.load(
            path, map_location='cpu', weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f'{path} holds something else than tensors and was not loaded (a harmful file may run '
            f'code when unpickled): get it again from its source, or convert it to .safetensors '
            f'where you trust it') from error
    except Exception as error:
        raise CheckpointError(
            f'{path} is damaged or is no PyTorch or safetensors file ({error}): '
            f'get it again from its source') from error
    if isinstance(content, dict) and isinstance(content.get('model'), dict):
        content = content['model']
    if not isinstance(content, dict) or not content or not all(
            isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()):
        raise CheckpointError(f'{path} holds no state dict (names with tensors)')
    return content


def shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every entry of a state dict."""
    return {key: tuple(value.shape) for key, value in state.items()}


@functools.cache
def _shapes_of(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    with torch.device('meta'):
        return shapes(spec.build().state_dict())


def models_that_fit(state: dict[str, Tensor]) -> list[str]:
    """Return the names of the models whose keys and shapes are exactly those of `state`."""
    found = shapes(state)
    return [name for name, spec in MODELS.items() if _shapes_of(spec) == found]


def load_weights(model: Network, path: str | Path, mapped: bool = False) -> None:
    """Load a file into a model of the registry, strictly; CheckpointError says what does not fit.

    Keys and shapes must be the model's. They are the same for a relative model and its metric
    sister, so there the official file's name decides.
    mapped: into a model that was built on the meta device. Its weights are the file's where it
    lies, not a copy of it, so the file must stay what it is for as long as the model is used.
    """
    content, spec, own = load_checkpoint(path), model.spec, model.state_dict()
    wanted = shapes(own)
    state = {key: value for key, value in content.items()
             if key in wanted or not key.startswith(model.spare_keys)}
    if (found := shapes(state)) != wanted:
        fits = models_that_fit(content)
        if fits:
            reason = f'it holds the weights of {" or ".join(fits)}'
        else:
            missing = [key for key in wanted if key not in found]
            extra = [key for key in found if key not in wanted]
            reshaped = [key for key in wanted if key in found and wanted[key] != found[key]]
            reason = '; '.join(
                f'{len(keys)} {what}, such as {keys[0]}' for what, keys in (
                    ('missing', missing), ('not of this model', extra),
                    ('of another shape', reshaped)) if keys)
        raise CheckpointError(f'{path} is not for {spec.name}: {reason}')
    for other in MODELS.values():
        # two FlashDepth files are never called the same, but a sister's keys and shapes are ours
        if other.unit is not spec.unit and Path(other.file).name == Path(path).name:
            raise CheckpointError(
                f'{path} has the name of the weights of {other.name}, and model.name is '
                f'{spec.name}: set model.name to {other.name}, or rename the file if it is right')
    model.load_state_dict(
        {key: value.to(own[key].dtype) for key, value in state.items()} if mapped else state,
        assign=mapped)


def _random_tensor(key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed((zlib.crc32(key.encode()) ^ seed) & 0x7FFFFFFF)
    normal = torch.randn(shape, generator=generator)
    if key.endswith('A_log'):
        return torch.log(1 + 15 * torch.rand(shape, generator=generator))
    if key.endswith('dt_bias'):  # the inverse softplus of a step size between 0.001 and 0.1
        low, high = math.log(0.001), math.log(0.1)
        dt = torch.exp(torch.rand(shape, generator=generator) * (high - low) + low)
        return dt + torch.log(-torch.expm1(-dt))
    if key.endswith(('pos_embed', 'cls_token', 'mask_token')):
        return 0.02 * normal
    if key.endswith(('.D', '.gamma')) or (len(shape) == 1 and key.endswith('weight')):
        return 1 + 0.1 * normal
    if len(shape) == 1:  # the last bias keeps the output above the final ReLU
        return torch.full(shape, 2.0) if key.endswith('output_conv2.2.bias') else 0.02 * normal
    transposed = 'resize_layers.0' in key or 'resize_layers.1' in key
    return normal / math.sqrt(shape[0] if transposed else math.prod(shape[1:]))


def randomise(model: nn.Module, seed: int = 0) -> None:
    """Fill a model with random weights that depend on the keys, the shapes and the seed alone.

    For plumbing and tests: every layer matters to the output, none saturates. Constants, such as
    sinusoidal tables, keep their values.
    """
    constants = dict(model.named_buffers())
    model.load_state_dict({
        key: value if key in constants
        else _random_tensor(key, tuple(value.shape), seed).to(value.dtype)
        for key, value in model.state_dict().items()})
    if isinstance(model, Network):
        model.adjust_random()
