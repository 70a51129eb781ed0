"""What all engines have in common that run an exported graph of a fixed size."""
from abc import abstractmethod
from dataclasses import replace
import json
import logging
from pathlib import Path

import torch
from torch import Tensor

from ..models.network import advance
from . import cache, trust
from .devices import out_of_memory
from .engine import MOST_SIZES, Engine, EngineError, Request, State
from .export import FRAMES, NEW, OUTPUT, GraphKey, StateTensor, cached_graph, load_model
from .preparation import PreparationError, prepare_apart

log = logging.getLogger(__name__)


def in_one_piece(tensor: Tensor, alignment: int) -> Tensor:
    """Return the tensor, or a copy of it, in C order from an address that is such a multiple.

    What PyTorch allocates is aligned (to 64 bytes on a CPU, 512 on CUDA); a part of it need not be.
    """
    tensor = tensor.contiguous()
    return tensor.clone() if tensor.data_ptr() % alignment else tensor


class GraphEngine(Engine):
    """An engine built from an exported graph, or read from the file that `engine.path` names.

    A backend says in `_identity` what its engines depend on, loads a file in `_load`, and builds
    one in `_build` where it does not run the graph itself. Graphs and engines are kept in the
    cache; the comparison with PyTorch (trust.py) is noted there and takes place once.
    """

    file_name: str | None = None  # of the engine in the cache; None where the graph itself is run
    alignment = 1                 # of the inputs' addresses, in bytes
    state_tensors: tuple[StateTensor, ...]

    def __init__(self, request: Request):
        super().__init__(request)
        self.request = request
        # of the same request at other sizes (height, width, streams), shared by all of them
        self._family: dict[tuple[int, int, int], GraphEngine] = {}
        self._refused: dict[tuple[int, int, int], EngineError] = {}
        self._prepare()
        if request.path:
            self._open_path(Path(request.path).expanduser())
        else:
            self._open_cached()
        self._family[self.height, self.width, self.streams] = self

    @abstractmethod
    def _prepare(self) -> None:
        """Import the library and settle `device`; EngineError says what is missing."""

    @abstractmethod
    def _identity(self) -> dict[str, str]:
        """Return what an engine file is bound to besides the graph: versions, device, driver."""

    @abstractmethod
    def _load(self, file: Path) -> None:
        """Make the engine of `file` ready to step; EngineError."""

    @abstractmethod
    def _facts(self, file: Path) -> dict[str, str]:
        """Return what a file says it is of, as GraphKey.entries and 'state'; EngineError."""

    def _build(self, graph: Path, file: Path) -> None:
        """Build an engine file from a graph; only for backends that have a `file_name`."""
        raise NotImplementedError

    def _key(self) -> GraphKey:
        return GraphKey.of(self.spec, self.request.weights, self.height, self.width, self.streams,
                           self.precision)

    def _open_cached(self) -> None:
        key = self._key()
        loaded = False

        def make(folder: Path) -> dict:
            nonlocal loaded
            log.info('preparing %s for %s at %dx%d; later starts find it in %s', self.backend,
                     self.spec.name, self.width, self.height, cache.engines_folder())
            model = load_model(self.spec, self.request.weights)
            frames, expected = trust.specimen(
                self.spec, model, self.streams, self.height, self.width)
            file, graph = cached_graph(key, lambda: model)
            if self.file_name is not None:
                graph_file, file = file, folder / self.file_name
                self._build(graph_file, file)
            self.state_tensors = StateTensor.all_of(graph.facts['state'])
            self._load(file)
            loaded = True
            return {'state': graph.facts['state'],
                    'deviations': trust.compare(self, frames, expected)}

        engine_key = {**key.entries(), **self._identity(), 'kind': self.backend,
                      'code': cache.code_digest()}
        entry = cache.find(engine_key)
        if entry is None:
            if self.request.apart:
                self._prepare_apart()
            entry = cache.get(engine_key, make)
        if loaded:
            return
        self.state_tensors = StateTensor.all_of(entry.facts['state'])
        if self.file_name is not None:
            self._load(entry.folder / self.file_name)
        else:
            self._load(cached_graph(key, lambda: load_model(self.spec, self.request.weights))[0])

    def _prepare_apart(self) -> None:
        fields = {**vars(self.request), 'spec': self.spec.name, 'apart': False}
        try:
            prepare_apart(self.backend, fields)
        except PreparationError as error:
            raise EngineError(str(error)) from error

    def _open_path(self, path: Path) -> None:
        if not path.is_file():
            raise EngineError(f"engine.path is '{path}', and there is no such file: make it with "
                              f'export_engine, or leave engine.path empty')
        facts = self._facts(path)
        try:
            self.height, self.width = int(facts['height']), int(facts['width'])
            self.streams, self.precision = int(facts['streams']), facts['precision']
            self.state_tensors = StateTensor.all_of(json.loads(facts['state']))
        except (KeyError, ValueError, TypeError) as error:
            raise EngineError(f'{path} does not say what it is of ({error!r}): it was not made by '
                              f'export_engine') from error
        wanted = self._key().entries()
        wrong = [f'{name} {facts.get(name)} instead of {value}'
                 for name, value in wanted.items() if facts.get(name) != value]
        if wrong:
            raise EngineError(
                f'{path} is an engine of something else ({"; ".join(wrong)}): export it anew, or '
                f'leave engine.path empty')
        if self.streams != self.request.streams:
            raise EngineError(f'{path} is for {self.streams} streams, and {self.request.streams} '
                              f'are needed: export it anew with --streams {self.request.streams}')
        self._load(path)

        def verify(_: Path) -> dict:
            model = load_model(self.spec, self.request.weights)
            return {'deviations': trust.compare(self, *trust.specimen(
                self.spec, model, self.streams, self.height, self.width))}

        # an entry without a file: the verdict on one that lies elsewhere
        digest = cache.file_digest(path)
        cache.get({**wanted, **self._identity(), 'kind': f'{self.backend}-verdict',
                   'file': digest}, verify)

    def initial_state(self) -> State:
        return {tensor.name: tensor.zeros(self.device) for tensor in self.state_tensors}

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        shape = (self.streams, 3, self.height, self.width)
        if frames.shape != shape:
            raise EngineError(
                f'the {self.backend} engine takes frames {shape} and was given '
                f'{tuple(frames.shape)}: open it at that size, or call resized()')
        try:
            # both are kept until the step is done: no library owns the memory that it is given
            inputs = {name: in_one_piece(tensor.to(self.device, non_blocking=True), self.alignment)
                      for name, tensor in {FRAMES: frames, **state}.items()}
            outputs = {OUTPUT: torch.empty(
                (self.streams, self.height, self.width), device=self.device)}
            outputs.update((NEW + tensor.name, tensor.empty_change(self.device))
                           for tensor in self.state_tensors)
            self._run(inputs, outputs)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(self.spec.name, self.device, error) from error
        return outputs[OUTPUT], advance(
            state, {tensor.name: outputs[NEW + tensor.name] for tensor in self.state_tensors})

    @abstractmethod
    def _run(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> None:
        """Compute the outputs from the inputs, both by the graph's names and in one piece each.

        What comes next on the device's current stream finds them there. EngineError.
        """

    def resized(self, height: int, width: int, streams: int | None = None) -> 'GraphEngine':
        key = (height, width, streams or self.streams)
        if key in self._family:
            return self._family[key]
        if self.request.path and key[:2] == (self.height, self.width):
            raise EngineError(
                f'engine.path {self.request.path} is for {self.streams} streams, and {key[2]} '
                f'cameras have a frame now: export it for one stream, or leave engine.path empty')
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

    @abstractmethod
    def _unload(self) -> None:
        """Free what `_load` made."""

    def close(self) -> None:
        for engine in self._family.values():
            engine._unload()
        self._family.clear()
