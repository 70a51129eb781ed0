"""What all engines have in common that run an exported graph of a fixed size."""
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..models.network import advance_in_place
from .devices import out_of_memory
from .engine import MOST_SIZES, Engine, EngineError, Request, State
from .export import FRAMES, NEW, OUTPUT, read_metadata
from .preparation import prepare_apart
from .store import EngineFile, Store


def in_one_piece(tensor: Tensor, alignment: int) -> Tensor:
    """Return the tensor, or a copy of it, in C order from an address that is such a multiple.

    What PyTorch allocates is aligned (to 64 bytes on a CPU, 512 on CUDA); a part of it need not be.
    """
    tensor = tensor.contiguous()
    return tensor.clone() if tensor.data_ptr() % alignment else tensor


class GraphEngine(Engine):
    """A session that steps an exported graph, or the engine that a library builds of one.

    A backend settles its library and device in `_settle`, says in `_identity` what its engines
    depend on, loads a file in `_load`, and computes in `_run`. One that does not run the graph
    itself has a `builder`. store.py finds or makes the file, and notes the verdict on it.
    """

    alignment = 1  # of the inputs' addresses, in bytes

    def __init__(self, request: Request):
        super().__init__(request)
        self.request = request
        # of the same request at other sizes (height, width, streams), shared by all of them
        self._family: dict[tuple[int, int, int], GraphEngine] = {}
        self._refused: dict[tuple[int, int, int], EngineError] = {}
        self._settle()
        if not request.path and not request.height:
            return  # the first frame tells the size
        store = Store(request, self.backend, self.device, self._identity(), self.builder())
        file = self._named(store) if request.path else self._cached(store)
        self.height, self.width = file.graph.height, file.graph.width
        self.precision, self.state_tensors = file.graph.precision, file.state
        self._load(file.path)
        try:
            store.trust(file, self)
        except EngineError:
            self._unload()
            raise
        self._family[self.height, self.width, self.streams] = self

    @abstractmethod
    def _settle(self) -> None:
        """Import the library and settle `device`; EngineError says what is missing."""

    @abstractmethod
    def _identity(self) -> dict[str, str]:
        """Return what an engine file is bound to besides the graph: versions, device, driver."""

    def builder(self) -> Callable[[Path, Path], None] | None:
        """Return what builds an engine, (graph, file), of a graph; None where that is run."""
        return None

    @abstractmethod
    def _load(self, file: Path) -> None:
        """Make the engine of `file` ready to step; EngineError."""

    def _facts(self, file: Path) -> dict[str, str]:
        """Return what a file says it is of, as GraphKey.entries and 'state'; EngineError."""
        return read_metadata(file)

    def _cached(self, store: Store) -> EngineFile:
        if self.request.apart and not store.is_ready():
            prepare_apart(self.backend, {
                **vars(self.request), 'spec': self.spec.name, 'apart': False})
        return store.file()

    def _named(self, store: Store) -> EngineFile:
        path = Path(self.request.path).expanduser()
        if not path.is_file():
            raise EngineError(f"engine.path is '{path}', and there is no such file: make it with "
                              f'export_engine, or leave engine.path empty')
        return store.named(path, self._facts(path))

    def initial_state(self) -> State:
        return {tensor.name: tensor.zeros(self.device) for tensor in self.state_tensors}

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        shape = (self.streams, 3, self.height, self.width)
        if frames.shape != shape:
            raise EngineError(
                f'the {self.backend} engine takes frames {shape} and was given '
                f'{tuple(frames.shape)}: open it at that size, or call resized()')
        try:
            return self._advance(frames.to(self.device, non_blocking=True), state)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(self.spec.name, self.device, error) from error

    def _advance(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Step as `step` does, with frames that fit and lie on the device."""
        output, changes = self.compute(frames, state)
        return output, advance_in_place(state, changes)

    def compute(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Return a step's output and what it changes of the state, as Network.compute does."""
        # both are kept until the step is done: no library owns the memory that it is given
        inputs = {name: in_one_piece(tensor.to(self.device, non_blocking=True), self.alignment)
                  for name, tensor in {FRAMES: frames, **state}.items()}
        outputs = {OUTPUT: torch.empty(
            self.spec.output_shape(self.streams, self.height, self.width), device=self.device)}
        outputs.update((NEW + tensor.name, tensor.empty_change(self.device))
                       for tensor in self.state_tensors)
        self._run(inputs, outputs)
        return outputs[OUTPUT], {
            tensor.name: outputs[NEW + tensor.name] for tensor in self.state_tensors}

    @abstractmethod
    def _run(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> None:
        """Compute the outputs from the inputs, both by the graph's names and in one piece each.

        What comes next on the device's current stream finds them there. EngineError.
        """

    def resized(self, height: int, width: int, streams: int | None = None) -> 'GraphEngine':
        key = (height, width, streams or self.streams)
        if key in self._family:
            return self._family[key]
        if self.request.path:
            raise EngineError(
                f'engine.path {self.request.path} is for frames of {self.width}x{self.height}, and '
                f"the network's are {width}x{height} now: export it for that size, set "
                f'input.short_side to fit, or leave engine.path empty')
        if key in self._refused:  # not built again for every frame
            raise self._refused[key]
        try:
            resized = type(self)(
                replace(self.request, height=height, width=width, streams=key[2]))
        except EngineError as error:
            self._refused[key] = error
            raise
        resized._family, resized._refused = self._family, self._refused
        self._family[key] = resized
        while len(self._family) > MOST_SIZES:  # a publisher may send any number of sizes
            oldest = next(size for size in self._family if self._family[size] is not self)
            self._family.pop(oldest)._unload()
        return resized

    def steps_apart(self, height: int, width: int, streams: int) -> bool:
        return bool(self.request.path) and streams > self.streams  # the file is for so many

    @abstractmethod
    def _unload(self) -> None:
        """Free what `_load` made."""

    def close(self) -> None:
        for engine in self._family.values():
            engine._unload()
        self._family.clear()
