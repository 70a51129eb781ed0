"""Make engine files: an ONNX graph for any library, or a TensorRT plan for the GPU in this machine.

engine.path takes what this writes. Without it, engines are made and kept in the cache when they are
first needed; this tool makes them beforehand, and for other machines.
"""
import argparse
from collections.abc import Sequence
import logging
from pathlib import Path
import sys
from typing import cast

from ..engines import BACKENDS, EngineError
from ..engines.export import GraphKey, load_model, read_metadata, write_graph
from ..engines.plan_file import write_plan
from ..engines.precision import DTYPES
from ..engines.tensorrt import TensorRtEngine, build_plan, import_library
from ..models import MODELS, CheckpointError, ModelSpec
from ..weights.choice import resolve_weights
from .options import add_weights_argument, network_size, positive


def export(
    spec: ModelSpec, weights: str, height: int, width: int, path: Path, streams: int = 1,
    precision: str = 'fp32',
) -> dict[str, str]:
    """Write the graph of a model's step to a .onnx file; returns its metadata.

    Raises CheckpointError, EngineError, and OSError where it cannot be written.
    """
    key = GraphKey.of(spec, weights, height, width, streams, precision)
    write_graph(lambda: load_model(spec, weights), key, path)
    return read_metadata(path)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='export_engine', description="Make an engine file of a model's step.")
    parser.add_argument('model', choices=list(MODELS), metavar='MODEL',
                        help=f'one of: {", ".join(MODELS)}')
    parser.add_argument('output', type=Path, metavar='FILE',
                        help='.onnx for a graph, .plan for a TensorRT engine')
    parser.add_argument('--size', type=network_size, required=True, metavar='WxH',
                        help="the network's frame, multiples of 14, such as 518x518")
    add_weights_argument(parser)
    parser.add_argument('--streams', type=positive, default=1, metavar='N',
                        help='cameras that step together (default: 1)')
    parser.add_argument('--precision', choices=list(DTYPES),
                        help='types in the graph (default: fp32 for .onnx, fp16 for .plan)')
    parser.add_argument('--library', default='tensorrt', metavar='NAME',
                        choices=[name for name in BACKENDS if name.startswith('tensorrt')],
                        help='that builds a .plan: tensorrt (default) or tensorrt_rtx')
    options = parser.parse_args(argv)
    if options.output.suffix not in ('.onnx', '.plan'):
        parser.error('FILE must end in .onnx or .plan')
    logging.basicConfig(level=logging.WARNING, format='%(message)s')
    logging.getLogger('flashdepth_ros').setLevel(logging.INFO)
    spec = MODELS[options.model]
    height, width = options.size
    if min(height, width) < spec.frame.min_side:
        parser.error(f'{spec.name} needs {spec.frame.min_side} pixels a side')
    plan = options.output.suffix == '.plan'
    graph = options.output.with_suffix('.onnx') if plan else options.output
    try:
        identity = {}
        if plan:  # first, because exporting takes long
            engine = cast(type[TensorRtEngine], BACKENDS[options.library])
            library = import_library(engine.modules, engine.packages[0], engine.backend)
            identity = engine.identity(library)
        weights = str(resolve_weights(spec, options.weights))
        options.output.parent.mkdir(parents=True, exist_ok=True)
        facts = export(spec, weights, height, width, graph, options.streams,
                       options.precision or ('fp16' if plan else 'fp32'))
        if plan:
            write_plan(options.output, build_plan(library, graph), {**facts, **identity})
    except (CheckpointError, EngineError, OSError) as error:
        print(f'export_engine: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f'{options.output}, {options.output.stat().st_size / 1e6:.1f} MB: '
          + ', '.join(f'{name} {value}' for name, value in facts.items() if name != 'state'))
    return 0


if __name__ == '__main__':
    sys.exit(main())
