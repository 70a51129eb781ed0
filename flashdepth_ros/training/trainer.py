"""The optimisation: one step at a time, on any number of processes, and what going on takes.

Accelerate runs it: on a CPU, a GPU or many, in mixed precision.
"""
from collections.abc import Callable
import contextlib
from dataclasses import dataclass, field
import math
from pathlib import Path
from typing import Any

from accelerate import Accelerator
import numpy as np
import torch
from torch import Tensor, nn

from ..models.network import Network, State
from ..models.spec import ModelSpec
from .losses import LOSSES, mean_over_clips, total_loss
from .mixture import Batch, Mixture
from .outputs import inverse_depth
from .parts import RATES, parameters_by_part
from .state_file import load_optimiser, optimiser_tensors, read_tensors, write_tensors

MAX_NORM = 1.0         # of the gradient
MAX_BAD_STEPS = 20     # in a row without a finite gradient, then training ends


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """How to train.

    loss: of LOSSES; loss_weights: of its terms, where others than its own. steps: in all. clips: of
    a step, over all processes, each of which takes its share in `accumulate` parts; frames: of each
    clip. lead: up to so many frames go before these, a number drawn at each step, through which the
    state is carried without a gradient: streams are longer than what a gradient can go back
    through. learn: parts that learn, or 'all'; rates: learning rates of parts, where others than
    RATES. muon_rate: of the matrices of the encoder's blocks, by Muon; 0 is AdamW for all. warm_up:
    steps in which the rates grow from nothing; cool_down: the share of all steps in which they
    shrink to it, at the end. average: how much the averaged weights keep at a step. keep: the
    share of the weights that it began with in those that are scored and kept (WiSE-FT, Wortsman et
    al. 2022, arXiv 2109.01903): both are in one basin of the loss, and their mean forgets less.
    """

    loss: str = 'log'
    loss_weights: dict[str, float] = field(default_factory=dict)
    steps: int = 1000
    clips: int = 4
    accumulate: int = 1
    frames: int = 5
    lead: int = 0
    learn: tuple[str, ...] = ('decoder', 'temporal')
    rates: dict[str, float] = field(default_factory=dict)
    muon_rate: float = 0.0
    weight_decay: float = 0.01
    warm_up: int = 50
    cool_down: float = 0.4
    average: float = 0.99
    keep: float = 0.0
    precision: str = 'fp32'
    seed: int = 0

    def factor(self, step: int) -> float:
        """Return what the rates are multiplied by."""
        grow = min(1.0, (step + 1) / max(self.warm_up, 1))
        shrink = min(1.0, (self.steps - step) / max(self.cool_down * self.steps, 1))
        return grow * max(shrink, 0.0)


@dataclass(frozen=True)
class Learner:
    """A network as it is trained, and as it is deployed.

    factor: what its output is multiplied by to be in the spec's unit. exported: its state dict as
    that of build_model.
    """

    network: Network
    spec: ModelSpec
    factor: float = 1.0
    exported: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict


