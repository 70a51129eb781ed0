"""A model's step as one ONNX file of fixed size, which every other library reads.

Inputs are `frames` and the state tensors by their names; outputs are `output` and, for each state
tensor, `new_<name>`: what takes its place or, of a ring, the one slot to be written into it (see
models/network.py). The file says in its metadata which model, weights and size it is of.
"""
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
import functools
import json
import logging
import os
from pathlib import Path
import tempfile
import time

import torch
from torch import Tensor

from ..models import ModelSpec, Network, build_model, load_weights, model_spec, randomise
from ..weights.record import sha256
from . import cache
from .engine import EngineError, missing
from .folding import fold
from .precision import lower
from .rounding import cached_rounding, take_rounded

FRAMES, OUTPUT, NEW = 'frames', 'output', 'new_'
# what of this package's source makes a graph what it is
CODE = ('models/*.py', *(f'engines/{name}.py' for name in (
    'export', 'folding', 'onnx_*', 'precision', 'rounding', 'tracing', 'trust')))

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GraphKey:
    """What an exported graph is of.

    weights: the file's sha256, or 'random'. height, width: of the network's frame. precision: of
    the types in the graph, see precision.py.
    """

    model: str
    weights: str
    height: int
    width: int
    streams: int = 1
    precision: str = 'fp32'

    @classmethod
    def of(
        cls, spec: ModelSpec, weights: str, height: int, width: int, streams: int,
        precision: str = 'fp32',
    ) -> 'GraphKey':
        """Make the key for a weights file, or 'random'; CheckpointError where there is no file."""
        digest = weights
        if weights != 'random':
            try:
                digest = sha256(weights)
            except OSError:
                load_model(spec, weights)  # says better what is wrong
                raise
        return cls(spec.name, digest, height, width, streams, precision)

    def entries(self) -> dict[str, str]:
        """Return the key as text, for a file's metadata and the cache."""
        return {name: str(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class StateTensor:
    """Name, shape and NumPy dtype of one tensor of a state, and the shape of a step's change."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    change: tuple[int, ...]

    @classmethod
    def all_of(cls, entries: Sequence[Sequence]) -> tuple['StateTensor', ...]:
        """Read them from JSON, as `entry` wrote them."""
        return tuple(cls(name, tuple(shape), dtype, tuple(change))
                     for name, shape, dtype, change in entries)

    def entry(self) -> tuple:
        return self.name, self.shape, self.dtype, self.change

    def zeros(self, device: str = 'cpu') -> Tensor:
        return torch.zeros(self.shape, dtype=getattr(torch, self.dtype), device=device)

    def empty_change(self, device: str = 'cpu') -> Tensor:
        return torch.empty(self.change, dtype=getattr(torch, self.dtype), device=device)


def load_model(spec: ModelSpec, weights: str, mapped: bool = False) -> Network:
    """Build a model with the weights of a file, or random ones; CheckpointError.

    mapped: for as long as the file stays what it is; saves a copy of it.
    """
    if weights == 'random':
        model = build_model(spec.name, blank=True)
        randomise(model)
        return model
    with torch.device('meta' if mapped else 'cpu'):
        model = build_model(spec.name, blank=True)
    load_weights(model, weights, mapped)
    return model


def _step(model: Network, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Step by the names that a graph's inputs and outputs have."""
    state = {name: value for name, value in inputs.items() if name != FRAMES}
    output, changes = model.compute(inputs[FRAMES], state)
    return {OUTPUT: output, **{NEW + name: changes[name] for name in state}}


def write_graph(
    load: Callable[[], Network], key: GraphKey, path: Path, weights_beside: bool = False,
) -> tuple[StateTensor, ...]:
    """Export a model's step to `path`, checked, with its metadata.

    load: gives the model anew each time; it is spent afterwards. weights_beside: they lie in
    `<path>.data`, which for a large model is written and read in half the time and memory;
    otherwise there is one file. Returns the state's tensors. Raises EngineError where a library is
    missing.
    """
    try:
        from .tracing import trace
    except ImportError as error:
        raise missing('onnx', 'exporting a network', error) from error
    begin = time.perf_counter()
    log.info('exporting %s at %dx%d', key.model, key.width, key.height)
    rounded = key.precision == 'bf16'
    model = load()
    fold(model, key.height, key.width)
    if rounded:
        take_rounded(model, cached_rounding(key.model, key.weights, load))
    lower(model, key.precision, rounded)
    state = model.initial_state(key.streams, key.height, key.width)
    frames = torch.empty(key.streams, 3, key.height, key.width)
    graph, outputs = trace(model, functools.partial(_step, model), {FRAMES: frames, **state})
    tensors = [
        StateTensor(name, tuple(x.shape), str(x.dtype).removeprefix('torch.'),
                    tuple(outputs[NEW + name].shape)) for name, x in state.items()]
    facts = {
        **key.entries(), 'unit': model_spec(key.model).unit.value,
        'state': json.dumps([x.entry() for x in tensors]),
        'weights_sha256': key.weights, 'code': cache.code_digest(*CODE)}
    # moved when whole: a reader sees all of a graph or nothing
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f'.{path.name}.') as folder:
        graph.save(Path(folder, path.name), facts, beside=weights_beside)
        path.unlink(missing_ok=True)
        for file in sorted(Path(folder).iterdir(), reverse=True):  # the weights before the graph
            os.replace(file, path.parent / file.name)
    log.info('exported %s in %.1f s', key.model, time.perf_counter() - begin)
    return tuple(tensors)


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of an exported file; EngineError for a file that is none."""
    try:
        import onnx
        graph = onnx.load(path, load_external_data=False)
    except ImportError as error:
        raise missing('onnx', f'reading {path}', error) from error
    except Exception as error:  # protobuf's own
        raise EngineError(f'{path} is damaged or no ONNX file ({error})') from error
    return {entry.key: entry.value for entry in graph.metadata_props}
