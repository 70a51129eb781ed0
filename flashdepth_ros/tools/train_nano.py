r"""Train flashdepth-nano on rendered scenes, piece by piece.

    python3 -m flashdepth_ros.tools.make_scenes scenes/train
    python3 -m flashdepth_ros.tools.make_scenes scenes/held_out --first-seed 1000000000 \
        --clips 20 --frames 16
    python3 -m flashdepth_ros.tools.train_nano run --scenes scenes/train \\
        --held-out scenes/held_out --minutes 120

The same command goes on where the last piece stopped. docs/nano.md has the whole recipe.
"""
import argparse
from collections.abc import Sequence
import csv
from dataclasses import asdict, fields
from datetime import timedelta
import logging
import multiprocessing
from multiprocessing.connection import wait
import os
from pathlib import Path
import signal
import socket
import sys
import time
from typing import cast

import cv2
from safetensors.torch import save_file
import torch
import torch.distributed as dist

from ..models import CheckpointError, build_model, load_weights
from ..scoring.sequences import Scores
from ..training.held_out import evaluate_baselines, evaluate_held_out
from ..training.network import MODEL, exported
from ..training.pictures import contact_sheet, learning_curve
from ..training.shards import ShardError, Shards
from ..training.trainer import Plan, Trainer, TrainingError, mean_terms

LAST, PROGRESS, CURVE, SHEET = 'last.pth', 'progress.csv', 'curve.png', 'held_out.png'
COLUMNS = ('step', 'frames', 'hours', 'scenes', 'factor', 'loss', 'norm', 'scale', 'metric',
           'gradient', 'change', 'delta1', 'abs_rel', 'change_carried', 'change_reset',
           'tae_carried', 'tae_reset', 'skipped')
PATIENCE = timedelta(days=2)  # of one process with the other: both may be stopped for a while

