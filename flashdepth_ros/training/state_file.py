"""What going on takes, in one safetensors file: nothing that is read can carry code."""
from collections.abc import Mapping
import json
import os
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
import torch
from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: dict[str, Any]) -> None:
    """Write tensors and JSON; the file appears only when it is whole."""
    temporary = path.with_name(f'.{path.name}')
    save_file({key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()},
              temporary, metadata={'about': json.dumps(about)})
    with open(temporary, 'rb') as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(path, 'pt') as file:
        about = json.loads((file.metadata() or {}).get('about', '{}'))
    return load_file(path), about


def optimiser_tensors(optimiser: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """Return the state of an optimiser as tensors by name."""
    return {f'{prefix}.{index}.{name}': torch.as_tensor(value)
            for index, values in optimiser.state_dict()['state'].items()
            for name, value in values.items()}


def load_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], prefix: str,
) -> None:
    """Put back what optimiser_tensors returned; rates and the like stay the optimiser's own."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(f'{prefix}.'):
            _, index, name = key.rsplit('.', 2)
            state.setdefault(int(index), {})[name] = value
    parameters = [each for group in optimiser.param_groups for each in group['params']]
    for index, values in state.items():
        for name, value in values.items():
            if value.shape == parameters[index].shape:
                # laid out in memory as the parameter, which fused optimisers rely on
                values[name] = torch.empty_like(parameters[index]).copy_(value)
    optimiser.load_state_dict({**optimiser.state_dict(), 'state': state})
