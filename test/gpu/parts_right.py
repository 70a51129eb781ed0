"""The parts of verify.py that find out whether what is computed is right."""
from collections.abc import Iterator
import contextlib
import threading

from bench_tools import Bench, LeftOut, Wrong, largest_difference, require, seeded
import numpy as np
import torch
from torch import Tensor

from flashdepth_ros.engines import EngineError
from flashdepth_ros.engines.cuda_graph import MOST_GRAPHS, STEADY, GraphedSteps
from flashdepth_ros.engines.pytorch import full_float32
from flashdepth_ros.engines.trust import TOLERANCE, deviation, natural_frames
from flashdepth_ros.models import mamba2, prepare_frame
from flashdepth_ros.models.dpt import upsample
from flashdepth_ros.models.mamba2 import CHUNK, scan_block
from flashdepth_ros.models.network import COUNT
from flashdepth_ros.streams.depth_stream import DepthStream, step_together

SAME = 1e-3   # of float32 by other kernels, of the largest value
AGAIN = 1e-4  # of the same kernels, launched otherwise

Rows = list[dict]


def golden_frames(bench: Bench, data: dict, spec) -> tuple[Tensor, list[int], np.ndarray]:
    """Return the frames of a golden, the outputs that there are, and what these must be."""
    if 'inputs' in data:
        return torch.from_numpy(data['inputs']), list(range(len(data['outputs']))), data['outputs']
    number = bench.few(len(data['rgb']), 6)
    frames = torch.stack([
        prepare_frame(rgb, spec.frame, int(data['input_size']), str(bench.device))
        for rgb in data['rgb'][:number]])
    return frames, list(data['stream_frames']), data['stream_outputs']


@contextlib.contextmanager
def without_kernel() -> Iterator[None]:
    """Keep mamba-ssm's kernel out, which computes in TF32 and has a part of its own."""
    kernel = mamba2._fused_scan
    mamba2._fused_scan = lambda: None
    try:
        yield
    finally:
        mamba2._fused_scan = kernel


def goldens(bench: Bench, folder) -> Rows:
    """Compare every model with what its authors' code computed, in float32 without TF32."""
    rows = []
    for name in ('flashdepth-s', 'ovda-c16', 'vda-s', 'flashdepth', 'flashdepth-l'):
        if bench.small and name != 'flashdepth-s':
            bench.notes.append(f'{name} is left out of a small run')
            continue
        data = dict(np.load(folder / f'{name}.npz'))
        model = bench.network(name, int(data['seed']))
        with torch.inference_mode(), full_float32(), without_kernel():
            frames, numbers, expected = golden_frames(bench, data, model.spec)
            state = model.initial_state(1, *frames.shape[-2:])
            steps = GraphedSteps(model, bench.capture(), 'fp32')
            worst = 0.0
            for number, frame in enumerate(frames):
                output, state = steps.step(frame[None].to(bench.device), state)
                if number not in numbers:
                    continue
                wanted = torch.from_numpy(expected[numbers.index(number)])
                if output.shape[1:] != wanted.shape:
                    output = upsample(output[:, None], wanted.shape)[:, 0]
                # how much of what is allowed (2e-4 and 1e-4 of the value) it departs
                off = (output[0].cpu() - wanted).abs() / (2e-4 + 1e-4 * wanted.abs())
                worst = max(worst, float(off.max()))
            if 'ssm' in data:
                off = (state['ssm'].cpu() - torch.from_numpy(data['ssm'])).abs()
                worst = max(worst, float((off / (2e-4 + 1e-4 * np.abs(data['ssm']))).max()))
        rows.append({'model': name, 'frames': len(frames), 'of the tolerance': worst,
                     'graphs': steps.graphs})
        steps.close()
        require(worst <= 1, f"{name} departs from its authors' by {worst:.1f} times the tolerance")
    return rows


def halves(bench: Bench) -> Rows:
    """Compare the half precisions with float32 on this device, AbsRel over 20 frames."""
    size = bench.sizes[0]
    frames = natural_frames(bench.few(20, 4), 1, *size).to(bench.device)
    rows = []
    for name in bench.models:
        if not bench.with_time(30, name):
            continue
        outputs = {}
        for precision in ('fp32', 'fp16', 'bf16'):
            engine = bench.open(name, precision, size)
            state = engine.initial_state()
            outputs[precision] = []
            for frame in frames:
                output, state = engine.step(frame, state)
                outputs[precision].append(output.cpu())
            engine.close()
            del engine, state
        for precision in ('fp16', 'bf16'):
            found = [deviation(*pair) for pair in
                     zip(outputs[precision], outputs['fp32'], strict=True)]
            mean = sum(found) / len(found)
            rows.append({'model': name, 'precision': precision, 'AbsRel': mean,
                         'worst frame': max(found)})
            require(mean <= TOLERANCE[precision],
                    f'{name} in {precision} departs from fp32 by {mean:.2e}')
    return rows


