"""Record what a simulated camera sees, with the true depth, as a bag (rosbag2, MCAP)."""
import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import sys

from tqdm import tqdm

from .options import add_simulation_arguments, positive, seed


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='record_simulation', description=__doc__)
    parser.add_argument('--seed', type=seed, default=0, help='the scene (default: 0)')
    parser.add_argument('--frames', type=positive,
                        help='default: 100, or until after the last of the events')
    parser.add_argument('--rate', type=float, default=10.0, metavar='HZ',
                        help='frames a second (default: 10)')
    parser.add_argument('--output', type=Path, required=True, metavar='DIR', help='the new bag')
    parser.add_argument('--events', nargs='*', metavar='EVENT',
                        help='what happens to the camera, one after the other, two seconds each: '
                             'black, cut, frozen and others that docs/camera_health.md lists '
                             '(default: all of them). DIR/events.json says when')
    add_simulation_arguments(parser)
    options = parser.parse_args(argv)
    if not options.rate > 0:
        parser.error('--rate must be larger than 0')
    from ..files.bag_types import BagError
    from ..files.bag_writer import BagWriter  # needs ROS' messages, which evaluate does not
    try:
        from ..simulation import Renderer
        from ..simulation.effects import NONE, USUAL
        from ..simulation.events import PAUSE, plan_events
        from ..simulation.sequences import drive_with_events
        events = [] if options.events is None else plan_events(
            options.events, options.rate)
        frames = options.frames or (
            events[-1].end + round(PAUSE * options.rate) if events else 100)
        with Renderer(options.size[0], options.size[1], options.hfov) as renderer, \
                BagWriter(options.output) as bag:
            for frame in tqdm(drive_with_events(
                    renderer, options.seed, frames, events, options.rate, options.kind,
                    USUAL if options.effects else NONE, options.materials),
                    total=frames, disable=None):
                # a bag does not begin at 0, which is no time in ROS
                bag.write(round((1 + frame.time) * 1e9), frame.rgb, frame.depth,
                          renderer.intrinsics)
    except (BagError, ImportError, ValueError) as error:
        print(f'record_simulation: {error}', file=sys.stderr)
        return 1
    if events:
        (options.output / 'events.json').write_text(json.dumps(
            [{'kind': each.kind, 'begin': 1 + each.begin / options.rate,
              'end': 1 + each.end / options.rate} for each in events], indent=1) + '\n')
    print(f'{frames} frames in {options.output}: /image, /camera_info, /truth/depth/image')
    return 0


if __name__ == '__main__':
    sys.exit(main())
