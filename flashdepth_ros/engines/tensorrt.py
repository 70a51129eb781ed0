"""The step run by TensorRT 10 or later, or by TensorRT for RTX, on an NVIDIA GPU.

Engines are built strongly typed: which layers are float16 is written in the graph (precision.py),
and TensorRT lowers no other. Building has been tested with TensorRT for RTX, for a named compute
capability; running has not yet been tried on hardware.
"""
from collections.abc import Callable
import importlib
import json
import logging
import os
from pathlib import Path
import tempfile
from typing import Any

import torch
from torch import Tensor

from . import cache
from .devices import require_cuda, settle
from .engine import EngineError, missing
from .export import read_metadata
from .graph import GraphEngine

# A plan file begins with this line and one line of JSON that says what the plan is of.
MAGIC = b'flashdepth_ros TensorRT plan 1\n'

log = logging.getLogger(__name__)


def import_library(names: tuple[str, ...], package: str, backend: str) -> Any:
    """Import the first of the modules that there is; EngineError says what to install."""
    error: ImportError | None = None
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError as cause:
            error = error or cause
        except Exception as cause:  # a wheel without its libraries fails in ways of its own
            error = ImportError(f'{name}: {cause}')
    assert error is not None  # there is a name to try
    raise missing(package, f'engine.backend {backend}', error) from error


def _logger(library: Any) -> Any:
    """Return a logger of the library that writes to ours and keeps the errors."""
    class Logger(library.ILogger):
        def __init__(self):
            library.ILogger.__init__(self)
            self.errors = []

        def log(self, severity, message):
            if severity in (self.INTERNAL_ERROR, self.ERROR):
                self.errors.append(message)
                log.error('TensorRT: %s', message)
            elif severity == self.WARNING:
                log.warning('TensorRT: %s', message)

    return Logger()


