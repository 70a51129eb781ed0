"""The parts of verify.py that measure: the machine, its ceilings, and every model."""
from collections.abc import Callable
import functools
import importlib
import importlib.util
import math
import platform
import statistics
import sys
import time

from bench_tools import Bench, percentiles, picture
import numpy as np
import torch
from torch_metres import resize_to_depth_in_torch

from flashdepth_ros.engines.cores import processor
from flashdepth_ros.engines.pytorch import full_float32
from flashdepth_ros.engines.trust import natural_frames
from flashdepth_ros.images.resampling import DepthFormula, resize_to_depth
from flashdepth_ros.models import Unit, model_spec
from flashdepth_ros.streams.depth_stream import DepthStream, launch_together

Rows = list[dict]
# (model, size) -> frames a second that it shall reach on an H100
GOALS = {('flashdepth-s', (518, 518)): 300, ('flashdepth', (1148, 2044)): 40}


def versions(bench: Bench) -> Rows:
    """Say what there is: the device, its driver, and every library that has a part in it."""
    facts = {'device': processor(), 'python': platform.python_version(),
             'torch': torch.__version__, 'numpy': np.__version__}
    if bench.cuda:
        properties = torch.cuda.get_device_properties(bench.device)
        facts |= {
            'device': properties.name, 'memory': f'{properties.total_memory / 2 ** 30:.1f} GiB',
            'compute capability': f'{properties.major}.{properties.minor}',
            'multiprocessors': str(properties.multi_processor_count),
            'driver': str(torch._C._cuda_getDriverVersion()), 'cuda': str(torch.version.cuda),
            'cudnn': str(torch.backends.cudnn.version())}
    for name in ('cv2', 'mamba_ssm', 'triton', 'tensorrt', 'tensorrt_rtx_bindings', 'onnxruntime',
                 'openvino', 'numba', 'rclpy'):
        facts[name] = 'none'
        if sys.modules.get(name, 0) is not None and importlib.util.find_spec(name):
            try:
                facts[name] = getattr(importlib.import_module(name), '__version__', 'there')
            except Exception as error:  # of libraries that lack their own
                facts[name] = f'cannot be imported: {error}'.splitlines()[0]
    return [{'of': key, 'is': value} for key, value in facts.items()]


def ceilings(bench: Bench) -> Rows:
    """Measure what the device can do at most: copies and matrix products."""
    rows, number = [], bench.few(20, 3)
    big = torch.empty(bench.few(1 << 28, 1 << 22), device=bench.device)  # of 4 bytes
    other = torch.empty_like(big)
    best = min(bench.seconds(functools.partial(other.copy_, big), number))
    rows.append({'what': 'copy on the device, read and written', 'GB/s': 8e-9 * big.numel() / best})
    if bench.cuda:
        host = torch.empty(1 << 26, pin_memory=True)
        part = big[:1 << 26]
        for what, work in (('up from pinned memory', lambda: part.copy_(host, non_blocking=True)),
                           ('down to pinned memory', lambda: host.copy_(part, non_blocking=True))):
            rows.append({'what': what,
                         'GB/s': 4e-9 * part.numel() / min(bench.seconds(work, number))})
    del big, other
    side = bench.few(8192, 512)
    for name, dtype in (('fp32', torch.float32), ('fp16', torch.float16), ('bf16', torch.bfloat16)):
        a, b = (torch.randn(side, side, device=bench.device).to(dtype) for _ in range(2))
        with full_float32():
            best = min(bench.seconds(lambda a=a, b=b: a @ b, number))
        rows.append({'what': f'matrix product, {name}', 'TFLOP/s': 2e-12 * side ** 3 / best})
    one, many = torch.zeros(1, device=bench.device), 1000
    begin = time.perf_counter()
    for _ in range(many):
        one.add_(1)
    rows.append({'what': 'launches, one after the other',
                 'us each': 1e6 * (time.perf_counter() - begin) / many})
    bench.wait()
    return rows


def formula_of(unit: Unit) -> DepthFormula:
    """Return how the output of a model becomes metres, or what stands for them."""
    return DepthFormula(100.0 if unit is Unit.HUNDRED_PER_METRE else 1.0, 1.0, 0.0,
                        unit is Unit.METRES, 0.0, math.inf)


def speed(bench: Bench) -> Rows:
    """Measure each model from uint8 pictures to metres in the host's memory.

    In the precision that `auto` finds for it on this device. p50, p99 and fps are of one frame
    after the other, fps_ahead of frames that are launched before the one before is scaled.
    """
    rows: Rows = []
    for name in bench.models:
        if not bench.with_time(20, name):
            continue
        spec = model_spec(name)
        engine = bench.open(name, 'auto')
        for size in bench.sizes:
            if not bench.with_time(6, f'{name} at {size[1]}x{size[0]}'):
                continue
            try:
                rows.append({'model': name, 'size': f'{size[1]}x{size[0]}',
                             'precision': engine.precision,
                             **_frames(bench, DepthStream(engine, min(size)), spec, size)})
            except (RuntimeError, ValueError) as error:  # EngineError is one: too little memory
                rows.append({'model': name, 'size': f'{size[1]}x{size[0]}',
                             'remark': str(error).splitlines()[0][:120]})
                continue
            finally:
                if bench.cuda:  # the memory of the next size is its own
                    engine._steps.close()
                    torch.cuda.empty_cache()
            goal = GOALS.get((name, size))
            if goal and bench.cuda and 'H100' in torch.cuda.get_device_name(bench.device):
                reached = rows[-1]['fps_ahead'] >= goal
                rows[-1]['remark'] = f'goal {goal}: {"" if reached else "not "}reached'
        engine.close()
        del engine
    return rows


