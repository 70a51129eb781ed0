"""What a recording says in numbers: latencies, and how far the depth is from the truth."""
from collections.abc import Sequence

import numpy as np

from ..scoring import metrics
from .recording import RecordedFrame

STAGES = ('decode', 'preprocess', 'model', 'postprocess', 'publish', 'total', 'age')
EXPLAINED = {'total': 'total (arrival to published)', 'age': 'age (camera stamp to published)'}


def compare_with_truth(frames: Sequence[RecordedFrame]) -> tuple[float, str]:
    """Return the scale that brings the depths to the truth, and a sentence that reports on them."""
    pairs = []
    fit = metrics.DisparityFit()
    for frame in frames:
        if frame.truth is not None:
            with np.errstate(divide='ignore'):
                disparity = 1 / frame.depth
            pairs.append((disparity, frame.truth, metrics.truth_mask(frame.truth)))
            fit.add(*pairs[-1])
    if fit.empty:
        return 1.0, 'No depth to compare with the truth.'
    scale, _ = fit.solve('median')
    scores = []
    for disparity, truth, mask in pairs:
        depth = metrics.aligned_depth(disparity, scale)
        scores.append((metrics.abs_rel(depth, truth, mask), metrics.delta(depth, truth, mask)))
    abs_rel, delta1 = (metrics.mean(column) for column in zip(*scores, strict=True))
    return 1 / scale, (f'Against the true depth of {len(pairs)} frames, after one scale '
                       f'(x {1 / scale:.3g}): AbsRel {abs_rel:.3f}, delta1 {delta1:.3f}.')


def scale_errors(frames: Sequence[RecordedFrame]) -> str:
    """Say how far the published metres are from the truth, without any scale of ours."""
    errors, first = [], None
    for index, frame in enumerate(frames):
        if frame.truth is None or not frame.status.calibrated:
            continue
        first = index if first is None else first
        with np.errstate(divide='ignore', invalid='ignore'):
            ratio = frame.depth / frame.truth
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        if ratio.size:
            errors.append(float(np.median(ratio)) - 1)
    if first is None:
        return (f'No scale in {len(frames)} frames: {frames[-1].status.scale_problem}. Record '
                f'more of them (--frames), or another seed.')
    worst = max(errors, key=abs)
    return (f'Metres from frame {first + 1} of {len(frames)} on. Median depth against the truth: '
            f'{np.median(errors):+.1%} in the median frame, {worst:+.1%} in the worst, '
            f'{errors[-1]:+.1%} in the last.')


def latency_table(frames: Sequence[RecordedFrame]) -> str:
    """Return the latencies of each stage as a Markdown table."""
    last = frames[-1].status
    lines = [
        f'{last.model} on {last.device} ({last.backend}, {last.precision}), network input '
        f'{last.network_width}x{last.network_height}, {last.frame_rate:.1f} frames per second, '
        f'{last.replaced} of {last.received} images replaced by a newer one', '',
        '| stage | median ms | p90 ms | worst ms |', '|---|---|---|---|']
    for stage in STAGES:
        values = [getattr(frame.status, f'{stage}_ms') for frame in frames]
        median, p90, worst = np.percentile(values, (50, 90, 100))
        lines.append(f'| {EXPLAINED.get(stage, stage)} | {median:.1f} | {p90:.1f} | {worst:.1f} |')
    return '\n'.join(lines) + '\n'