log = logging.getLogger('train_nano')


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='train_nano', description=__doc__.splitlines()[0])
    parser.add_argument('run', type=Path, help='folder of this training: checkpoint, curves')
    parser.add_argument('--scenes', type=Path, help='a folder of shards')
    parser.add_argument('--held-out', type=Path, help='a folder of shards')
    parser.add_argument('--minutes', type=float, default=120.0,
                        help="of this piece, of each process's own time: pauses do not count "
                             '(default: %(default)s)')
    parser.add_argument('--steps', type=int, default=0, help='end at this step (0: at no step)')
    parser.add_argument('--processes', type=int, default=os.cpu_count(),
                        help='of one thread each (default: one a core)')
    parser.add_argument('--report', type=int, default=100, metavar='STEPS',
                        help='between lines of progress (default: %(default)s)')
    parser.add_argument('--save-minutes', type=float, default=5.0,
                        help='between checkpoints and scores, likewise (default: %(default)s)')
    parser.add_argument('--score', action='store_true', help='do not train: score what is there')
    parser.add_argument('--export', type=Path, metavar='FILE',
                        help='do not train: write the averaged network as float16 safetensors')
    for field in fields(Plan):
        name = '--' + field.name.replace('_', '-')
        if field.type is bool:
            parser.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default)
        else:
            parser.add_argument(name, type=field.type, default=field.default,
                                help='default: %(default)s')
    options = parser.parse_args(argv)
    if not options.export and not (options.scenes and options.held_out):
        parser.error('give --scenes and --held-out; only --export does without')
    logging.basicConfig(level=logging.INFO, format='%(asctime)s %(message)s')
    options.run.mkdir(parents=True, exist_ok=True)
    plan = Plan(**{field.name: getattr(options, field.name) for field in fields(Plan)})
    try:
        if options.export:
            export(options.run / LAST, options.export)
            return 0
        if options.score:
            print(full_scores(options.run / LAST, Shards(options.held_out),
                              Shards(options.scenes), plan.height, plan.width))
            return 0
        return train_in_processes(options, plan)
    except (TrainingError, ShardError, CheckpointError) as error:
        print(f'train_nano: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


# ---- training ------------------------------------------------------------------------------------


def train_in_processes(options: argparse.Namespace, plan: Plan) -> int:
    """Fork the other processes, so that they carry this module's name, and wait for all."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(free.getsockname()[1]))
    context = multiprocessing.get_context('fork')
    children = [context.Process(target=_run, args=(options, plan, rank))
                for rank in range(options.processes)]
    for child in children:
        child.start()

    def end(*_):
        for child in children:
            child.terminate()
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    running = {child.sentinel: child for child in children}
    while running:
        for sentinel in wait(list(running)):
            ended = running.pop(cast(int, sentinel))
            ended.join()  # its exit code is known only then
            if ended.exitcode != 0:
                for child in running.values():  # it would wait for the one that failed
                    child.kill()
    return int(any(child.exitcode for child in children))


def _run(options: argparse.Namespace, plan: Plan, rank: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent passes on a SIGTERM
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if options.processes > 1:
        dist.init_process_group('gloo', rank=rank, world_size=options.processes, timeout=PATIENCE)
    try:
        train(options, plan, rank)
    except (TrainingError, ShardError) as error:
        print(f'train_nano: {error}', file=sys.stderr)
        sys.exit(1)
    finally:
        if options.processes > 1:
            dist.destroy_process_group()


def train(options: argparse.Namespace, plan: Plan, rank: int) -> None:
    """One process's piece: until --minutes or --steps, or a SIGTERM to any process.

    Progress is counted in hours of this process's processor time, so that pauses and a busy
    machine do not make the learning curve longer.
    """
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    trainer = Trainer(plan, Shards(options.scenes), rank, options.processes)
    last = options.run / LAST
    if last.exists():
        trainer.load(last)
    chief = rank == 0
    hours = previous_hours(options.run / PROGRESS)
    if chief:
        log.info('%d parameters, %d scenes, from step %d: %s',
                 sum(p.numel() for p in trainer.parameters), len(trainer.shards),
                 trainer.step_number, asdict(plan))
    began = last_saved = time.process_time()
    rows = []
    while True:
        if not options.steps or trainer.step_number < options.steps:
            rows.append(trainer.step())
        now = time.process_time()
        ended = bool(stopped or now - began > 60 * options.minutes
                     or (options.steps and trainer.step_number >= options.steps))
        report = trainer.step_number % options.report == 0
        # the processes must agree on what comes next
        ended, save = agree(options.processes, ended, now - last_saved > 60 * options.save_minutes)
        if chief and rows and (report or save or ended):
            line = {'step': trainer.step_number, 'frames': trainer.frames_seen,
                    'hours': hours + (now - began) / 3600,
                    'scenes': len(trainer.shards), 'factor': plan.factor(trainer.step_number),
                    'skipped': trainer.skipped, **mean_terms(rows)}
            rows = []
            if save or ended:
                trainer.save(last)
                line |= held_out_line(trainer, Shards(options.held_out), options.run, plan)
            write_line(options.run / PROGRESS, line)
            log.info(' '.join(f'{name} {value:.4g}' for name, value in line.items()))
        if report or save:
            trainer.shards.refresh()
        if save:
            last_saved = time.process_time()
        if ended:
            return


def agree(processes: int, *flags: bool) -> tuple[bool, ...]:
    """Return for each flag whether it is set in any process."""
    if processes == 1:
        return flags
    shared = torch.tensor(flags, dtype=torch.int32)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return tuple(bool(flag) for flag in shared)


def held_out_line(
    trainer: Trainer, shards: Shards, run: Path, plan: Plan,
) -> dict[str, float]:
    """Score the averaged network, and draw what it sees."""
    network = build_model(MODEL)
    network.load_state_dict(exported(trainer.average))
    clean = evaluate_held_out(network, shards, plan.height, plan.width, frames=6,
                              with_reset=False)['carried']
    hit = evaluate_held_out(network, shards, plan.height, plan.width, effects=True, frames=8)
    cv2.imwrite(str(run / SHEET), cv2.cvtColor(
        contact_sheet(network, shards, plan.height, plan.width), cv2.COLOR_RGB2BGR))
    return {'delta1': clean.delta1, 'abs_rel': clean.abs_rel,
            'change_carried': hit['carried'].change_error,
            'change_reset': hit['reset'].change_error,
            'tae_carried': hit['carried'].tae_percent, 'tae_reset': hit['reset'].tae_percent}


def previous_hours(progress: Path) -> float:
    if not progress.exists():
        return 0.0
    with open(progress, newline='') as file:
        return max((float(row['hours']) for row in csv.DictReader(file)), default=0.0)


def write_line(progress: Path, line: dict[str, float]) -> None:
    new = not progress.exists()
    with open(progress, 'a', newline='') as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow({name: f'{value:.6g}' for name, value in line.items()})


# ---- what came of it -----------------------------------------------------------------------------


def full_scores(last: Path, shards: Shards, training: Shards, height: int, width: int) -> str:
    """Return all scores as a Markdown table, and draw the learning curve beside `last`."""
    network = build_model(MODEL)
    load_weights(network, last)
    baselines = evaluate_baselines(shards, height, width, training)
    table: dict[str, Scores] = {
        'best vertical ramp of each sequence': baselines['ramp'],
        'the same, constant down to some row': baselines['bent ramp'],
        'median of the training images': baselines['median']}
    for effects, words in ((False, 'clean'), (True, 'with effects')):
        for name, scores in evaluate_held_out(
                network, shards, height, width, effects).items():
            table[f'network, {words}, state {name}'] = scores
    learning_curve([last.with_name(PROGRESS)], last.with_name(CURVE), {
        name: baselines[name].delta1 for name in baselines})
    lines = [f'{len(shards)} sequences of {shards.clip_shape[0]} frames at {width}x{height}', '',
             '| | δ1 ↑ | AbsRel ↓ | change error ↓ | TAE % ↓ |', '|---|---|---|---|---|']
    return '\n'.join(lines + [
        f'| {name} | {s.delta1:.4f} | {s.abs_rel:.4f} | {s.change_error:.5f} | '
        f'{s.tae_percent:.3f} |' for name, s in table.items()])


def export(last: Path, target: Path) -> None:
    network = build_model(MODEL)
    load_weights(network, last)
    save_file({key: value.half().contiguous() for key, value in network.state_dict().items()},
              target)
    log.info('%s: %.2f MB', target, target.stat().st_size / 1e6)


if __name__ == '__main__':
    sys.exit(main())
