"""A training from its beginning to its end, in a folder that it can be taken up from.

weights.safetensors   the best weights so far by the held-out recordings; model.weights takes it
state.safetensors     everything that going on takes
progress.csv          loss and scores; curve.png and events.* (TensorBoard) show them
held_out.png          picture, truth, prediction
README.md             the model card
"""
from collections.abc import Sequence
import csv
from dataclasses import dataclass
import logging
from pathlib import Path
import signal
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..models import build_model
from ..models.network import Network
from ..scoring.sequences import Scores
from .held_out import evaluate_held_out
from .mixture import Truth
from .pictures import contact_sheet, learning_curve, save_picture
from .recordings import Recording
from .state_file import read_tensors, write_tensors
from .trainer import Trainer

WEIGHTS, STATE, PROGRESS = 'weights.safetensors', 'state.safetensors', 'progress.csv'
CURVE, SHEET, CARD = 'curve.png', 'held_out.png', 'README.md'
PATIENCE_MARGIN = 1e-4  # of delta 1: less is no improvement

log = logging.getLogger('train')


@dataclass(frozen=True)
class Watch:
    """What is scored, and when.

    held_out: the recordings that decide; also: others by name, such as the domain that the weights
    come from. frames: the first ones of each. every: steps from one score to the next. patience:
    scores without an improvement after which training ends, 0 for none. report: steps between
    lines of progress. minutes: until training ends, of processor time on a CPU (of one thread), so
    that pauses do not count; 0 for no limit.
    """

    held_out: Sequence[Recording]
    also: dict[str, Sequence[Recording]]
    truth: Truth
    frames: int | None = None
    every: int = 200
    patience: int = 0
    report: int = 20
    minutes: float = 0.0
    save_minutes: float = 5.0


