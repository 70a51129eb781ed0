"""What nav2's costmap makes of the node's clouds, as tables: docs/nav2.md.

With nav2's environment: PYTHONPATH=test python3 test/nav2/trial.py [--only person walker ...]

A network reads depth that is known from the pictures; the drives are also seen by flashdepth-nano.
"""
import argparse
from collections.abc import Callable
from pathlib import Path
import tempfile

from costmap import (
    FLOOR,
    WALL_AT_6,
    Camera,
    Costmap,
    Standing,
    block,
    person,
    render,
)
from drive import drive, robot_with
from known_depth import node_that_knows
import numpy as np

from flashdepth_ros.scoring.costmap import costmap_table

STAY, GONE = 2.0, 3.0    # seconds of somebody before the camera, and after
Show = Callable[..., None]


def visit(show: Show, name: str, place: float, behind=FLOOR, noise: float = 0.0,
          rate: float = 10.0) -> None:
    """Somebody stands at a place for STAY seconds and then has gone."""
    there, gone = render([person(place), *behind]), render(behind)
    seen = show(lambda t: there if t < STAY else gone, STAY + GONE, noise, rate)
    # what a wall behind marks is not the person's
    counts = seen.counts((place - 0.3, -0.5), (place + 0.45, 0.5))
    times = np.array(seen.times)
    marks = times[counts > 0]
    left = counts[-1]
    went = seen.sent[round(STAY * rate)]
    clear = times[(times > went) & (counts == 0)]
    staying = (times > went - 1.0) & (times < went)
    print(f'| {name} | {marks.min() - seen.sent[0] if len(marks) else np.nan:.2f} '
          f'| {clear.min() - went if len(clear) else np.nan:.2f} '
          f'| {np.median(counts[staying]):.0f} | {left} |', flush=True)


def walk(show: Show, name: str, noise: float = 0.0, out: bool = False) -> None:
    """Somebody walks across 2 m ahead at 1 m/s, and stands; or out of the view."""
    def at(t: float) -> float:
        return min(-1.0 + t, 2.5 if out else 1.0)
    scenes = {index: render([person(2.0, at(index / 10))]) for index in range(50)}
    seen = show(lambda t: scenes[round(t * 10)], 5.0, noise)
    last = seen.cells[-1]
    trail = last[np.abs(last[:, 1] - at(4.9)) > 0.45]
    most = max(len(cells) for cells in seen.cells)
    print(f'| {name} | - | - | {most} at most | {len(trail)} |', flush=True)


def still(show: Show, name: str, blocks=FLOOR, noise: float = 0.0, pitch: float = 0.0,
          scale: float = 1.0) -> None:
    """Count cells of a scene that does not change, beside those of its blocks."""
    depth = scale * render(blocks, pitch)
    seen = show(lambda t: depth, 3.0, noise)
    false = [cells[[not any(
        b[0] - 0.3 < x < b[1] + 0.3 and b[2] - 0.2 < y < b[3] + 0.2 for b in blocks)
        for x, y in cells]] for cells in seen.cells]
    true = [len(cells) - len(wrong) for cells, wrong in zip(seen.cells, false, strict=True)]
    print(f'| {name} | {true[-1]} | {max(map(len, false))} |', flush=True)


TRIALS = {
    'person': lambda show: [
        visit(show, '2 m, open floor', 2.0),
        visit(show, '2 m, open floor, 1 % noise', 2.0, noise=0.01),
        visit(show, '2 m, wall at 6 m', 2.0, WALL_AT_6),
        visit(show, '2 m, wall 0.6 m behind', 2.0, (block(2.9, 4.0, 2.5),)),
        visit(show, '1 m, open floor', 1.0),
        visit(show, '5 m, open floor', 5.0),
        visit(show, '5 m, open floor, 1 % noise', 5.0, noise=0.01),
        visit(show, '7 m, open floor', 7.0),
        visit(show, '2 m, open floor, clouds of 3 Hz', 2.0, rate=3.0)],
    'walker': lambda show: [
        walk(show, 'walks across, 2 m ahead'),
        walk(show, 'the same, 1 % noise', 0.01),
        walk(show, 'walks out of the view', out=True),
        walk(show, 'the same, 1 % noise', 0.01, out=True)],
    'things': lambda show: [
        still(show, 'box 0.15 m high, 1.5 m ahead', [block(1.5, 0.4, 0.15)]),
        still(show, 'the same, 1 % noise', [block(1.5, 0.4, 0.15)], 0.01),
        still(show, 'pole of 4 cm, 2 m ahead', [block(2.0, 0.04, 1.5, 0.04)]),
        still(show, 'the same, 1 % noise', [block(2.0, 0.04, 1.5, 0.04)], 0.01)],
    'floor': lambda show: [
        still(show, f'floor, {pitch:+g}°, {scale - 1:+.0%}, {noise:.0%} noise',
              FLOOR, noise, pitch, scale)
        for pitch, scale in ((0.0, 1.0), (2.0, 0.95), (2.0, 1.05), (-2.0, 0.95), (-2.0, 1.05))
        for noise in (0.0, 0.01)],
    'tilted': lambda show: [
        still(show, 'box 0.15 m high, camera 2° down', [block(1.5, 0.4, 0.15)], 0.0, 2.0),
        still(show, 'box 0.15 m high, camera 2° up', [block(1.5, 0.4, 0.15)], 0.0, -2.0)],
}


DRIVES = (('known', 'fixed', 1, None, 35), ('nano', 'fixed', 1, None, 35),
          ('known', 'fixed', 2, None, 35), ('nano', 'fixed', 2, None, 35),
          ('known', 'fixed', 3, None, 35), ('nano', 'fixed', 3, None, 35),
          ('known', 'fixed', 62002, 'hall', 60), ('nano', 'motion', 62002, 'hall', 60))


def drives(domain: int) -> None:
    """Print a row of `evaluate --costmap` for each drive before nav2's own costmap."""
    names, scores = [], []
    for network, mode, seed, *which in DRIVES:
        with tempfile.TemporaryDirectory() as folder, robot_with(
                network, mode, domain, seed, *which) as robot:
            if network == 'nano' and mode == 'fixed':
                robot.calibrate()
            scores.append(drive(robot, Path(folder)))
            names.append(f'seed {seed}, {network}, {mode}')
    print(costmap_table(names, scores), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', nargs='+', choices=[*TRIALS, 'drives'],
                        default=[*TRIALS, 'drives'])
    parser.add_argument('--domain', type=int, default=90)
    parser.add_argument('--plugins', nargs='+', help="in place of the file's")
    parser.add_argument('--min-confidence', type=float, default=0.0, help='of the node')
    options = parser.parse_args()
    changes = {'plugins': options.plugins} if options.plugins else {}
    if 'denoise_layer' in changes.get('plugins', ()):
        changes['denoise_layer'] = {'plugin': 'nav2_costmap_2d::DenoiseLayer'}

    def show(*arguments):
        node = node_that_knows(options.domain, **{'points.min_confidence': options.min_confidence})
        with tempfile.TemporaryDirectory() as folder:
            standing, camera = Standing(node), Camera(node)    # noqa: F841
            costmap = Costmap(node, Path(folder), **changes)
            try:
                costmap.activate()
                camera.meet()
                return camera.show(costmap, *arguments)
            finally:
                costmap.close()
                node.close()

    for name in options.only:
        if name == 'drives':
            drives(options.domain)
        else:
            TRIALS[name](show)


if __name__ == '__main__':
    main()
