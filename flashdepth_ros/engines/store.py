"""Where a graph engine's file comes from, and whether it may be used.

A file is found in the cache or made, or it is the one that engine.path names. The verdict on it
(see trust.py) is noted in the cache too, as an entry without files.
"""
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
import functools
import json
import logging
from pathlib import Path

import torch

from ..models import Network
from ..weights.record import sha256
from . import cache, trust
from .engine import Engine, EngineError, Request, SlowerError
from .export import CODE, GraphKey, StateTensor, load_model, write_graph
from .pytorch import TorchEngine

GRAPH, PLAN = 'step.onnx', 'step.plan'  # names of the files in the cache

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineFile:
    """A file that a backend can load: of which graph it is, and that graph's state.

    verdict: the cache's key for whether it may be used.
    """

    path: Path
    graph: GraphKey
    state: tuple[StateTensor, ...]
    verdict: dict[str, str]


class Store:
    """The files for one request to a backend.

    device: of the engine's tensors. bound_to: what the backend's engines depend on besides the
    graph: versions, device, driver.
    build: (graph, file) makes the engine of a graph, where the backend does not run the graph
    itself. Raises EngineError, and CheckpointError where the weights cannot be read.
    """

    def __init__(
        self, request: Request, backend: str, device: str, bound_to: Mapping[str, str],
        build: Callable[[Path, Path], None] | None = None,
    ):
        self._request, self._backend, self._device = request, backend, device
        self._build = build
        # of all of the room: a tolerance or a library's option may differ
        self._bound_to = {**bound_to, 'code': cache.code_digest(*CODE, 'engines/*.py')}

    @property
    def _has_own_race(self) -> bool:
        """Say whether PyTorch is timed in other ways than it is compared.

        On CUDA in another precision, and over enough steps to have become a graph.
        """
        return bool(self._request.rival) and self._device != 'cpu'

    @functools.cached_property
    def _graph_key(self) -> GraphKey:
        r = self._request
        return GraphKey.of(r.spec, r.weights, r.height, r.width, r.streams, r.precision)

    @property
    def _plan_key(self) -> dict[str, str]:
        return {**self._graph_key.entries(), **self._bound_to, 'kind': self._backend}

    def _verdict_key(self, graph: GraphKey, digest: str) -> dict[str, str]:
        return {**graph.entries(), **self._bound_to, 'kind': f'{self._backend}-verdict',
                'file': digest, 'torch': torch.__version__, 'threads': str(self._request.threads),
                'rival': self._request.rival if self._has_own_race else ''}

    def is_ready(self) -> bool:
        """Return whether the cache has the file and a verdict on it, unless they are damaged.

        SlowerError where the verdict is that PyTorch is faster.
        """
        entry = cache.look(self._plan_key if self._build else graph_entry_key(self._graph_key))
        verdict = entry and cache.look(self._verdict_key(self._graph_key, entry.digest))
        if verdict is not None:
            self._check_speed(verdict)
        return verdict is not None

    def file(self) -> EngineFile:
        """Return the file from the cache, made first where there is none."""
        if not self.is_ready():
            log.info('preparing %s for %s at %dx%d; later starts find it in %s', self._backend,
                     self._request.spec.name, self._request.width, self._request.height,
                     cache.engines_folder())
        entry = cache.get(self._plan_key, self._make_plan) if self._build else self._graph()
        return EngineFile(
            entry.folder / (PLAN if self._build else GRAPH), self._graph_key,
            StateTensor.all_of(entry.facts['state']),
            self._verdict_key(self._graph_key, entry.digest))

    def named(self, path: Path, facts: Mapping[str, str]) -> EngineFile:
        """Return the file that engine.path names; EngineError where it is not of the request.

        facts: what the file says it is of. The size and precision may be others than requested.
        """
        request = self._request
        try:
            height, width, streams = (int(facts[x]) for x in ('height', 'width', 'streams'))
            graph = GraphKey.of(
                request.spec, request.weights, height, width, streams, facts['precision'])
            state = StateTensor.all_of(json.loads(facts['state']))
        except (KeyError, ValueError, TypeError) as error:
            raise EngineError(f'{path} does not say what it is of ({error!r}): it was not made by '
                              f'export_engine') from error
        wrong = [f'{name} {facts.get(name)} instead of {value}'
                 for name, value in graph.entries().items() if facts.get(name) != value]
        if wrong:
            raise EngineError(
                f'{path} is an engine of something else ({"; ".join(wrong)}): export it anew, or '
                f'leave engine.path empty')
        if graph.streams != request.streams:
            raise EngineError(f'{path} is for {graph.streams} streams, and {request.streams} are '
                              f'needed: export it anew with --streams {request.streams}')
        return EngineFile(path, graph, state, self._verdict_key(graph, sha256(path)))

    def trust(self, file: EngineFile, engine: Engine) -> None:
        """Have the engine of a file compared with PyTorch, once.

        EngineError if it departs, SlowerError if the PyTorch that it would take over from is
        faster.
        """
        self._check_speed(cache.get(file.verdict, lambda _: self._compare(engine)))

    def _check_speed(self, verdict: cache.Entry) -> None:
        own, others = (1000 * seconds for seconds in verdict.facts['seconds'])
        if self._request.rival and not own < others:
            raise SlowerError(
                f'{self._backend} is not faster here ({own:.3g} ms a step, and torch '
                f'{others:.3g} ms)')

    def _graph(self) -> cache.Entry:
        return cached_graph(
            self._graph_key,
            lambda: load_model(self._request.spec, self._request.weights, mapped=True))

    def _make_plan(self, folder: Path) -> dict:
        graph = self._graph()
        assert self._build is not None  # or there are no plans
        self._build(graph.folder / GRAPH, folder / PLAN)
        return graph.facts

    def _compare(self, engine: Engine) -> dict:
        with closing(self._torch(engine, 'fp32')) as reference:
            facts = trust.compare(engine, reference)
        if self._has_own_race:
            with closing(self._torch(engine, self._request.rival)) as rival:
                facts['seconds'] = list(trust.race(engine, rival))
        return facts

    def _torch(self, engine: Engine, precision: str) -> TorchEngine:
        """Open PyTorch where an engine has its state, and at its size."""
        return TorchEngine(replace(
            self._request, device=engine.device, precision=precision, path='',
            height=engine.height, width=engine.width))


def graph_entry_key(key: GraphKey) -> dict[str, str]:
    """Return the cache's key of an exported graph."""
    return {**key.entries(), 'kind': 'graph', 'code': cache.code_digest(*CODE)}


def cached_graph(key: GraphKey, load: Callable[[], Network]) -> cache.Entry:
    """Return the entry of a graph in the cache, exported first where there is none.

    load: gives the model for that; it is spent afterwards. The entry's facts hold the 'state'.
    """
    def make(folder: Path) -> dict:
        tensors = write_graph(load, key, folder / GRAPH, weights_beside=True)
        return {'state': [x.entry() for x in tensors]}

    return cache.get(graph_entry_key(key), make)