def full_state(model, size: tuple[int, int], count: int) -> dict[str, Tensor]:
    """Return a state in which everything is remembered already, on the CPU."""
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.randn(value.shape, generator=generator)
             for name, value in model.initial_state(1, *size).items()}
    if COUNT in state:
        state[COUNT] = torch.tensor([count], dtype=torch.int32)
    return state


def rings(bench: Bench) -> Rows:
    """Step across the key frame and the ring's end, beside the CPU."""
    rows, size = [], (84, 112)
    cases = [('ovda-c16', 28), ('ovda-c16', 12), ('vda-s', 38), ('vda-s', 80), ('flashdepth-s', 0)]
    for name, count in cases[:bench.few(5, 1)]:
        frames = natural_frames(8, 1, *size)
        with torch.inference_mode(), full_float32():
            model = seeded(name, 0).to('cpu')
            state = full_state(model, size, count)
            state, given = {k: v.clone() for k, v in state.items()}, state
            expected = []
            for frame in frames:
                output, state = model.step(frame, state)
                expected.append(output)
            model = model.to(bench.device)
            steps = GraphedSteps(model, bench.capture(), 'fp32')
            now = {k: v.to(bench.device) for k, v in given.items()}
            worst = 0.0
            for frame, wanted in zip(frames, expected, strict=True):
                output, now = steps.step(frame.to(bench.device), now)
                worst = max(worst, largest_difference(output, wanted))
            worst = max(worst, *(largest_difference(now[k], state[k]) for k in state))
            steps.close()
        rows.append({'model': name, 'from frame': count, 'worst difference': worst})
        require(worst <= SAME, f'{name} departs from the CPU by {worst:.1e} from frame {count} on')
    return rows


def streams(bench: Bench) -> Rows:
    """Step cameras together and apart, with resets, beside each of them alone."""
    rows = []
    for name in ('flashdepth-nano', 'vda-s', 'ovda-c16', 'flashdepth-s')[:bench.few(4, 1)]:
        engine = bench.open(name)
        together = [DepthStream(engine, short_side=70) for _ in range(3)]
        alone = [DepthStream(engine, short_side=70) for _ in range(3)]
        pictures = iter(natural_frames(60, 1, 70, 84)[:, 0].to(bench.device))
        worst = 0.0
        for number, turn in enumerate(
                5 * [(0, 1)] + [(1, 0)] + 5 * [(0, 1, 2)] + [(1,), (2,), (0, 1, 2), (1, 2)]):
            if number in (3, 8, 11):
                together[1].reset()
                alone[1].reset()
            shown = [next(pictures) for _ in turn]
            outputs = step_together([together[i] for i in turn], shown)
            for i, frame, output in zip(turn, shown, outputs, strict=True):
                worst = max(worst, largest_difference(output, alone[i].step(frame)))
        rows.append({'model': name, 'steps': number + 1, 'worst difference': worst})
        engine.close()
        require(worst <= SAME, f'cameras of {name} depart by {worst:.1e} from one alone')
    return rows


def graph(bench: Bench) -> Rows:
    """Replay a graph on another thread than it was captured on, beside the network as it is."""
    names = ('flashdepth-nano',) if bench.small else ('flashdepth-s', 'vda-s', 'ovda-c16')
    return [graph_of(bench, name, bench.sizes[0], bench.few(100, 12)) for name in names]


def graph_of(bench: Bench, name: str, size: tuple[int, int], number: int) -> dict:
    """Do so for one model over so many frames; return the row."""
    model = bench.network(name)
    steps = GraphedSteps(model, bench.capture(), 'fp32')
    frames = natural_frames(20, 1, *size).to(bench.device)
    state, wanted = (model.initial_state(1, *size) for _ in range(2))
    found: list[float] = []
    failed: list[BaseException] = []

    def run(first: int, last: int) -> None:
        nonlocal state, wanted
        try:
            with torch.inference_mode(), full_float32():
                for i in range(first, last):
                    output, state = steps.step(frames[i % 20], state)
                    expected, wanted = model.step(frames[i % 20], wanted)
                    found.append(largest_difference(output, expected))
        except BaseException as error:
            failed.append(error)

    for first, last in ((0, STEADY + 1), (STEADY + 1, number)):
        thread = threading.Thread(target=run, args=(first, last))
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
    graphs = steps.graphs
    steps.close()
    require(graphs == 1, f'{name} could not be captured (see what was logged)')
    require(max(found) <= AGAIN, f'the graph of {name} departs by {max(found):.1e}')
    return {'model': name, 'frames': number, 'graphs': graphs, 'worst difference': max(found)}


