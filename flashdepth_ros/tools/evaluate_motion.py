"""How right scale.mode motion is on simulated drives, with depth and odometry of known errors.

python -m flashdepth_ros.tools.evaluate_motion --seeds 62002 62011 --kind hall
"""
import argparse
from collections.abc import Sequence
import math
import sys
import time

import numpy as np

from ..metres.motion_tracks import to_grey
from .motion_trial import Drive, Errors, Result, follow, imagined_depth, odometry
from .options import positive, seed

ODOMETRY = {
    'ideal wheels': lambda rng: Errors(), 'wheels, usual errors': Errors.usual,
    'length +2 %': lambda rng: Errors(length=0.02),
    'slipping at 0.3 m/s': lambda rng: Errors(slip=0.3)}


def record(number: int, kind: str | None, frames: int, width: int, height: int) -> Drive:
    """Drive through the scene of a seed; ImportError where scenes cannot be rendered."""
    from ..simulation import Renderer, disturb, make_scene
    scene = make_scene(number, kind)
    greys, inverse, poses = [], [], []
    with Renderer(width, height) as renderer:
        for index in range(frames):
            frame = renderer.render(scene, index / 10)
            greys.append(to_grey(disturb(frame.rgb, number, index)))
            inverse.append((1 / frame.depth[::2, ::2]).astype(np.float32))
            poses.append(frame.pose)
        return Drive(np.stack(greys), np.stack(inverse), np.stack(poses), scene.carriage.pitch,
                     renderer.intrinsics)


def row(name: str, results: Sequence[Result], after: float, milliseconds: float) -> str:
    """Return a line of the table: errors after so many metres of way."""
    errors = np.abs(np.concatenate([
        result.error[np.isfinite(result.error) & (result.travelled >= after)]
        for result in results]))
    firsts = [result.travelled[np.isfinite(result.error).argmax()] for result in results
              if np.isfinite(result.error).any()]
    if not errors.size:
        return f'| {name} | 0 of {len(results)} | | | | | {milliseconds:.0f} |'
    return (f'| {name} | {len(firsts)} of {len(results)} | {np.median(firsts):.2f} | '
            f'{np.median(errors):.1%} | {np.quantile(errors, 0.9):.1%} | '
            f'{(errors > math.log(1.1)).mean():.1%} | {milliseconds:.0f} |')


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='evaluate_motion', description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=seed, nargs='+', default=[62002, 62011, 62022])
    parser.add_argument('--kind', choices=('room', 'corridor', 'hall'))
    parser.add_argument('--frames', type=positive, default=130, help='10 a second')
    parser.add_argument('--width', type=positive, default=640)
    parser.add_argument('--height', type=positive, default=480)
    options = parser.parse_args(args)
    try:
        drives = [record(number, options.kind, options.frames, options.width, options.height)
                  for number in options.seeds]
    except ImportError as error:
        print(f'evaluate_motion: {error}', file=sys.stderr)
        return 1
    print('| depth, odometry | with a scale | first after m | median | p90 | > 10 % | ms |\n'
          '|---|---|---|---|---|---|---|')
    for affine in (False, True):
        for name, errors in ODOMETRY.items():
            begin, results = time.process_time(), []
            for number, drive in zip(options.seeds, drives, strict=True):
                d, *right = imagined_depth(drive, number, affine)
                told = odometry(drive, errors(np.random.default_rng(number)))
                results.append(follow(drive, d, (right[0], right[1]), told, not affine))
            cost = 1e3 * (time.process_time() - begin) / options.frames / len(drives)
            print(row(f'{"shift unknown" if affine else "factor unknown"}, {name}', results,
                      2.0 if affine else 1.0, cost), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
