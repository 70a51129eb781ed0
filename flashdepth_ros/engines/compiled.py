"""The step compiled by PyTorch (torch.compile), on a CPU or a CUDA device."""
from typing import Any

import torch
from torch import Tensor

from ..models.network import advance_in_place
from .cores import torch_threads
from .devices import out_of_memory
from .engine import EngineError, Request, State
from .pytorch import TorchEngine


class CompiledTorchEngine(TorchEngine):
    """The step as torch.compile makes it: for each size and number of streams, at its first step.

    On CUDA with captured CUDA graphs (mode 'reduce-overhead'), which spare a GPU the wait for
    Python between a thousand kernels. Compiling takes a minute, and a C++ compiler on a CPU;
    PyTorch keeps what it compiled in its own cache.
    """

    backend = 'torch_compile'

    def __init__(self, request: Request):
        super().__init__(request)
        self._graphs = self.device.startswith('cuda')
        self._compiled: Any = torch.compile(
            self._model.compute, dynamic=False, fullgraph=True,
            mode='reduce-overhead' if self._graphs else 'default')

    @torch.inference_mode()
    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        try:
            if self._graphs:
                torch.compiler.cudagraph_mark_step_begin()
            with torch_threads(self._threads):  # the first step, which compiles, writes them down
                output, changes = self._compiled(frames.to(self.device, non_blocking=True), state)
            if self._graphs:  # the next step writes into the same memory
                output = output.clone()
                changes = {name: x.clone() for name, x in changes.items()}
            return output, advance_in_place(state, changes)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(self.spec.name, self.device, error) from error
        except torch._dynamo.exc.TorchDynamoException as error:
            raise EngineError(
                f'{self.spec.name} cannot be compiled by PyTorch {torch.__version__}: set '
                f'engine.backend to torch ({error})') from error

    def close(self) -> None:
        self._compiled = None
        super().close()
