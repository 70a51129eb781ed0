"""What the authors' own code computes with the seeded weights of `randomise`, from test/data."""
import functools
import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from flashdepth_ros.models import build_model, randomise

DATA = Path(__file__).parents[1] / 'data'


@functools.cache
def golden(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of test/data/{name}.npz."""
    return dict(np.load(DATA / f'{name}.npz'))


@functools.cache
def authors_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Return the keys and shapes of the authors' checkpoint of a model."""
    lines = gzip.decompress((DATA / 'keys.txt.gz').read_bytes()).decode().splitlines()
    entries = (line.split(' ') for line in lines)
    return {key: tuple(int(n) for n in shape.split(',') if n)
            for model, key, shape in entries if model == name}


@functools.lru_cache(maxsize=2)  # FlashDepth-L and Full are 1.4 GB each
def seeded_model(name: str, seed: int = 7) -> nn.Module:
    model = build_model(name, blank=True)
    randomise(model, seed)
    return model


def run(
    model: nn.Module, frames: np.ndarray | Tensor, state: dict[str, Tensor] | None = None,
) -> tuple[np.ndarray, dict[str, Tensor]]:
    """Step through frames (T, 3, H, W) of one stream -> outputs (T, H, W) and the last state."""
    frames = torch.as_tensor(frames)
    outputs = []
    with torch.inference_mode():
        state = state or model.initial_state(1, *frames.shape[-2:])
        for frame in frames:
            output, state = model.step(frame[None], state)
            outputs.append(output[0].numpy())
    return np.stack(outputs), state


def assert_close(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, atol=2e-4, rtol=1e-4)
