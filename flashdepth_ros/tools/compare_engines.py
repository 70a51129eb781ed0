"""Measure engines against plain PyTorch: the time of a step, and how far their depth departs.

Plain is the network as its authors write it (models/plain.py), eager and in float32.

All engines take turns on every frame, so that whatever else the machine does hits all of them; each
carries its own state through the whole sequence.
"""
import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
import itertools
import statistics
import sys
import time

import torch

from ..engines import BACKENDS, Engine, EngineError, open_engine
from ..engines.cores import physical_cores
from ..engines.engine import Request
from ..engines.pytorch import TorchEngine
from ..engines.trust import deviation, natural_frames
from ..files.sources import open_source
from ..models import MODELS, CheckpointError, prepare_frame
from ..models.plain import write_plainly
from ..weights.choice import resolve_weights
from .arithmetic import matmul_peak, step_flops
from .options import add_weights_argument, network_size, positive

PLAIN, TORCH = 'plain', 'torch:fp32'


class PlainEngine(TorchEngine):
    """The plain network run by PyTorch, one layer after the other."""

    backend = PLAIN

    def __init__(self, request: Request):
        super().__init__(request)
        write_plainly(self._model).to(
            memory_format=torch.contiguous_format)  # type: ignore[call-overload]


@dataclass
class Row:
    """What was measured of one engine; seconds and deviations of each step."""

    engine: Engine
    opened: float
    times: list[float] = field(default_factory=list)
    deviations: list[float] = field(default_factory=list)


def sequence(
    source: str | None, model: str, height: int, width: int, steps: int,
) -> Iterator[torch.Tensor]:
    """Yield frames (1, 3, height, width) of a video, scaled to fit, or made ones without one."""
    if source is None:
        yield from natural_frames(steps, 1, height, width)
        return
    import cv2
    frame_format = MODELS[model].frame
    size = frame_format.network_size(height, width, min(height, width))
    if size != (height, width):
        raise ValueError(f'{model} brings a video of {width}x{height} to {size[1]}x{size[0]}: '
                         f'choose a --size that it keeps, such as 518x518')
    with open_source(source) as frames:
        for frame in itertools.islice(frames, steps):
            rgb = cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA)
            yield prepare_frame(rgb, frame_format, min(height, width))[None]


def compare(
    model: str, weights: str, engines: Sequence[str], height: int, width: int, steps: int,
    source: str | None = None,
) -> dict[str, Row]:
    """Run engines ('backend:precision') in turns over the same frames, the plain network first."""
    begin = time.perf_counter()
    plain = PlainEngine(Request(MODELS[model], weights, 'cpu', 'fp32', height, width))
    rows = {PLAIN: Row(plain, time.perf_counter() - begin)}
    plain.warm_up()
    for name in dict.fromkeys((TORCH, *engines)):
        backend, _, precision = name.partition(':')
        begin = time.perf_counter()
        engine = open_engine(model, weights, backend, precision=precision or 'auto',
                             height=height, width=width)
        rows[name] = Row(engine, time.perf_counter() - begin)
        engine.warm_up()
    states = {name: row.engine.initial_state() for name, row in rows.items()}
    for frames in sequence(source, model, height, width, steps):
        for name, row in rows.items():
            begin = time.perf_counter()
            output, states[name] = row.engine.step(frames, states[name])
            output = output.cpu()  # waits for the device
            row.times.append(time.perf_counter() - begin)
            if name == PLAIN:
                expected = output
            row.deviations.append(deviation(output, expected))
    return rows


def table(rows: dict[str, Row], flops: int, peaks: dict[str, float]) -> str:
    """Return the measurements as a Markdown table."""
    plain, torch_ = (statistics.median(rows[name].times) for name in (PLAIN, TORCH))
    lines = ['| engine | ms (median) | ms (best) | times as fast as plain | as torch:fp32 | '
             'GFLOP/s | of the fp32 peak | AbsRel to plain (mean, worst step) | opened in s |',
             '|' + ' --- |' * 9]
    for name, row in rows.items():
        median = statistics.median(row.times)
        lines.append(
            f'| {name} | {1e3 * median:.0f} | {1e3 * min(row.times):.0f} | {plain / median:.2f} | '
            f'{torch_ / median:.2f} | {flops / median / 1e9:.0f} | '
            f'{100 * flops / median / peaks["fp32"]:.0f} % | '
            f'{statistics.mean(row.deviations):.1e}, {max(row.deviations):.1e} | '
            f'{row.opened:.1f} |')
    return '\n'.join(lines)


def all_engines() -> list[str]:
    """Return every backend and precision, as 'backend:precision'."""
    return [f'{name}:{precision}' for name, backend in BACKENDS.items()
            for precision in backend.precisions]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='compare_engines', description='Measure engines against plain PyTorch.')
    parser.add_argument('--model', default='flashdepth-s', choices=list(MODELS), metavar='MODEL',
                        help='default: flashdepth-s')
    add_weights_argument(parser)
    parser.add_argument('--size', type=network_size, default=(518, 518), metavar='WxH',
                        help="the network's frame (default: 518x518)")
    parser.add_argument('--steps', type=positive, default=20, help='frames (default: 20)')
    parser.add_argument('--video', metavar='FILE', help='frames from there (default: made ones)')
    parser.add_argument('engines', nargs='*', metavar='BACKEND[:PRECISION]',
                        help=f'of {", ".join(all_engines())} (default: those that open here)')
    options = parser.parse_args(argv)
    height, width = options.size
    try:
        weights = str(resolve_weights(MODELS[options.model], options.weights))
        engines = options.engines
        if not engines:
            engines = []
            for name in all_engines():
                backend, _, precision = name.partition(':')
                try:
                    open_engine(options.model, weights, backend, precision=precision,
                                height=height, width=width).close()
                    engines.append(name)
                except EngineError as error:
                    print(f'{name} is left out: {error}\n', file=sys.stderr)
        rows = compare(options.model, weights, engines, height, width, options.steps, options.video)
    except (CheckpointError, EngineError, ValueError, OSError) as error:
        print(f'compare_engines: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    flops = step_flops(options.model, height, width)
    peaks = matmul_peak()
    print(f'{options.model}, {width}x{height}, {len(rows[PLAIN].times)} steps, '
          f'{physical_cores()} cores, {flops / 1e9:.0f} GFLOP a step; matrix products reach '
          + ', '.join(f'{peak / 1e9:.0f} GFLOP/s in {name}' for name, peak in peaks.items()))
    print()
    print(table(rows, flops, peaks))
    return 0


if __name__ == '__main__':
    sys.exit(main())
