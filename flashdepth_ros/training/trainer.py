"""The optimisation: Muon and AdamW, two processes, an average of the weights, and how to go on.

A run is a folder with last.pth (everything that going on takes, and under 'model' the averaged
network, which load_weights reads), and progress.csv.
"""
from collections.abc import Iterable
from dataclasses import asdict, dataclass
import math
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
import torch.distributed as dist

from ..models.network import State
from .batches import make_batch
from .effects import SEQUENCE, SINGLE
from .losses import LOSSES, total_loss
from .network import OUTPUT_UNIT, exported, positions_computed_once, training_network
from .shards import Shards

LOSS = LOSSES['log']
MAX_NORM = 1.0         # of the gradient
MAX_BAD_STEPS = 20     # in a row without a finite gradient, then training ends


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """How to train; may differ from piece to piece.

    clips: of a step, over all processes; frames: of each clip. lead: up to so many frames go before
    these, a number drawn at each step, through which the state is carried without a gradient:
    streams are longer than what a gradient can go back through. height, width: of the network's
    frame, multiples of 14. muon_rate: of the ViT's matrices; rate: AdamW's, of all else. warm_up,
    cool_down: steps over which the rates grow from and shrink to nothing; the cooling ends at
    `cool_end` (0: no cooling). average: how much the averaged weights keep at a step. effects:
    factor of how often images are changed (see effects.py).
    """

    clips: int = 32
    frames: int = 1
    lead: int = 0
    height: int = 98
    width: int = 126
    muon_rate: float = 2e-3
    rate: float = 1e-3
    weight_decay: float = 0.05
    warm_up: int = 300
    cool_down: int = 0
    cool_end: int = 0
    average: float = 0.999
    effects: float = 1.0
    seed: int = 0
    bf16: bool = True

    def factor(self, step: int) -> float:
        """Return what the rates are multiplied by."""
        factor = min(1.0, (step + 1) / max(self.warm_up, 1))
        if self.cool_end:
            factor *= min(1.0, max(0.0, (self.cool_end - step) / max(self.cool_down, 1)))
        return factor


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the matrices of the ViT's blocks, which Muon takes, and all other parameters."""
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_matrix = 'pretrained.blocks' in name and parameter.ndim == 2
            (matrices if is_matrix else others).append(parameter)
    return matrices, others