def sizes(bench: Bench) -> Rows:
    """Change between more sizes than there are graphs, then step for long in flat memory."""
    name = 'flashdepth-nano' if bench.small else 'flashdepth-s'
    model, worst = bench.network(name), 0.0
    steps = GraphedSteps(model, bench.capture(), 'fp32')
    with torch.inference_mode(), full_float32():
        for _ in range(bench.few(3, 1)):
            for i in range(MOST_GRAPHS + 3):
                size = (84, 84 + 14 * i)
                frames = natural_frames(STEADY + 2, 1, *size).to(bench.device)
                state = wanted = model.initial_state(1, *size)
                for frame in frames:
                    output, state = steps.step(frame, state)
                    expected, wanted = model.step(frame, wanted)
                    worst = max(worst, largest_difference(output, expected))
        require(worst <= AGAIN, f'{name} departs by {worst:.1e} where sizes change')
        number, before = bench.few(2000, 60), 0
        for i in range(number):
            output, state = steps.step(frames[i % len(frames)], state)
            if i == number // 4:
                before = bench.memory()
        grown = bench.memory() - before
    graphs = steps.graphs
    steps.close()
    require(grown < (1 << 20 if bench.cuda else 1 << 25), f'{number} steps took {grown} bytes')
    return [{'model': name, 'sizes': MOST_GRAPHS + 3, 'graphs': graphs, 'worst difference': worst,
             'steps': number, 'bytes grown': grown}]


def mamba(bench: Bench) -> Rows:
    """Compare mamba-ssm's kernel, whose products are TF32, with the recurrence in PyTorch."""
    if not bench.cuda:
        raise LeftOut('mamba-ssm needs CUDA')
    kernel = mamba2._fused_scan()
    if kernel is None:
        raise LeftOut('mamba_ssm cannot be imported; the recurrence runs in PyTorch')
    generator = torch.Generator(bench.device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=bench.device)

    x, dt = normal(1, 300, 8, 32), normal(1, 300, 8).sigmoid() * 0.1
    a, b, c = -1 - normal(8).abs(), normal(1, 300, 256), normal(1, 300, 256)
    state = normal(1, 8, 32, 256)
    wanted, last = scan_block(x, dt, a, b, c, state)
    output, after = kernel(x, dt, a, b[:, :, None], c[:, :, None], chunk_size=CHUNK,
                           initial_states=state, return_final_states=True)
    off = max(largest_difference(output, wanted), largest_difference(after, last))
    require(off <= 1e-2, f"mamba-ssm's kernel departs by {off:.1e}")
    return [{'tokens': 300, 'worst difference': off}]


def out_of_memory(bench: Bench) -> Rows:
    """Ask for more memory than there is; the error names it, and the next frame is as before."""
    if not bench.cuda:
        raise LeftOut('a CPU shares its memory with everything else on the machine')
    engine = bench.open('flashdepth-s')
    stream, other = DepthStream(engine, 140), DepthStream(engine, 140)
    frames = natural_frames(8, 1, 140, 140)[:, 0].to(bench.device)
    for frame in frames[:5]:
        wanted = other.step(frame)
        stream.step(frame)
    total = torch.cuda.get_device_properties(bench.device).total_memory
    limit = (torch.cuda.memory_reserved(bench.device) + (64 << 20)) / total
    torch.cuda.set_per_process_memory_fraction(min(limit, 1.0), bench.device)
    try:
        engine.resized(2044, 2044).step(
            torch.zeros(1, 3, 2044, 2044), engine.initial_state())
    except EngineError as error:
        require('does not fit into the memory' in str(error), f'it is told as: {error}')
        text = str(error).split(':')[0]
    else:
        raise Wrong('2044x2044 pixels fit into 64 MiB more')
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, bench.device)
    off = 0.0
    for frame in frames[5:]:
        wanted = other.step(frame)
        off = max(off, largest_difference(stream.step(frame), wanted))
    engine.close()
    require(off <= AGAIN, f'the stream departs by {off:.1e} afterwards')
    return [{'told': text, 'difference afterwards': off}]
