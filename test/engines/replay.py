"""What a CUDA graph does, on a CPU: a step's operations again, on the tensors of the first time.

No Python of the network runs when it is replayed, and nothing is read or written but what was then.
"""
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Recording(TorchDispatchMode):
    """Every operation with its arguments and results."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.operations.append((function, args, kwargs or {}, result))
        return result


def record(warm_up, step):
    """Capture a step as CudaCapture does."""
    warm_up()
    with Recording() as recording:
        step()

    def replay():
        with torch.inference_mode():
            for function, args, kwargs, result in recording.operations:
                again = function(*args, **kwargs)
                for before, now in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(now, Tensor) and now.data_ptr() != before.data_ptr():
                        before.copy_(now)
    return replay