class ClipModule(nn.Module):
    """A network's clip() as what DistributedDataParallel wraps."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, state: State, forget: Tensor | None) -> tuple[Tensor, State]:
        return self.network.clip(frames, state, forget)


def accelerator(precision: str = 'fp32', device: str = 'auto') -> Accelerator:
    """Return what runs a training; device: auto or cpu."""
    has_gpu = torch.accelerator.is_available() if hasattr(
        torch, 'accelerator') else torch.cuda.is_available()
    return Accelerator(  # without cpu=True several processes on a CPU would not know each other
        cpu=device == 'cpu' or not has_gpu,
        mixed_precision='no' if precision == 'fp32' else precision)


class Trainer:
    """One process of a training.

    Attributes: step_number; frames_seen; skipped, steps without a finite gradient; average, the
    averaged weights.
    """

    def __init__(self, plan: Plan, learner: Learner, mixture: Mixture, runner: Accelerator):
        self.plan, self.learner, self.mixture, self.runner = plan, learner, mixture, runner
        shares = runner.num_processes * plan.accumulate
        if plan.clips % shares:
            raise TrainingError(
                f'{plan.clips} clips a step cannot be shared by {runner.num_processes} processes '
                f'in {plan.accumulate} parts each: take a multiple of {shares}')
        if not 0 <= plan.keep < 1:
            raise TrainingError(f'the share of the beginning that is kept is {plan.keep:g}; it '
                                f'must be at least 0 and less than 1')
        self.loss = LOSSES[plan.loss]
        if self.loss.metric and not learner.spec.unit.is_metric:
            raise TrainingError(
                f"the loss '{plan.loss}' compares with metres, and the depth of "
                f'{learner.spec.name} has a scale and a shift of its own: take --loss vda')
        self.weights = self.loss.weights | plan.loss_weights
        if unknown := self.weights.keys() - self.loss.weights.keys():
            raise TrainingError(f"the loss '{plan.loss}' has no term {', '.join(unknown)}, but: "
                                f'{", ".join(self.loss.weights)}')
        mixture.check(plan.frames + plan.lead)
        network = learner.network
        self.parameters = [p for part in parameters_by_part(network, plan.learn).values()
                           for p in part.values()]
        optimisers = self._optimisers()
        self.module, *self.optimisers = runner.prepare(ClipModule(network), *optimisers)
        self._base_rates = [[group['lr'] for group in each.param_groups]
                            for each in self.optimisers]
        self.average = {key: value.detach().clone()
                        for key, value in network.state_dict().items()}
        self._beginning = learner.exported({
            key: value.cpu().clone() for key, value in self.average.items()}) if plan.keep else {}
        self.step_number = self.frames_seen = self.skipped = self._bad_steps = 0

    def _optimisers(self) -> list[torch.optim.Optimizer]:
        plan, rates = self.plan, RATES | self.plan.rates
        groups, matrices = [], []
        for part, parameters in parameters_by_part(self.learner.network, plan.learn).items():
            plain = []
            for name, parameter in parameters.items():
                is_matrix = '.blocks.' in name and part == 'encoder' and parameter.ndim == 2
                (matrices if is_matrix and plan.muon_rate else plain).append(parameter)
            # no decay of gains, biases and tables of one row
            for decay in (True, False):
                some = [p for p in plain if (p.ndim > 1 and p.shape[0] > 1) == decay]
                if some:
                    groups.append({'params': some, 'lr': rates[part],
                                   'weight_decay': plan.weight_decay if decay else 0.0})
        optimisers: list[torch.optim.Optimizer] = []
        if groups:
            optimisers.append(torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True))
        if matrices:
            if not hasattr(torch.optim, 'Muon'):
                raise TrainingError(f'Muon came with PyTorch 2.9, and this is {torch.__version__}: '
                                    f'leave --muon-rate')
            optimisers.append(torch.optim.Muon(
                matrices, lr=plan.muon_rate, weight_decay=plan.weight_decay,
                adjust_lr_fn='match_rms_adamw', ns_steps=4))
        return optimisers

    # ---- one step ------------------------------------------------------------------------------

    def forward(self, batch: Batch, lead: int = 0) -> Tensor:
        """Inverse depth (N, T - lead, H, W) of a batch's clips, the state carried."""
        frames, forget = batch.frames, batch.forget
        state = self.learner.network.initial_state(len(frames), *frames.shape[-2:])
        if lead:
            with torch.no_grad():
                _, state = self.module(frames[:, :lead], state,
                                       None if forget is None else forget[:, :lead])
        output, _ = self.module(frames[:, lead:], state,
                                None if forget is None else forget[:, lead:])
        return inverse_depth(self.learner.factor * output, self.learner.spec,
                             batch.depth[:, lead:], batch.mask[:, lead:])

    def losses(self, batch: Batch, lead: int = 0) -> dict[str, Tensor]:
        """Return the mean of the loss's terms over a batch's clips."""
        return mean_over_clips(self.loss, self.forward(batch, lead), batch.depth[:, lead:],
                               batch.mask[:, lead:])

    def step(self) -> dict[str, float]:
        """Take one step and return the loss, its terms and the gradient's norm, over all clips."""
        plan, runner = self.plan, self.runner
        # the same in all processes
        lead = int(np.random.default_rng((plan.seed, self.step_number)).integers(plan.lead + 1))
        share = plan.clips // (runner.num_processes * plan.accumulate)
        rows = []
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        for part in range(plan.accumulate):
            first = (runner.process_index * plan.accumulate + part) * share
            batch = self.mixture.batch(
                self.step_number, first, share, lead + plan.frames).to(runner.device)
            waits = part < plan.accumulate - 1
            with runner.no_sync(self.module) if waits else contextlib.nullcontext():
                terms = self.losses(batch, lead)
                loss = total_loss(terms, self.weights)
                runner.backward(loss / plan.accumulate)
            rows.append(torch.stack([loss.detach(), *(each.detach() for each in terms.values())]))
        norm = float(runner.clip_grad_norm_(self.parameters, MAX_NORM))
        self._update(norm)
        values = runner.reduce(torch.stack(rows).mean(0), 'mean').tolist()
        self.step_number += 1
        self.frames_seen += plan.clips * plan.frames
        return {**dict(zip(('loss', *terms), values, strict=True)), 'norm': norm}

    def _update(self, norm: float) -> None:
        """Change the weights, unless the gradient, which is that of all processes, is not finite.

        A scaler of float16 has to see such a gradient: it takes a smaller scale then.
        """
        if not math.isfinite(norm):
            self.skipped += 1
            self._bad_steps += 1
            if self._bad_steps > MAX_BAD_STEPS:
                raise TrainingError(
                    f'the gradient was not finite {self._bad_steps} times in a row at step '
                    f'{self.step_number}: go on with smaller --rate, or with --precision bf16')
            if self.runner.scaler is None:
                return
        factor = self.plan.factor(self.step_number)
        for optimiser, base in zip(self.optimisers, self._base_rates, strict=True):
            for group, rate in zip(optimiser.param_groups, base, strict=True):
                group['lr'] = rate * factor
            optimiser.step()
        if math.isfinite(norm):
            self._bad_steps = 0
            decay = min(self.plan.average, (self.step_number + 1) / (self.step_number + 10))
            current = self.learner.network.state_dict()
            for key, value in self.average.items():
                if value.is_floating_point():
                    value.lerp_(current[key], 1 - decay)

    # ---- what going on takes -------------------------------------------------------------------

    def weights_now(self) -> dict[str, Tensor]:
        """Return the averaged weights, with those of the beginning, as those of build_model."""
        weights = self.learner.exported({key: value.cpu() for key, value in self.average.items()})
        return {key: value.lerp(self._beginning[key], self.plan.keep)
                if self._beginning and value.is_floating_point() else value
                for key, value in weights.items()}

    def save(self, path: Path, about: dict[str, Any]) -> None:
        """Write everything that going on takes, and `about`."""
        tensors = {f'network/{key}': value
                   for key, value in self.learner.network.state_dict().items()}
        tensors |= {f'average/{key}': value for key, value in self.average.items()}
        for index, optimiser in enumerate(self.optimisers):
            tensors |= optimiser_tensors(optimiser, f'optimiser{index}')
        scaler = {} if self.runner.scaler is None else self.runner.scaler.state_dict()
        write_tensors(path, tensors, {
            **about, 'step': self.step_number, 'frames': self.frames_seen,
            'skipped': self.skipped, 'scaler': scaler})

    def load(self, path: Path) -> dict[str, Any]:
        """Go on from a file that save() wrote, with this trainer's plan; return its `about`."""
        tensors, about = read_tensors(path)
        try:
            parts: dict[str, dict[str, Tensor]] = {'network': {}, 'average': {}}
            for key, value in tensors.items():
                group, _, name = key.partition('/')
                if group in parts:
                    parts[group][name] = value
            self.learner.network.load_state_dict(parts['network'])
            for key, value in self.average.items():
                value.copy_(parts['average'][key])
            for index, optimiser in enumerate(self.optimisers):
                load_optimiser(optimiser, tensors, f'optimiser{index}')
            if self.runner.scaler is not None and about['scaler']:
                self.runner.scaler.load_state_dict(about['scaler'])
            self.step_number, self.frames_seen = about['step'], about['frames']
            self.skipped = about['skipped']
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise TrainingError(f'{path} is of another training ({error}): give another folder, '
                                f'or the options of that training') from error
        return about
