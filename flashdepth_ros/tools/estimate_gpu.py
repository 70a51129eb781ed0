"""Reckon how long a step takes on a GPU, and the memory it needs, without one.

Every operation of the step is counted on PyTorch's device without data. It takes the longest of:
its arithmetic at 60 percent of the peak of its type, its tensors read and written once at 80
percent of the memory's rate, and 1.5 microseconds. Attention that PyTorch fuses reads and writes
its inputs and its result alone. The sum is an estimate and no measurement: test/gpu/verify.py
measures.
"""
import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
import sys
from unittest import mock
import weakref

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from ..engines.folding import fold_gains
from ..engines.precision import PRECISIONS, lower
from ..models import MODELS, build_model
from .options import network_size

ARITHMETIC, MEMORY, SHORTEST = 0.6, 0.8, 1.5e-6


@dataclass(frozen=True)
class Gpu:
    """Of the maker's data sheets: TFLOP/s of fp32, and of dense fp16 summed in fp32; GB/s."""

    name: str
    fp32: float
    fp16: float
    memory: float


GPUS = (Gpu('A100 SXM 80 GB', 19.5, 312, 2039), Gpu('H100 SXM', 67, 989, 3350),
        Gpu('Jetson AGX Orin 64 GB', 5.3, 42.5, 204.8), Gpu('RTX 4090', 82.6, 165.2, 1008))


@dataclass
class Operations(TorchDispatchMode):
    """Notes each operation's arithmetic and bytes, by type, and the most bytes held at once."""

    given: Sequence[Tensor]  # what is there before, and not counted as held
    noted: list[tuple[torch.dtype, int, int]] = field(default_factory=list)
    peak: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self._holders: Counter[int] = Counter()
        self._held = 0
        self._given = {x.untyped_storage()._cdata for x in self.given}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        made = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        for x in made:
            self._hold(x)
        if not function.is_view and 'empty' not in str(function) and made:
            flops = flop_registry.get(function._overloadpacket)
            self.note(flops(*args, **(kwargs or {}), out_val=result) if flops else 0,
                      [*tensors, *made])
        return result

    def note(self, flops: int, tensors: Sequence[Tensor]) -> None:
        size = sum(x.numel() * x.element_size() for x in tensors)
        self.noted.append((tensors[0].dtype, flops, size))

    def _hold(self, x: Tensor) -> None:
        storage = x.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._given:
            return
        if not self._holders[key]:
            self._held += size
            self.peak = max(self.peak, self._held)
        self._holders[key] += 1
        weakref.finalize(x, self._drop, key, size).atexit = False

    def _drop(self, key: int, size: int) -> None:
        self._holders[key] -= 1
        if not self._holders[key]:
            self._held -= size

    def attend(self, q: Tensor, k: Tensor, v: Tensor, **_: float) -> Tensor:
        """Note a fused attention in place of its parts."""
        out = torch.empty_like(q)
        *batch, queries, width = q.shape
        flops = 4 * torch.Size(batch).numel() * queries * k.shape[-2] * width
        self.note(flops, [q, k, v, out])
        return out

    def seconds(self, gpu: Gpu) -> float:
        rates = {torch.float32: 1e12 * gpu.fp32, torch.float16: 1e12 * gpu.fp16,
                 torch.bfloat16: 1e12 * gpu.fp16}
        return sum(max(flops / (ARITHMETIC * rates.get(dtype, rates[torch.float32])),
                       size / (1e9 * MEMORY * gpu.memory), SHORTEST)
                   for dtype, flops, size in self.noted)

    def flops(self, *dtypes: torch.dtype) -> int:
        return sum(flops for dtype, flops, _ in self.noted if dtype in dtypes)


@dataclass(frozen=True)
class Step:
    """A step's operations; bytes of weights, state and of what the step holds besides at most."""

    operations: Operations
    weights: int
    state: int


@torch.no_grad()  # in inference mode composite operations arrive whole, such as linear
def reckon(name: str, height: int, width: int, precision: str) -> Step:
    """Count a step of a model at a size."""
    with torch.device('meta'):
        model = build_model(name)
        fold_gains(model)
        lower(model, precision)
        frames = torch.zeros(1, 3, height, width)
    state = model.initial_state(1, height, width)
    model.step(frames, state)  # which makes the tables of this size
    operations = Operations([frames, *state.values(), *model.parameters(), *model.buffers()])
    with mock.patch('torch.nn.functional.scaled_dot_product_attention', operations.attend):
        with operations:
            model.step(frames, state)
    return Step(operations, sum(x.numel() * x.element_size() for x in model.parameters()),
                sum(x.numel() * x.element_size() for x in state.values()))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='estimate_gpu', description='Reckon the time of a step on GPUs, and its memory.')
    parser.add_argument('--models', nargs='+', choices=list(MODELS), metavar='MODEL',
                        default=['flashdepth-s', 'flashdepth-l', 'flashdepth', 'vda-s', 'vda-b',
                                 'vda-l', 'ovda-c16', 'depth-anything-v2-s', 'dyfn'])
    parser.add_argument('--sizes', nargs='+', type=network_size, metavar='WxH',
                        default=[(518, 518), (518, 924), (1148, 2044)])
    parser.add_argument('--precision', default='fp16', choices=PRECISIONS)
    options = parser.parse_args(argv)
    print('| model | size | GFLOP in half, in fp32 | operations | '
          + ' | '.join(f'{gpu.name}, ms' for gpu in GPUS)
          + ' | weights, state, step: MiB |\n' + '|' + ' --- |' * (5 + len(GPUS)))
    for name in options.models:
        for height, width in options.sizes:
            step = reckon(name, height, width, options.precision)
            operations = step.operations
            print(f'| {name} | {width}x{height} | '
                  f'{operations.flops(torch.float16, torch.bfloat16) / 1e9:.0f}, '
                  f'{operations.flops(torch.float32) / 1e9:.0f} | {len(operations.noted)} | '
                  + ' | '.join(f'{1e3 * operations.seconds(gpu):.1f}' for gpu in GPUS)
                  + ' | ' + ', '.join(f'{size / 2 ** 20:.0f}' for size in (
                      step.weights, step.state, operations.peak)) + ' |', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
