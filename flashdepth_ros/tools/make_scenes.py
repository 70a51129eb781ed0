"""Render clips of simulated indoor scenes into shards, for training flashdepth-nano.

The clip of a seed is always the same. A run that was broken off goes on where it stopped: shards
that are there are not rendered again. Several processes share the work.
"""
import argparse
from collections.abc import Sequence
import multiprocessing
import os
from pathlib import Path
import signal
import sys

from tqdm import tqdm

from ..training.clips import APART, render_clip
from ..training.shards import write_shard

HELD_OUT = 1_000_000_000  # seeds from here on are never trained on


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='make_scenes', description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path, help='where the shards go')
    parser.add_argument('--clips', type=int, default=20000, help='default: %(default)s')
    parser.add_argument('--frames', type=int, default=3, help='of a clip (default: %(default)s)')
    parser.add_argument('--interval', type=float, default=APART, metavar='SECONDS',
                        help='between frames (default: 0, frames from all over the scene)')
    parser.add_argument('--first-seed', type=int, default=0,
                        help=f'default: %(default)s; from {HELD_OUT} on for held-out sequences')
    parser.add_argument('--height', type=int, default=140, help='default: %(default)s')
    parser.add_argument('--width', type=int, default=182, help='default: %(default)s')
    parser.add_argument('--shard', type=int, default=250, help='clips a file (%(default)s)')
    parser.add_argument('--processes', type=int, default=os.cpu_count(),
                        help='default: one a core')
    options = parser.parse_args(argv)
    options.folder.mkdir(parents=True, exist_ok=True)
    seeds = range(options.first_seed, options.first_seed + options.clips)
    tasks = [(options.folder / f'shard_{part[0]:010d}', part, options.frames,
              options.height, options.width, options.interval)
             for part in (seeds[i:i + options.shard] for i in range(0, len(seeds), options.shard))]
    tasks = [task for task in tasks if not task[0].exists()]
    os.environ.setdefault('LP_NUM_THREADS', '0')  # Mesa's own threads; the processes are enough
    # not forked: threads of EGL and of PyTorch do not survive that, and a child would wait for them
    context = multiprocessing.get_context('spawn')
    try:
        with context.Pool(options.processes, initializer=signal.signal,
                          initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
            for _ in tqdm(pool.imap_unordered(_render_shard, tasks), total=len(tasks),
                          unit='shard', mininterval=10):
                pass
    except KeyboardInterrupt:
        return 130
    return 0


def _render_shard(task: tuple[Path, range, int, int, int, float]) -> None:
    folder, seeds, *rest = task
    write_shard(folder, [render_clip(seed, *rest) for seed in seeds])


if __name__ == '__main__':
    sys.exit(main())
