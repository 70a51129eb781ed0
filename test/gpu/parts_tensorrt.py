"""The part of verify.py that tries TensorRT, where it is installed."""
from collections.abc import Callable
from pathlib import Path
import tempfile
import time

from bench_tools import Bench, LeftOut, largest_difference, require
import torch
from torch import Tensor

from flashdepth_ros.engines import BACKENDS, Engine, EngineError, State
from flashdepth_ros.engines.backends import FASTER_ON_CUDA
from flashdepth_ros.engines.cuda_graph import STEADY
from flashdepth_ros.engines.engine import Request
from flashdepth_ros.engines.plan_build import build_plan
from flashdepth_ros.engines.plan_file import write_plan
from flashdepth_ros.engines.plan_layers import inspect
from flashdepth_ros.engines.tensorrt import TensorRtRtxEngine, check_gpu, import_library
from flashdepth_ros.engines.trust import natural_frames
from flashdepth_ros.models import model_spec
from flashdepth_ros.models.network import advance_in_place

BUILD = 120  # seconds that a plan may take to build

Step = Callable[[Tensor, State], tuple[Tensor, State]]


def tensorrt(bench: Bench) -> list[dict]:
    """Build a plan; name its fused attention, compare it with PyTorch, and its graph with it."""
    if not bench.cuda:
        raise LeftOut('TensorRT needs CUDA')
    kind = next((BACKENDS[name] for name in FASTER_ON_CUDA if BACKENDS[name].is_installed()), None)
    if kind is None:
        raise LeftOut('TensorRT, or the onnx package, is not installed; PyTorch runs without')
    if not bench.with_time(BUILD, 'TensorRT'):
        raise LeftOut('building a plan takes minutes: --part tensorrt tries it alone')
    try:
        library = import_library(kind.modules, kind.packages[0], kind.backend)
        if kind is TensorRtRtxEngine:
            check_gpu(library, torch.cuda.get_device_capability(bench.device),
                      torch.cuda.get_device_name(bench.device))
    except EngineError as error:
        raise LeftOut(str(error)) from error
    with tempfile.TemporaryDirectory() as folder:
        return [built(bench, kind, library, 'flashdepth-s', bench.sizes[0], Path(folder))]


def built(
    bench: Bench, kind: type[Engine], library, name: str, size: tuple[int, int], folder: Path,
) -> dict:
    """Do so for one model of a size; return the row."""
    import onnx

    from flashdepth_ros.tools.export_engine import export

    graph, file = folder / 'step.onnx', folder / 'step.plan'
    facts = export(model_spec(name), 'random', *size, graph, precision='fp16')
    attentions = sum(node.op_type == 'Softmax' for node in onnx.load(graph).graph.node)
    begin = time.perf_counter()
    free, _ = torch.cuda.mem_get_info(bench.device)
    plan = build_plan(library, graph, workspace=free // 2, detailed=True)
    seconds = time.perf_counter() - begin
    write_plan(file, plan, {**facts, **kind.identity(library, bench.device.index)})
    # which compares it with PyTorch in float32, and refuses it where it departs
    engine = kind(Request(
        model_spec(name), 'random', str(bench.device), 'fp16', 0, 0, path=str(file)))
    layers = inspect(library, engine._plan,
                     engine._context if kind is TensorRtRtxEngine else None)

    @torch.inference_mode()
    def plain(frames: Tensor, state: State) -> tuple[Tensor, State]:
        output, changes = engine.compute(frames, state)
        return output, advance_in_place(state, changes)

    frames = natural_frames(20, 1, *size).to(bench.device)
    times: dict[str, list[float]] = {'as it is': [], 'as a graph': []}

    def timed(what: str, step: Step, frame: Tensor, state: State) -> tuple[Tensor, State]:
        bench.wait()
        begin = time.perf_counter()
        result = step(frame, state)
        bench.wait()
        times[what].append(time.perf_counter() - begin)
        return result

    state, wanted, worst = engine.initial_state(), engine.initial_state(), 0.0
    for i in range(STEADY + 60):
        output, state = timed('as a graph', engine.step, frames[i % len(frames)], state)
        expected, wanted = timed('as it is', plain, frames[i % len(frames)], wanted)
        worst = max(worst, largest_difference(output, expected))
    graphs = engine._steps.graphs
    engine.close()
    if len(layers.fused) < attentions:
        bench.notes.append(f'{attentions - len(layers.fused)} of {attentions} attentions are not '
                           f'one kernel: at 2044x1148 each costs gigabytes of traffic')
    require(graphs > 0, f'{name} in {kind.backend} could not be captured (see what was logged)')
    require(worst <= 1e-3, f'the graph of {name} in {kind.backend} departs by {worst:.1e}')
    return {'library': f'{kind.backend} {library.__version__}', 'model': name,
            'size': f'{size[1]}x{size[0]}', 'build s': seconds, 'layers': layers.number,
            'attentions': attentions, 'fused': len(layers.fused),
            'kernels': ', '.join(sorted(set(layers.fused))[:3]),
            **{f'{what}, ms': 1e3 * min(each[STEADY + 1:]) for what, each in times.items()},
            'worst difference': worst}