class Trainer:
    """One process of a training.

    rank, processes: which of how many; with more than one, torch.distributed is initialised.
    """

    def __init__(self, plan: Plan, shards: Shards, rank: int = 0, processes: int = 1):
        self.plan, self.shards, self.rank, self.processes = plan, shards, rank, processes
        if not hasattr(torch.optim, 'Muon'):
            raise TrainingError(f'training needs PyTorch 2.9 or later, for its optimiser Muon; '
                                f'this is {torch.__version__}')
        if plan.clips % processes:
            raise TrainingError(f'{plan.clips} clips cannot be shared by {processes} processes')
        if plan.frames > shards.clip_shape[0] or (
                plan.frames + plan.lead > 1 and not shards.continuous):
            raise TrainingError(
                f'{shards.folder} has clips of {shards.clip_shape[0]} frames'
                f'{"" if shards.continuous else " that do not follow each other"}, and '
                f'{plan.frames} frames that do are asked for: render others with make_scenes '
                f'--frames and --interval')
        self.model = training_network(plan.seed)
        matrices, others = split_parameters(self.model)
        self.parameters = [*matrices, *others]
        self.muon = torch.optim.Muon(
            matrices, lr=plan.muon_rate, weight_decay=plan.weight_decay,
            adjust_lr_fn='match_rms_adamw', ns_steps=4)
        # no decay of gains, biases and the position grid
        decayed = [p for p in others if p.ndim > 1 and p.shape[0] > 1]
        rest = [p for p in others if not (p.ndim > 1 and p.shape[0] > 1)]
        self.adamw = torch.optim.AdamW(
            [{'params': decayed, 'weight_decay': plan.weight_decay},
             {'params': rest, 'weight_decay': 0.0}], lr=plan.rate, betas=(0.9, 0.98), fused=True)
        self.average = {key: value.detach().clone()
                        for key, value in self.model.state_dict().items()}
        self.step_number = 0
        self.frames_seen = 0
        self.skipped = 0
        self._bad_steps = 0

    # ---- one step ------------------------------------------------------------------------------

    def forward(self, frames: Tensor, lead: int = 0) -> Tensor:
        """Clips (N, T, 3, H, W) -> raw output in 100/m, (N, T - lead, H, W), the state carried."""
        clips, _, _, height, width = frames.shape
        state = self.model.initial_state(clips, height, width)
        with torch.no_grad():
            _, state = self._steps(frames[:, :lead], state)
        outputs, _ = self._steps(frames[:, lead:], state)
        return OUTPUT_UNIT * torch.stack(outputs, dim=1).float()

    def _steps(self, frames: Tensor, state: State) -> tuple[list[Tensor], State]:
        outputs = []
        # both contexts keep what they made of a weight, with its gradient or without
        with (positions_computed_once(),
              torch.autocast('cpu', torch.bfloat16, enabled=self.plan.bf16)):
            for frame in frames.unbind(1):
                raw, state = self.model.step(
                    frame.contiguous(memory_format=torch.channels_last), state)
                outputs.append(raw)
        return outputs, state

    def _reduce_gradients(self) -> float:
        """Average the gradients over the processes, clip them, and return their norm."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if self.processes > 1:
            flat = torch.cat([g.flatten() for g in gradients])
            dist.all_reduce(flat)
            flat /= self.processes
            for gradient, part in zip(
                    gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))
        return float(nn.utils.clip_grad_norm_(self.parameters, MAX_NORM))

    def step(self) -> dict[str, float]:
        """Take one step and return this process's loss terms and the gradient's norm."""
        plan = self.plan
        strength = SINGLE if plan.frames + plan.lead == 1 else SEQUENCE
        # the same in all processes
        lead = int(np.random.default_rng((plan.seed, self.step_number)).integers(plan.lead + 1))
        frames, depth = make_batch(
            self.shards, plan.clips // self.processes, lead + plan.frames,
            (plan.height, plan.width), strength.scaled(plan.effects),
            (plan.seed, self.step_number, self.rank))
        depth = depth[:, lead:]
        terms = LOSS.terms(self.forward(frames, lead), depth, depth > 0)
        loss = total_loss(terms, LOSS.weights)
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        norm = self._reduce_gradients()
        # the norm is of the reduced gradient, so all processes decide alike
        if math.isfinite(norm):
            self._bad_steps = 0
            factor = plan.factor(self.step_number)
            for optimiser, rate in ((self.muon, plan.muon_rate), (self.adamw, plan.rate)):
                for group in optimiser.param_groups:
                    group['lr'] = rate * factor
                optimiser.step()
            decay = min(plan.average, (self.step_number + 1) / (self.step_number + 10))
            current = self.model.state_dict()
            torch._foreach_lerp_(
                list(self.average.values()), [current[key] for key in self.average], 1 - decay)
        else:
            self.skipped += 1
            self._bad_steps += 1
            if self._bad_steps > MAX_BAD_STEPS:
                raise TrainingError(
                    f'the gradient was not finite {self._bad_steps} times in a row at step '
                    f'{self.step_number}: go on from an earlier checkpoint with smaller rates')
        self.step_number += 1
        self.frames_seen += plan.clips * plan.frames
        return {'loss': loss.item(), 'norm': norm,
                **{name: value.item() for name, value in terms.items()}}

    # ---- checkpoints ---------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write everything that going on takes; the file appears only when it is whole."""
        content = {
            'model': exported(self.average),
            'training': {
                'network': self.model.state_dict(), 'average': self.average,
                'muon': self.muon.state_dict(), 'adamw': self.adamw.state_dict(),
                'step': self.step_number, 'frames': self.frames_seen, 'plan': asdict(self.plan)}}
        temporary = path.with_suffix('.part')
        torch.save(content, temporary)
        os.replace(temporary, path)

    def load(self, path: Path) -> None:
        """Go on from a file that save() wrote; the plan stays this trainer's."""
        content = torch.load(path, map_location='cpu', weights_only=True)
        try:
            training = content['training']
            self.model.load_state_dict(training['network'])
            self.average = {key: value.clone() for key, value in training['average'].items()}
            self.muon.load_state_dict(training['muon'])
            self.adamw.load_state_dict(training['adamw'])
            self.step_number, self.frames_seen = training['step'], training['frames']
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise TrainingError(f'{path} is no checkpoint of this training ({error})') from error


def mean_terms(rows: Iterable[dict[str, float]]) -> dict[str, float]:
    """Average the loss terms of some steps, leaving out what is not finite."""
    rows = list(rows)
    result = {}
    for name in rows[0]:
        values = [row[name] for row in rows if math.isfinite(row[name])]
        result[name] = sum(values) / len(values) if values else math.nan
    return result
