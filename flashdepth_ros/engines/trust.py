"""Whether an engine computes what the network computes: compared with PyTorch before its first use.

Libraries have given wrong depth without any error for networks like these (TensorRT 10.3 does), and
a robot cannot see that. So an engine that has not been compared on this machine is not used.
"""
import logging
import time

import numpy as np
import torch
from torch import Tensor

from ..models import ModelSpec, Network
from ..models.preprocess import MEAN, STD
from .engine import Engine, EngineError

STEPS = 3  # a wrong hand-over of the state shows at the second step, a wrong window at the third

# Mean relative difference of the output that a sound engine may have. Rounding grows with the
# depth of the network; wrong engines depart by tens of percent.
TOLERANCE = {'fp32': 1e-3, 'fp16': 1e-2, 'bf16': 5e-2, 'int8': 1e-1}

log = logging.getLogger(__name__)


def natural_frames(steps: int, streams: int, height: int, width: int) -> Tensor:
    """Make frames (steps, streams, 3, height, width) with the statistics of photographs.

    Amplitudes fall with the spatial frequency, colours go together, and the picture moves. The same
    for the same arguments; normalised as the networks take them.
    """
    margin = 4 * steps
    shape = (height + margin, width + margin)
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    amplitude = np.maximum(frequency, 1 / max(shape)) ** -1.3
    frames = np.empty((steps, streams, 3, height, width), dtype=np.float32)
    for stream in range(streams):
        rng = np.random.default_rng(stream)
        grey, *tints = (np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * amplitude, shape)
                        for _ in range(4))
        picture = np.stack([grey + 0.3 * tint for tint in tints])
        picture = 0.5 + 0.2 * (picture - picture.mean()) / picture.std()
        picture = (picture.clip(0, 1) - MEAN[:, None, None]) / STD[:, None, None]
        for step in range(steps):
            frames[step, stream] = picture[:, 2 * step:, 4 * step:][:, :height, :width]
    return torch.from_numpy(frames)


def deviation(output: Tensor, expected: Tensor) -> float:
    """Return the mean relative difference over the pixels above 5 percent of the largest.

    For inverse depth that is the AbsRel of depth, without what lies 20 times farther than the
    nearest. Of an output of several planes (N, planes, h, w) it is the worst plane's, relative to
    what its values are on average. Infinite where the output is not finite.
    """
    output, expected = output.float().cpu(), expected.float().cpu()
    if output.shape != expected.shape or not output.isfinite().all():
        return float('inf')
    if expected.ndim == 4:
        planes = (0, 2, 3)
        return float(((output - expected).abs().mean(planes) / expected.abs().mean(planes)).max())
    counted = expected > 0.05 * expected.max()
    if not counted.any():  # a network that sees nothing: then the engine must see nothing
        return float((output - expected).abs().max())
    return float(((output - expected).abs() / expected)[counted].mean())


@torch.inference_mode()
def expected_outputs(model: Network, frames: Tensor) -> list[Tensor]:
    """Step a network in float32 through frames (steps, streams, 3, height, width)."""
    state = model.initial_state(frames.shape[1], *frames.shape[-2:])
    outputs = []
    for frame in frames:
        output, state = model.step(frame, state)
        outputs.append(output)
    return outputs


def deviations(engine: Engine, frames: Tensor, expected: list[Tensor]) -> list[float]:
    """Step an engine through the same frames; return the deviation at each step."""
    state = engine.initial_state()
    found = []
    for frame, wanted in zip(frames, expected, strict=True):
        output, state = engine.step(frame, state)
        found.append(deviation(output, wanted))
    return found


def compare(engine: Engine, frames: Tensor, expected: list[Tensor]) -> list[float]:
    """Return the deviation of each step; EngineError where it is beyond the tolerance."""
    begin = time.perf_counter()
    found = deviations(engine, frames, expected)
    tolerance = TOLERANCE[engine.precision]
    text = ', '.join(f'{value:.2e}' for value in found)
    what = (f'{engine.spec.name} at {engine.width}x{engine.height} through {engine.backend} in '
            f'{engine.precision} on {engine.device}')
    if not max(found) <= tolerance:
        raise EngineError(
            f'{what} departs from PyTorch by {text} (mean relative difference at {len(found)} '
            f'steps; {tolerance:g} is allowed) and is not used: set engine.precision to fp32, '
            f'update the library, or set engine.backend to torch')
    log.info('%s agrees with PyTorch within %s (%.1f s)', what, text, time.perf_counter() - begin)
    return found


def specimen(
    spec: ModelSpec, model: Network, streams: int, height: int, width: int,
) -> tuple[Tensor, list[Tensor]]:
    """Return the frames for a comparison and what the network makes of them."""
    log.info('running %s at %dx%d in PyTorch, to compare with', spec.name, width, height)
    frames = natural_frames(STEPS, streams, height, width)
    return frames, expected_outputs(model, frames)
