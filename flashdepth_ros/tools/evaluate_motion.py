"""How right scale.mode motion is on simulated drives, with depth and odometry of known errors.

python -m flashdepth_ros.tools.evaluate_motion --seeds 62002 62011 --kind hall
"""
import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math
import sys
import time

import numpy as np
from tqdm import tqdm

from ..metres.motion_tracks import to_grey
from .motion_trial import (
    Drive,
    Errors,
    Result,
    follow,
    imagined_depth,
    odometry,
    with_rolling_shutter,
)
from .options import positive, seed

WRONG = math.log(1.15)


@dataclass(frozen=True)
class Trial:
    """Odometry of some errors, for depth of an unknown factor and perhaps shift.

    readout: seconds from the first to the last row of a rolling shutter.
    """

    name: str
    errors: Callable[[np.random.Generator], Errors]
    affine: bool = False
    readout: float = 0.0

    def run(self, drive: Drive, number: int) -> Result:
        """Follow the scale along the drive of a seed."""
        d, *right = imagined_depth(drive, number, self.affine)
        told = odometry(drive, self.errors(np.random.default_rng(number)))
        return follow(drive, d, (right[0], right[1]), told, not self.affine)


TRIALS = (
    Trial('factor unknown, ideal wheels', lambda rng: Errors()),
    Trial('factor unknown, usual errors', Errors.usual),
    Trial('factor unknown, length +2 % alone', lambda rng: Errors(length=0.02)),
    Trial('factor unknown, lever arm off by 0.1 m ahead and 0.1 m left',
          lambda rng: Errors(lever=(0.1, 0.1))),
    Trial('factor unknown, rolling shutter of 30 ms', lambda rng: Errors(), readout=0.03),
    Trial('factor unknown, wheels spin by 30 % for 2 s', lambda rng: Errors(spin=0.3)),
    Trial('factor and shift unknown, usual errors', Errors.usual, affine=True),
    Trial('factor unknown, wheels claim 0.3 m/s too much', lambda rng: Errors(slip=0.3)))


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


def row(trial: Trial, results: Sequence[Result], milliseconds: float) -> str:
    """Return a line of the table: errors after 1 m of way, or 2 with an unknown shift."""
    after = 2.0 if trial.affine else 1.0
    known = [np.isfinite(result.error) for result in results]
    firsts = [result.travelled[has.argmax()]
              for result, has in zip(results, known, strict=True) if has.any()]
    worst = [np.abs(result.error[has]).max()
             for result, has in zip(results, known, strict=True) if has.any()]
    wrong = sum(each > WRONG for each in worst)
    head = (f'| {trial.name} | {len(firsts)} of {len(results)} | '
            f'{np.median(firsts) if firsts else math.nan:.2f} | {wrong} | ')
    late = [has & (result.travelled >= after)
            for result, has in zip(results, known, strict=True)]
    errors = np.abs(np.concatenate([
        result.error[has] for result, has in zip(results, late, strict=True)]))
    if not errors.size:
        return f'{head} | | | | {milliseconds:.0f} |'
    claimed = np.concatenate([
        result.claimed[has] for result, has in zip(results, late, strict=True)])
    return (f'{head}{np.median(errors):.1%} | {np.quantile(errors, 0.9):.1%} | '
            f'{(errors > math.log(1.1)).mean():.1%} | {(errors > 3 * claimed).mean():.1%} | '
            f'{milliseconds:.0f} |')


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='evaluate_motion', description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=seed, nargs='+', default=[62002, 62011, 62022])
    parser.add_argument('--kind', choices=('room', 'corridor', 'hall'))
    parser.add_argument('--frames', type=positive, default=130, help='10 a second')
    parser.add_argument('--width', type=positive, default=640)
    parser.add_argument('--height', type=positive, default=480)
    options = parser.parse_args(args)
    results: dict[Trial, list[Result]] = {trial: [] for trial in TRIALS}
    spent = dict.fromkeys(TRIALS, 0.0)    # seconds of processor time
    for number in tqdm(options.seeds, unit='drive', disable=None):
        try:
            drive = record(number, options.kind, options.frames, options.width, options.height)
        except ImportError as error:
            print(f'evaluate_motion: {error}', file=sys.stderr)
            return 1
        for trial in TRIALS:
            seen = with_rolling_shutter(drive, trial.readout) if trial.readout else drive
            begin = time.process_time()
            results[trial].append(trial.run(seen, number))
            spent[trial] += time.process_time() - begin
    print('| depth, odometry | with a scale | first after m | wrong by 15 % ever | median | p90 | '
          '> 10 % | > 3 x claimed | ms a frame |\n|---|---|---|---|---|---|---|---|---|')
    for trial, found in results.items():
        print(row(trial, found, 1e3 * spent[trial] / options.frames / len(found)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
