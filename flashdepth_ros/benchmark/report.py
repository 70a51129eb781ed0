"""What a benchmark says: a Markdown table, JSON, and a plot of latency over time. No ROS here."""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .measure import STAGES, Configuration, Samples

PERCENTILES = (50, 90, 99)
WINDOW = 100  # frames whose median stands for the latency at a place in the run


@dataclass
class Result:
    """A configuration and what was measured of it.

    peak: the highest rate in 1/s with almost no loss, None where it was not looked for. rate: that
    frames were played at. flops: of a step of the network, peak_flops: what matrix products reach
    on its device in its precision, both None where that is not known.
    """

    configuration: Configuration
    samples: Samples
    rate: float
    peak: float | None = None
    trials: Sequence[tuple[float, float]] = ()
    flops: int | None = None
    peak_flops: float | None = None


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """Return the median, p90, p99 and mean of values without NaN, None where there are none."""
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if not len(known):
        return None
    return {**{f'p{p}': float(np.percentile(known, p)) for p in PERCENTILES},
            'mean': float(known.mean())}


def latencies(samples: Samples) -> dict[str, Sequence[float]]:
    """Return the milliseconds of every frame in each part of its way, by what the part is."""
    statuses = samples.statuses
    parts = {}
    if statuses:
        parts = {'network': samples.of_status('model_ms')}
        parts |= {stage: samples.of_status(f'{stage}_ms') for stage in STAGES if stage != 'model'}
        parts |= {'added by the node (callback to published, less the network)':
                  samples.overhead_ms(),
                  'callback to published': samples.of_status('total_ms'),
                  'stamp to published': samples.of_status('age_ms')}
    return {**parts, 'stamp to subscriber, depth/image': samples.depth_ms,
            'stamp to subscriber, points': samples.points_ms}


