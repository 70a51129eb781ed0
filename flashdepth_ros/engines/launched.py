"""A step that a device may still be computing, and the way of what it gives to the host."""
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..models.network import State, newest


@dataclass(frozen=True)
class Launched:
    """A step under way.

    state: after it, on the engine's device. wait: waits for the step; returns its output on the CPU
    and, for each stream, whether that and the new state are finite.
    """

    state: State
    wait: Callable[[], tuple[Tensor, list[bool]]]


def on_its_way(output: Tensor, state: State) -> Launched:
    """Begin to bring to the host what a step gave, or will give when its device has come so far."""
    arrive = download(output, _sums(output, state))

    def wait() -> tuple[Tensor, list[bool]]:
        there, sums = arrive()
        return there, sums.isfinite().tolist()

    return Launched(state, wait)


def download(*tensors: Tensor) -> Callable[[], list[Tensor]]:
    """Begin to copy tensors of one device to the host; return what waits for it and gives them.

    From CUDA they go into pinned memory: into any other the copy waits for the device, and takes
    its way through a buffer of the driver's.
    """
    if not tensors[0].is_cuda:
        return lambda: [each.cpu() for each in tensors]
    there = [torch.empty(each.shape, dtype=each.dtype, pin_memory=True) for each in tensors]
    for host, each in zip(there, tensors, strict=True):
        host.copy_(each, non_blocking=True)
    done = torch.cuda.Event(blocking=True)  # a thread that spins takes a core from the others
    done.record(torch.cuda.current_stream(tensors[0].device))

    def wait() -> list[Tensor]:
        done.synchronize()
        return there

    return wait


@torch.inference_mode()
def _sums(output: Tensor, state: State) -> Tensor:
    """Return a number for each stream (N,) that is finite where its output and its new state are.

    A sum is the fastest pass over memory that nothing but finite values leaves finite. Of what is
    remembered frame by frame the newest is enough: the older was summed before it, and a step that
    reads anything else gives no finite output, whatever its weights (0 times NaN is NaN).
    """
    sums = output.flatten(1).sum(1, dtype=torch.float32)
    for value in newest(state).values():
        if value.is_floating_point():
            sums += value.flatten(1).sum(1, dtype=torch.float32)
    return sums
