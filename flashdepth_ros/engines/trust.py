"""Whether an engine computes what the network computes: compared with PyTorch before its first use.

Libraries have given wrong depth without any error for networks like these (TensorRT 10.3 does), and
a robot cannot see that. So an engine that has not been compared on this machine is not used.
"""
from collections.abc import Iterator, Sequence
import logging
import time
import zlib

import numpy as np
import torch
from torch import Tensor

from ..models.network import COUNT, RING, State
from ..models.preprocess import MEAN, STD
from .engine import Engine, EngineError

STEPS = 3  # a wrong hand-over of the state shows at the second step, a wrong window at the third
FULL = 2   # more, from a full memory on

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


def full_state(like: State) -> State:
    """Return a state as after many frames, of random numbers: the same for equal shapes.

    The next frame is written to the last slot of the rings, where there are any.
    """
    full = {}
    for name, value in like.items():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        numbers = torch.randn(value.shape, generator=generator)
        # what a ring holds has passed a normalisation
        full[name] = (numbers if COUNT in like else 0.1 * numbers).to(value)
    if COUNT in like:
        slots = max((value.shape[RING] for value in full.values() if value.dim() == 4), default=1)
        full[COUNT] = torch.full_like(like[COUNT], 2 * slots - 1)
    return full


def _outputs(
    engines: Sequence[Engine], frames: Tensor, full_at: int | None = None,
) -> Iterator[tuple[list[Tensor], list[float]]]:
    """Step engines through the same frames in turns; yield their outputs and the seconds of each.

    Step number `full_at` begins with everything remembered.
    """
    states = [engine.initial_state() for engine in engines]
    for number, frame in enumerate(frames):
        outputs, seconds = [], []
        for i, engine in enumerate(engines):
            state = full_state(states[i]) if number == full_at else states[i]
            begin = time.perf_counter()
            output, states[i] = engine.step(frame, state)
            outputs.append(output.float().cpu())  # which waits for it
            seconds.append(time.perf_counter() - begin)
        yield outputs, seconds


def race(engine: Engine, other: Engine, steps: int = 10) -> tuple[float, float]:
    """Return the least seconds that a step of each took, of frames that both step in turns.

    The least, because other work on the machine only ever adds to it.
    """
    frames = natural_frames(steps, engine.streams, engine.height, engine.width)
    seconds = [seconds for _, seconds in _outputs((engine, other), frames)]
    return min(own for own, _ in seconds), min(others for _, others in seconds)


@torch.inference_mode()
def compare(engine: Engine, reference: Engine) -> dict[str, list[float]]:
    """Return the 'deviations' at each step, and the least 'seconds' of a step of each.

    EngineError where the engine departs from the reference by more than its precision may.
    """
    begin = time.perf_counter()
    what = (f'{engine.spec.name} at {engine.width}x{engine.height} through {engine.backend} in '
            f'{engine.precision} on {engine.device}')
    log.info('comparing %s with PyTorch', what)
    frames = natural_frames(STEPS + FULL, engine.streams, engine.height, engine.width)
    found, times = [], []
    for outputs, seconds in _outputs((engine, reference), frames, STEPS):
        found.append(deviation(*outputs))
        times.append(seconds)
    tolerance = TOLERANCE[engine.precision]
    text = ', '.join(f'{value:.2e}' for value in found)
    if not max(found) <= tolerance:
        update = 'update the library' + (
            f' ({engine.known_good} is reported to be right)' if engine.known_good else '')
        raise EngineError(
            f'{what} departs from PyTorch by {text} (mean relative difference at {len(found)} '
            f'steps; {tolerance:g} is allowed) and is not used: set engine.precision to fp32, '
            f'{update}, or set engine.backend to torch')
    log.info('%s agrees with PyTorch within %s (%.1f s)', what, text, time.perf_counter() - begin)
    return {'deviations': found, 'seconds': [min(each) for each in zip(*times, strict=True)]}