class Run:
    """One process's part of a training; the chief one writes, all decide alike."""

    def __init__(self, folder: Path, trainer: Trainer, watch: Watch):
        self.folder, self.trainer, self.watch = folder, trainer, watch
        self.chief = trainer.runner.is_main_process
        self.before: dict[str, dict[str, float | None]] = {}
        self.best, self.best_step, self.waited, self.seconds = -1.0, 0, 0, 0.0
        self.rows: list[dict[str, float]] = []  # of steps that are not noted yet
        self._scored: Network | None = None
        self._board: Any = None
        self._stopped = False

    # ---- going on ------------------------------------------------------------------------------

    def resume(self) -> bool:
        """Take the folder's training up, if it has begun; return whether it had."""
        path = self.folder / STATE
        if not path.is_file():
            return False
        about = self.trainer.load(path)
        self.before = about['before']
        self.best, self.best_step, self.waited = about['best'], about['best_step'], about['waited']
        self.seconds, self.rows = about['seconds'], about['rows']
        if self.chief:
            truncate(self.folder / PROGRESS, self.trainer.step_number)
        return True

    def save(self) -> None:
        self.trainer.save(self.folder / STATE, {
            'before': self.before, 'best': self.best, 'best_step': self.best_step,
            'waited': self.waited, 'seconds': self.seconds, 'rows': self.rows})

    # ---- scores --------------------------------------------------------------------------------

    def scores(self, weights: dict[str, Tensor]) -> dict[str, Scores]:
        """Return what the weights score on the held-out recordings and on the others."""
        watch, spec = self.watch, self.trainer.learner.spec
        if self._scored is None:
            self._scored = build_model(spec.name).to(self.trainer.runner.device)
        self._scored.load_state_dict(weights)
        return {name: evaluate_held_out(self._scored, spec, recordings, watch.truth, watch.frames)
                for name, recordings in (('held out', watch.held_out), *watch.also.items())}

    def _score(self) -> dict[str, float]:
        """Score the weights of now, keep them if they are the best; return columns of progress."""
        weights = self.trainer.weights_now()
        scores = self.scores(weights)
        if not self.before:
            self.before = {name: each.numbers() for name, each in scores.items()}
        delta = scores['held out'].delta1
        self.waited += 1
        if delta > self.best + PATIENCE_MARGIN:
            self.best, self.best_step, self.waited = delta, self.trainer.step_number, 0
            write_tensors(self.folder / WEIGHTS, weights, {
                'model': self.trainer.learner.spec.name, 'step': self.best_step})
        assert self._scored is not None
        save_picture(self.folder / SHEET, contact_sheet(
            self._scored, self.trainer.learner.spec, self.watch.held_out, self.watch.truth))
        line = {'delta1': delta, 'abs_rel': scores['held out'].abs_rel,
                'change_error': scores['held out'].change_error}
        return line | {f'delta1 {name}': scores[name].delta1 for name in self.watch.also}

    # ---- the loop ------------------------------------------------------------------------------

    def run(self) -> None:
        """Train until the steps, the minutes or the patience are over, or a SIGTERM or SIGINT."""
        trainer, watch, plan = self.trainer, self.watch, self.trainer.plan
        previous = [signal.signal(each, self._stop) for each in (signal.SIGTERM, signal.SIGINT)]
        try:
            if self.chief and not self.before:
                self._write({'step': 0, 'frames': 0, 'minutes': 0.0, **self._score()})
                self.save()
            began, before, saved = clock(trainer), self.seconds, self.seconds
            ended = trainer.step_number >= plan.steps
            while not ended:
                self.rows.append(trainer.step())
                self.seconds = before + clock(trainer) - began
                step = trainer.step_number
                scores = step % watch.every == 0 or step >= plan.steps
                ended, save = self._agree(
                    self._stopped or step >= plan.steps
                    or bool(watch.minutes and self.seconds > 60 * watch.minutes),
                    self.seconds - saved > 60 * watch.save_minutes)
                # a run that is stopped notes nothing: taken up again it is as if it had gone on
                notes = scores or step % watch.report == 0 or (ended and not self._stopped)
                if notes and self.chief:
                    line = {'step': step, 'frames': trainer.frames_seen,
                            'minutes': self.seconds / 60, 'rate': plan.factor(step),
                            'skipped': trainer.skipped, **mean_rows(self.rows)}
                    if scores or (ended and not self._stopped):
                        line |= self._score()
                    self._write(line)
                    log.info('%s%s', ' '.join(
                        f'{name} {value:.4g}' for name, value in line.items()), self._left())
                if notes:
                    self.rows = []
                if watch.patience and scores:
                    over, = self._agree(self.chief and self.waited >= watch.patience)
                    ended = ended or over
                if scores or save or ended:
                    saved = self.seconds
                    if self.chief:
                        self.save()
            trainer.runner.wait_for_everyone()
        finally:
            for each, handler in zip((signal.SIGTERM, signal.SIGINT), previous, strict=True):
                signal.signal(each, handler)
            if self._board is not None:
                self._board.close()
        if self.chief:
            learning_curve(self.folder / PROGRESS, self.folder / CURVE)

    def _stop(self, *_: object) -> None:
        self._stopped = True

    def _agree(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag whether it is set in any process."""
        runner = self.trainer.runner
        if runner.num_processes == 1:
            return flags
        shared = torch.tensor(flags, dtype=torch.float32, device=runner.device)
        return tuple(bool(flag) for flag in runner.reduce(shared, 'sum'))

    def _left(self) -> str:
        """Say how long it will take from here."""
        trainer, watch = self.trainer, self.watch
        left = self.seconds / trainer.step_number * (trainer.plan.steps - trainer.step_number)
        if watch.minutes:
            left = min(left, max(60 * watch.minutes - self.seconds, 0))
        return f' | {left / 60:.1f} minutes to go'

    def _write(self, line: dict[str, float]) -> None:
        names = ['step', 'frames', 'minutes', 'rate', 'loss', *self.trainer.weights, 'norm',
                 'skipped', 'delta1', 'abs_rel', 'change_error',
                 *(f'delta1 {name}' for name in self.watch.also)]
        path = self.folder / PROGRESS
        new = not path.exists()
        with open(path, 'a', newline='') as file:
            writer = csv.DictWriter(file, names)
            if new:
                writer.writeheader()
            writer.writerow({name: f'{value:.8g}' for name, value in line.items()})
        if self._board is None:
            from tensorboardX import SummaryWriter
            self._board = SummaryWriter(str(self.folder), purge_step=int(line['step']))
        for name, value in line.items():
            if name != 'step':
                self._board.add_scalar(name.replace(' ', '/'), value, int(line['step']))
        self._board.flush()

    def best_scores(self) -> dict[str, Scores]:
        """Return what the weights that were kept score."""
        return self.scores(read_tensors(self.folder / WEIGHTS)[0])


def clock(trainer: Trainer) -> float:
    """Return seconds: of one thread's processor time on a CPU, else of the wall."""
    if trainer.runner.device.type == 'cpu':
        return time.process_time() / torch.get_num_threads()
    return time.monotonic()


def mean_rows(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Average the loss terms of some steps, leaving out what is not finite."""
    result = {}
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows if np.isfinite(row[name])]
        result[name] = sum(values) / len(values) if values else float('nan')
    return result


def truncate(progress: Path, step: int) -> None:
    """Drop what was noted after a step: it is made again."""
    if not progress.exists():
        return
    with open(progress, newline='') as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if row['step'] and int(row['step']) <= step]
        names = reader.fieldnames or []
    with open(progress, 'w', newline='') as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