def drift(samples: Samples) -> dict[str, float] | None:
    """Compare the end of a run with its beginning; None for runs of less than 400 frames.

    Latency (callback to published) is a median over 100 frames, around frame 100 and at the end;
    memory is compared between the end and where a tenth of the frames was played.
    """
    if len(samples.statuses) < 4 * WINDOW:
        return None
    total, memory = samples.of_status('total_ms'), samples.of_status('cpu_memory')
    tenth = len(memory) // 10
    first, last = np.median(total[WINDOW // 2:3 * WINDOW // 2]), np.median(total[-WINDOW:])
    return {'first_ms': float(first), 'last_ms': float(last),
            'latency': float(last / first - 1),
            'memory_bytes': float(np.median(memory[-WINDOW:])
                                  - np.median(memory[tenth:tenth + WINDOW]))}


def as_json(result: Result) -> dict:
    """Return all that was measured, frame by frame too, as JSON can hold it."""
    samples = result.samples
    return {
        'label': result.configuration.label, 'command': result.configuration.command,
        'parameters': result.configuration.parameters,
        'peak_rate': result.peak, 'trials': list(result.trials), 'rate': result.rate,
        'frames': samples.sent, 'lost': samples.lost, 'camera_late_ms': samples.late_ms,
        'milliseconds': {name: percentiles(values) for name, values in latencies(samples).items()},
        'cpu_ms_per_frame': 1e3 * samples.cpu_seconds / max(samples.sent, 1),
        'resident_bytes': samples.memory,
        'gpu_bytes': max(samples.of_status('gpu_memory'), default=0),
        'flops': result.flops, 'peak_flops': result.peak_flops,
        'utilisation': utilisation(result), 'drift': drift(samples),
        'statuses': samples.statuses, 'depth_ms': samples.depth_ms,
        'points_ms': samples.points_ms}


def utilisation(result: Result) -> float | None:
    """Return the share of the matrix peak that the network's steps reach."""
    model = percentiles(result.samples.of_status('model_ms'))
    if model is None or result.flops is None or result.peak_flops is None:
        return None
    return result.flops / (model['p50'] / 1e3) / result.peak_flops


def table(results: Sequence[Result]) -> str:
    """Return the results side by side as a Markdown table; three numbers are p50 / p90 / p99."""
    rows: dict[str, list[str]] = {}

    def row(name: str, cells: Sequence[str]) -> None:
        if any(cells):
            rows[name] = [cell or '-' for cell in cells]

    def each(text: Callable[[Result], str]) -> list[str]:
        return [text(result) for result in results]

    row('network', each(_network))
    row('peak rate, 1/s', each(lambda r: f'{r.peak:.1f}' if r.peak is not None else ''))
    row('rate played, 1/s', each(lambda r: f'{r.rate:.1f}'))
    row('frames, lost', each(lambda r: f'{r.samples.sent}, {100 * r.samples.lost:.1f} %'))
    for name in dict.fromkeys(name for r in results for name in latencies(r.samples)):
        row(f'{name}, ms', [_triple(latencies(r.samples).get(name, ())) for r in results])
    row('processor time a frame, ms', each(
        lambda r: f'{1e3 * r.samples.cpu_seconds / max(r.samples.sent, 1):.1f}'))
    row('resident memory, MB', each(
        lambda r: f'{max(r.samples.memory) / 1e6:.0f}' if r.samples.memory else ''))
    row('GPU memory, MB', each(
        lambda r: f'{max(r.samples.of_status("gpu_memory"), default=0) / 1e6:.0f}'
        if any(r.samples.of_status('gpu_memory')) else ''))
    row('GFLOP a step; share of the matrix peak', each(_arithmetic))
    drifts = [drift(result.samples) for result in results]
    row('latency at the end against frame 100', [
        '{last_ms:.2f} against {first_ms:.2f} ms ({latency:+.1%})'.format(**each) if each else ''
        for each in drifts])
    row('memory since a tenth of the frames, MB', [
        f'{each["memory_bytes"] / 1e6:+.2f}' if each else '' for each in drifts])
    labels = [result.configuration.label for result in results]
    return '\n'.join(['| | ' + ' | '.join(labels) + ' |', '|---' * (len(labels) + 1) + '|',
                      *(f'| {name} | ' + ' | '.join(cells) + ' |' for name, cells in rows.items())])


def _network(result: Result) -> str:
    if not result.samples.statuses:
        return ''
    status = result.samples.statuses[-1]
    return ('{backend}, {precision}, {device}, {network_width}x{network_height}'.format(**status)
            + (', random weights' if status['untrained'] else ''))


def _arithmetic(result: Result) -> str:
    share = utilisation(result)
    if share is None or result.flops is None:
        return ''
    return f'{result.flops / 1e9:.1f}; {100 * share:.0f} %'


def _triple(values: Sequence[float]) -> str:
    figures = percentiles(values)
    return '' if figures is None else ' / '.join(f'{figures[f"p{p}"]:.2f}' for p in PERCENTILES)


def plot(results: Sequence[Result], path: Path) -> None:
    """Draw latency and memory over the run, a column for each configuration, as a PNG."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(7 * len(results), 6), layout='constrained')
    axes = figure.subplots(2, len(results), squeeze=False, sharex='col', sharey='row',
                           gridspec_kw={'height_ratios': (3, 1)})
    # a few hiccups of the machine would press all the rest to the ground
    highest = max(np.percentile(r.samples.of_status('total_ms') or r.samples.depth_ms or [1.0], 95)
                  for r in results)
    for (latency, memory), result in zip(axes.T, results, strict=True):
        samples = result.samples
        if not samples.statuses:  # another node: what its subscriber saw
            latency.plot(samples.depth_ms, '.', ms=2, label='stamp to subscriber')
        for name, colour, label in (
                ('total_ms', 'tab:blue', 'callback to published'),
                ('model_ms', 'tab:orange', 'network')):
            values = np.array(samples.of_status(name))
            if not len(values):
                continue
            latency.plot(values, '.', ms=2, color=colour, alpha=0.25)
            smooth = _running_median(values)
            latency.plot(*smooth, color=colour, label=f'{label} (running median)')
        latency.set(title=f'{result.configuration.label}, {result.rate:.1f} frames per second',
                    ylabel='ms', ylim=(0, 1.5 * highest))
        latency.legend(loc='upper right')
        latency.grid(alpha=0.3)
        resident = np.array(samples.of_status('cpu_memory')) / 1e6
        memory.plot(resident, color='tab:green')
        memory.set(xlabel='frame', ylabel='resident MB', ylim=(0, 1.2 * resident.max(initial=1.0)))
        memory.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def _running_median(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = max(1, min(WINDOW, len(values) // 10))
    windows = np.lib.stride_tricks.sliding_window_view(values, size)
    step = max(1, len(windows) // 500)
    return np.arange(len(windows))[::step] + size // 2, np.median(windows[::step], axis=1)
