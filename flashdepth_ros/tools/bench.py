"""Measure a depth node from outside: a camera, the node and a subscriber, three real processes.

First the highest rate at which almost no frame is lost is searched for. Then frames are played at
a fixed rate, and the time of every frame is taken in each stage, from callback to publication and
from stamp to subscriber, besides processor time, memory and losses. With --against a second node
with other options is measured in the same run, block by block in turns: machines are noisy.
"""
import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import signal
import sys
from typing import Any

import yaml

from ..benchmark.measure import Bench, Configuration, interleaved
from ..benchmark.processes import BenchmarkError
from ..benchmark.report import Result, as_json, plot, table
from ..engines import BACKENDS, PRECISIONS, choose
from ..engines.cores import physical_cores, processor
from ..files.sources import SourceError, open_source
from ..models import MODELS, model_spec
from ..node.parameter_table import PARAMETERS
from ..ros.child_process import ProcessEndedError
from .arithmetic import matmul_peak, step_flops
from .options import default_short_side, image_size

SHORT = {'model': 'model.name', 'weights': 'model.weights', 'backend': 'engine.backend',
         'precision': 'engine.precision', 'device': 'engine.device',
         'short_side': 'input.short_side'}
# every pixel has a value whatever the weights are (at most 20 m), which is the most work
EVERYWHERE = {'scale.mode': 'fixed', 'scale.shift': 0.05, 'output.min_range': 0.0}
SHARE_OF_PEAK = 0.8  # the rate that is played where none is given
SLOWEST_OPENING = 300.0  # seconds for an engine that must be exported first


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='bench', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_argument_group('what is measured')
    what.add_argument('--model', default='flashdepth-s', choices=list(MODELS), metavar='MODEL',
                      help=f'of {", ".join(MODELS)} (default: flashdepth-s)')
    what.add_argument('--weights', default='random',
                      help='random (default; as fast as trained ones), auto, or a file')
    what.add_argument('--backend', default='auto', choices=['auto', *BACKENDS])
    what.add_argument('--precision', default='auto', choices=['auto', *PRECISIONS])
    what.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    what.add_argument('--short-side', type=int,
                      help="of the picture that the network sees; 0 is the model's own rule "
                           '(default: 252 on a CPU, 0 on a GPU)')
    what.add_argument('--param', nargs='+', default=[], metavar='NAME=VALUE',
                      help="of the node's parameters, such as points.stride=4")
    what.add_argument('--command', default='', help='another node in place of this one, as a shell '
                      'would start it; it is given --ros-args with its namespace and parameters')
    what.add_argument('--against', nargs='+', metavar='NAME=VALUE', help='also measure a node with '
                      f'these options changed: {", ".join(SHORT)}, or any parameter')
    what.add_argument('--against-command', metavar='COMMAND', help='also measure this node')
    how = parser.add_argument_group('how')
    how.add_argument('--size', type=image_size, default=(1280, 720), metavar='WxH',
                     help="the camera's pictures (default: 1280x720)")
    how.add_argument('--video', metavar='FILE', help='pictures from there (default: made ones)')
    how.add_argument('--cameras', type=int, default=1, metavar='N', help='(default: 1)')
    how.add_argument('--rate', type=float,
                     help='frames per second; the search for the peak is left out (default: '
                     f'{SHARE_OF_PEAK} of the peak, of the slower node)')
    how.add_argument('--lost', type=float, default=1.0, metavar='PERCENT',
                     help='of the frames that may be lost at the peak rate (default: 1)')
    how.add_argument('--highest', type=float, default=120.0, metavar='RATE',
                     help='where the search for the peak begins (default: 120)')
    how.add_argument('--trial', type=float, default=4.0, metavar='SECONDS',
                     help='how long each rate is tried (default: 4)')
    how.add_argument('--frames', type=int, default=300, help='at the fixed rate (default: 300)')
    how.add_argument('--blocks', type=int, default=6,
                     help='into which they are divided where two nodes take turns (default: 6)')
    how.add_argument('--output', type=Path, default=Path('bench_output'), metavar='FOLDER',
                     help='for bench.md, bench.json and latency.png (default: bench_output)')
    options = parser.parse_args(argv)
    options.width, options.height = options.size
    for name in ('cameras', 'frames', 'blocks', 'trial', 'highest'):
        if getattr(options, name) <= 0:
            parser.error(f'--{name} is {getattr(options, name)}; it must be positive')
    if options.rate is not None and options.rate <= 0:
        parser.error(f'--rate is {options.rate}; it must be positive')
    try:
        options.param = assignments(options.param)
        options.against = assignments(options.against or [])
    except ValueError as error:
        parser.error(str(error))
    return options


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Return {parameter: value} of NAME=VALUE; ValueError names what is not one."""
    values = {}
    for text in texts:
        name, equals, value = text.partition('=')
        name = SHORT.get(name.replace('-', '_'), name)
        if not equals or name not in PARAMETERS:
            raise ValueError(f"'{text}' is not NAME=VALUE with one of {', '.join(SHORT)} or a "
                             f'parameter of the node (ros2 param list)')
        values[name] = yaml.safe_load(value)
    return values


def configurations(options: argparse.Namespace, cameras: Sequence[str]) -> list[Configuration]:
    """Return one node, or two that are to be compared."""
    parameters = {
        'model.name': options.model, 'model.weights': options.weights,
        'engine.backend': options.backend, 'engine.precision': options.precision,
        'engine.device': options.device, 'input.short_side': options.short_side,
        'input.width': options.width, 'input.height': options.height,
        'cameras': list(cameras), **EVERYWHERE, **options.param}
    first = Configuration(options.command or options.model, 'bench_a',
                          _resolved(parameters), options.command)
    if not (options.against or options.against_command):
        return [first]
    command = options.against_command or options.command
    changes = ', '.join(f'{name.rpartition(".")[2]} {value}'
                        for name, value in options.against.items())
    label = changes or command or options.model
    return [first, Configuration(
        label, 'bench_b', _resolved({**parameters, **options.against}), command)]


def _resolved(parameters: dict[str, Any]) -> dict[str, Any]:
    """Say which backend 'auto' is, and how small the picture is where nobody said it."""
    device = str(parameters['engine.device'])
    if parameters['engine.backend'] == 'auto':  # the node would begin with another one
        parameters = {**parameters, 'engine.backend': choose(device)}
    if parameters['input.short_side'] is None:
        parameters = {**parameters, 'input.short_side': default_short_side(
            device, parameters['input.height'], parameters['input.width'])}
    return parameters


def arithmetic(result: Result, peaks: dict[str, float]) -> None:
    """Note how much a step computes, and what the device could."""
    if not result.samples.statuses:
        return
    status = result.samples.statuses[-1]
    model = model_spec(str(result.configuration.parameters['model.name'])).name
    result.flops = step_flops(model, status['network_height'], status['network_width'])
    if status['device'] == 'cpu':
        result.peak_flops = peaks.get(status['precision'])


def measure(options: argparse.Namespace) -> tuple[list[Result], dict[str, float]]:
    """Run the benchmark; BenchmarkError, ProcessEndedError, SourceError where it cannot.

    Returns the results and what matrix products reach here, in operations a second by precision.
    """
    cameras = [''] if options.cameras == 1 else [
        f'camera{i}' for i in range(1, options.cameras + 1)]
    nodes = configurations(options, cameras)
    if options.video:
        open_source(options.video).close()
    print('measuring what matrix products reach here ...', file=sys.stderr)
    peaks = matmul_peak()
    with Bench(nodes, cameras, options.width, options.height, options.video) as bench:
        print('starting the nodes; engines may have to be made first ...', file=sys.stderr)
        for node in nodes:
            bench.wait_until_active(node.namespace, SLOWEST_OPENING, warm_up=10)
        found = {}
        if options.rate is None:
            for node in nodes:
                print(f'searching for the peak rate of {node.label} ...', file=sys.stderr)
                found[node.namespace] = bench.peak_rate(
                    node.namespace, options.lost / 100, options.trial, options.highest)
        rate = options.rate or SHARE_OF_PEAK * min(peak for peak, _ in found.values())
        if not rate:
            raise BenchmarkError('every rate loses frames, however slow; try --rate')
        print(f'playing {options.frames} frames at {rate:.1f} per second ...', file=sys.stderr)
        samples = interleaved(
            bench, {node.namespace: rate for node in nodes}, options.frames,
            options.blocks if len(nodes) > 1 else 1)
    results = []
    for node in nodes:
        peak, trials = found.get(node.namespace, (None, ()))
        results.append(Result(node, samples[node.namespace], rate, peak, trials))
        arithmetic(results[-1], peaks)
    return results, peaks


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else the nodes would stay behind
    try:
        results, peaks = measure(options)
    except (BenchmarkError, ProcessEndedError, SourceError) as error:
        print(f'bench: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    parameters = results[0].configuration.parameters
    size = f'{options.width}x{options.height}'
    text = '\n'.join([
        f'{processor().split(" avx")[0]}, {physical_cores()} cores; matrix products reach '
        + ', '.join(f'{peak / 1e9:.0f} GFLOP/s in {name}' for name, peak in peaks.items()),
        '', f'{options.cameras} camera(s) of {size}, {parameters["model.name"]}; three '
        f'numbers are the median, the 90th and the 99th percentile', '', table(results), ''])
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / 'bench.md').write_text(text)
    (options.output / 'bench.json').write_text(json.dumps({
        'processor': processor(), 'cores': physical_cores(), 'matmul_peak': peaks,
        'size': size, 'cameras': options.cameras,
        'results': [as_json(result) for result in results]}))
    written = ['bench.md', 'bench.json']
    try:
        plot(results, options.output / 'latency.png')
        written.append('latency.png')
    except ImportError as error:
        print(f'no plot, for want of matplotlib ({error}): pip install matplotlib',
              file=sys.stderr)
    print(f'\n{text}\n{options.output}/: {", ".join(written)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