def _progress(library: Any) -> Any:
    """Return a monitor that logs how far each phase of a build has come, in quarters."""
    class Progress(library.IProgressMonitor):
        def __init__(self):
            library.IProgressMonitor.__init__(self)
            self.phases = {}

        def phase_start(self, name, parent, steps):
            if parent is None:
                log.info('TensorRT: %s', name)
            self.phases[name] = (steps, 0)

        def step_complete(self, name, step):
            steps, shown = self.phases.get(name, (0, 0))
            if steps >= 4 and 4 * step // steps > shown:
                self.phases[name] = (steps, 4 * step // steps)
                log.info('TensorRT: %s %d %%', name, 100 * step // steps)
            return True

        def phase_finish(self, name):
            self.phases.pop(name, None)

    return Progress()


def parse_graph(library: Any, builder: Any, logger: Any, graph: Path) -> Any:
    """Return the network of a graph; EngineError names the nodes that TensorRT cannot take."""
    network = builder.create_network(
        1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = library.OnnxParser(network, logger)
    if not parser.parse_from_file(str(graph)):
        reasons = '; '.join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise EngineError(f'TensorRT {library.__version__} cannot read {graph}: {reasons}')
    return network


def build_plan(
    library: Any, graph: Path, timing_cache: Path | None = None,
    compute_capability: str | None = None,
) -> bytes:
    """Build the plan of a graph; EngineError.

    compute_capability: such as 'SM89', for a GPU that is not here (TensorRT for RTX alone can).
    timing_cache: a file that makes later builds faster.
    """
    logger = _logger(library)
    builder = library.Builder(logger)
    network = parse_graph(library, builder, logger, graph)
    config = builder.create_builder_config()
    config.clear_flag(library.BuilderFlag.TF32)  # fp32 means 24 bits
    monitor = _progress(library)
    config.progress_monitor = monitor
    if compute_capability is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(
            getattr(library.ComputeCapability, compute_capability), 0)
    timings = None
    if timing_cache is not None and 'rtx' not in library.__name__:  # there it does nothing
        known = timing_cache.read_bytes() if timing_cache.is_file() else b''
        timings = config.create_timing_cache(known) or config.create_timing_cache(b'')
        config.set_timing_cache(timings, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(
            f'TensorRT {library.__version__} cannot build {graph.name}: '
            f'{"; ".join(logger.errors) or "it gives no reason"}. Free GPU memory, or choose a '
            f'smaller input.short_side or another engine.backend')
    if timing_cache is not None and timings is not None:
        _replace(timing_cache, bytes(memoryview(config.get_timing_cache().serialize())))
    return bytes(memoryview(plan))


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_plan(path: Path, plan: bytes, facts: dict[str, str]) -> None:
    """Write a plan with what it is of; a reader sees all of the file or nothing."""
    _replace(path, MAGIC + json.dumps({**facts, 'bytes': len(plan)}).encode() + b'\n' + plan)


def read_plan(path: Path) -> tuple[dict[str, str], bytes]:
    """Return what a plan file is of, and the plan; EngineError for foreign and truncated files."""
    with open(path, 'rb') as file:
        if file.readline() != MAGIC:
            raise EngineError(f'{path} is no engine that export_engine made (a bare TensorRT plan '
                              f'does not say what it is of): make it with export_engine')
        try:
            facts = json.loads(file.readline())
            length = int(facts.pop('bytes'))
        except (ValueError, KeyError, AttributeError) as error:
            raise EngineError(f'{path} is damaged ({error!r}): build it anew') from error
        plan = file.read()
    if len(plan) != length:
        raise EngineError(f'{path} is cut off ({len(plan)} of {length} bytes): build it anew')
    return facts, plan


class TensorRtEngine(GraphEngine):
    """A TensorRT plan over torch's CUDA tensors.

    What a step changes of the state is written into fresh tensors of torch's caching allocator and
    handed on by pointer, or copied into its slot of a ring; several cameras can share the engine.
    """

    backend = 'tensorrt'
    precisions = ('fp16', 'fp32')
    packages: tuple[str, ...] = ('tensorrt', 'onnx', 'onnxscript')
    modules: tuple[str, ...] = ('tensorrt',)
    alignment = 256

    @classmethod
    def identity(cls, library: Any, index: int = 0) -> dict[str, str]:
        """Return what a plan is bound to: library, GPU and driver; EngineError without a GPU."""
        require_cuda(index, 'engine.backend to openvino, onnx or torch')
        return {
            'library': f'{cls.backend} {library.__version__}',
            'gpu': torch.cuda.get_device_name(index),
            'compute_capability': '.'.join(map(str, torch.cuda.get_device_capability(index))),
            # only CUDA builds of torch have it
            'driver': str(torch._C._cuda_getDriverVersion())}  # type: ignore[attr-defined]

    def _settle(self) -> None:
        self._library = import_library(self.modules, self.packages[0], self.backend)
        wanted = 'cuda' if self.request.device == 'auto' else self.request.device
        _, self._index = settle(wanted, self.backend, ('cuda',))
        self.device = self.frame_device = f'cuda:{self._index}'

    def _identity(self) -> dict[str, str]:
        return self.identity(self._library, self._index)

    def _facts(self, file: Path) -> dict[str, str]:
        facts, _ = read_plan(file)
        wrong = [f'{name} {facts.get(name)} instead of {value}'
                 for name, value in self._identity().items() if facts.get(name) != value]
        if wrong:
            raise EngineError(f'{file} was built elsewhere ({"; ".join(wrong)}), and TensorRT '
                              f'engines cannot move: build it here, or leave engine.path empty')
        return facts

    def builder(self) -> Callable[[Path, Path], None]:
        return self._build

    def _build(self, graph: Path, file: Path) -> None:
        identity = self._identity()
        name = '-'.join(identity.values()).replace(' ', '_').replace('/', '_')
        plan = build_plan(
            self._library, graph, cache.engines_folder() / f'{name}.timing')
        write_plan(file, plan, {**read_metadata(graph), **identity})

    def _load(self, file: Path) -> None:
        _, plan = read_plan(file)
        logger = _logger(self._library)
        try:
            with torch.cuda.device(self._index):
                self._runtime = self._library.Runtime(logger)
                self._plan = self._runtime.deserialize_cuda_engine(plan)
                self._context = self._plan and self._plan.create_execution_context()
        except (RuntimeError, TypeError) as error:
            logger.errors.append(str(error))
            self._context = None
        if self._context is None:
            raise EngineError(
                f'TensorRT {self._library.__version__} cannot load {file}: '
                f'{"; ".join(logger.errors) or "it gives no reason (out of memory?)"}')
        self._logger = logger
        self._stream = torch.cuda.Stream(self._index)

    def _run(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> None:
        current = torch.cuda.current_stream(self._index)
        for name, tensor in {**inputs, **outputs}.items():
            if not self._context.set_tensor_address(name, tensor.data_ptr()):
                raise self._failed()  # it would run on the last step's
        self._stream.wait_stream(current)  # TensorRT synchronises on the default stream
        with torch.cuda.device(self._index):
            done = self._context.execute_async_v3(self._stream.cuda_stream)
        current.wait_stream(self._stream)
        if not done:
            raise self._failed()

    def _failed(self) -> EngineError:
        return EngineError(f'{self.spec.name} failed in TensorRT on {self.device}: '
                           f'{"; ".join(self._logger.errors) or "no reason given"}')

    def memory(self) -> int:
        free, total = torch.cuda.mem_get_info(self._index)  # the plan's own is not torch's
        return total - free

    def _unload(self) -> None:
        self._context = self._plan = self._runtime = None
        torch.cuda.empty_cache()


class TensorRtRtxEngine(TensorRtEngine):
    """The same through TensorRT for RTX, whose libraries come from PyPI."""

    backend = 'tensorrt_rtx'
    packages = ('tensorrt-rtx-cu12-libs tensorrt-rtx-cu12-bindings',)
    modules = ('tensorrt_rtx', 'tensorrt_rtx_bindings')