def _frames(bench: Bench, stream: DepthStream, spec, size: tuple[int, int]) -> dict:
    """Run frames of a size for some seconds; return times of the whole and of the step alone."""
    pictures = [picture(*size, i) for i in range(8)]
    formula, metres = formula_of(spec.unit), np.empty(size, np.float32)
    has_loops = importlib.util.find_spec('numba') is not None

    def scale(plane: torch.Tensor) -> None:
        if has_loops:  # as the node does it
            resize_to_depth(plane.numpy(), formula, metres)
        else:
            metres[...] = resize_to_depth_in_torch(plane, formula, *size)

    if bench.cuda:
        torch.cuda.reset_peak_memory_stats(bench.device)
    totals, steps, frame = [], [], 0
    end = time.perf_counter() + bench.few(4, 0)
    first, most = 10 if bench.cuda else 1, bench.few(400, 3)
    while frame < first + most and (frame < first + 3 or time.perf_counter() < end):
        begin = time.perf_counter()
        prepared = stream.prepare(pictures[frame % 8])
        scale(stream.read(stream.step(prepared), size))
        if frame >= first:  # those before capture the graph
            totals.append(time.perf_counter() - begin)
        frame += 1
    if not np.isfinite(metres).any():
        raise ValueError('no pixel has a depth')
    for i in range(first):
        bench.wait()
        begin = time.perf_counter()
        stream.step(prepared)
        if i >= first // 2:
            steps.append(time.perf_counter() - begin)
    found = {'frames': len(totals), **percentiles(totals),
             'fps_ahead': _ahead(stream, pictures, size, scale, len(totals))}
    if steps:
        found['step_ms'] = 1e3 * statistics.median(steps)
    if bench.cuda:
        found['peak_GiB'] = torch.cuda.max_memory_reserved(bench.device) / 2 ** 30
    return found


def _ahead(
    stream: DepthStream, pictures: list[np.ndarray], size: tuple[int, int],
    scale: Callable[[torch.Tensor], None], number: int,
) -> float:
    """Return the frames a second where the next is launched before one is scaled, as in a node."""
    begin, plane = time.perf_counter(), None
    for i in range(number):
        step = launch_together([stream], [stream.prepare(pictures[i % 8])])
        if plane is not None:
            scale(plane)
        output, = step.wait()
        plane = stream.read(output, size)
    scale(plane)
    return number / (time.perf_counter() - begin)


def profile(bench: Bench) -> Rows:
    """Count what a step launches, and name what takes its time and which attention runs."""
    rows: Rows = []
    activities = [torch.profiler.ProfilerActivity.CPU]
    if bench.cuda:
        activities = [torch.profiler.ProfilerActivity.CUDA]
    for name in bench.models[:bench.few(3, 1)]:
        if not bench.with_time(15, name):
            continue
        size, number = bench.sizes[0], 3
        engine = bench.open(name, 'auto', size)
        model = engine._model  # as it is, so that each operation is seen
        frames = natural_frames(number + 2, 1, *size).to(bench.device)
        state = model.initial_state(1, *size)
        with torch.inference_mode(), full_float32():
            for frame in frames[:2]:
                _, state = model.step(frame, state)
            bench.wait()
            with torch.profiler.profile(activities=activities) as profiler:
                for frame in frames[2:]:
                    _, state = model.step(frame, state)
                bench.wait()
        events = profiler.key_averages()
        used = [(event.key, event.count / number, _microseconds(event, bench.cuda) / number)
                for event in events]
        attention = sorted({key for key, _, _ in used if any(
            word in key.lower() for word in ('flash', 'fmha', 'efficient_attention', 'sdpa'))})
        rows.append({'model': name, 'what': 'a step', 'times': sum(count for _, count, _ in used),
                     'us': sum(time for *_, time in used),
                     'remark': 'attention: ' + (', '.join(key[:60] for key in attention[:3])
                                                or 'no fused one')})
        for key, count, microseconds in sorted(used, key=lambda each: -each[2])[:8]:
            rows.append({'model': name, 'what': key[:70], 'times': count, 'us': microseconds})
        engine.close()
    return rows


def _microseconds(event, on_device: bool) -> float:
    if not on_device:
        return event.self_cpu_time_total
    return getattr(event, 'self_device_time_total', 0)
