"""The step run by TensorRT 10 or later, or by TensorRT for RTX, on an NVIDIA GPU.

Engines are built strongly typed: which layers are float16 is written in the graph (precision.py),
and TensorRT lowers no other. Building has been tested with TensorRT for RTX, for a named compute
capability; running has not yet been tried on hardware.

A step that comes steadily is captured as a CUDA graph (cuda_graph.py), as TensorRT's manual wants
it: from a stream of its own, after steps have run as they are, with shapes and addresses that stay.
"""
from collections.abc import Callable, Mapping
import contextlib
import importlib.util
import logging
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from . import cache
from .cuda_graph import STEADY, Capture, CudaCapture, GraphedSteps, Work
from .devices import require_cuda, settle
from .engine import EngineError, State, missing
from .export import read_metadata
from .graph import GraphEngine
from .plan_build import build_plan, logger_of
from .plan_file import read_plan, replace_file, write_plan

KNOWN_GOOD = '10.16.1'  # gives these networks' depth in fp16; 10.3 does not

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


def check_version(version: str, precision: str) -> None:
    """Refuse what is known to give wrong depth, before minutes are spent on it; EngineError."""
    if precision == 'fp16' and version.split('.')[:2] == ['10', '3']:
        raise EngineError(
            f'TensorRT {version} (of JetPack 6) gives wrong depth in fp16 for networks like this: '
            f'update to {KNOWN_GOOD} or later, which is reported to be right, or set '
            f'engine.precision to fp32, or engine.backend to torch')


def check_gpu(library: Any, capability: tuple[int, int], name: str) -> None:
    """Refuse a GPU that TensorRT for RTX has no kernels for; EngineError."""
    offered = sorted(key for key in library.ComputeCapability.__members__ if key.startswith('SM'))
    wanted = 'SM{}{}'.format(*capability)
    if wanted not in offered:
        raise EngineError(
            f'TensorRT for RTX {library.__version__} has kernels for {", ".join(offered)}, and '
            f'{name} is {wanted}: set engine.backend to tensorrt or torch')


def set_addresses(context: Any, tensors: Mapping[str, Tensor]) -> None:
    """Say where a context finds inputs and outputs; RuntimeError where it refuses one.

    It would run on the address of the step before. An input's must be a multiple of 256.
    """
    for name, tensor in tensors.items():
        if not context.set_tensor_address(name, tensor.data_ptr()):
            raise RuntimeError(f'the address {tensor.data_ptr():#x} of {name} is refused')


class TensorRtEngine(GraphEngine):
    """A TensorRT plan over torch's CUDA tensors.

    What a step changes of the state is written into fresh tensors of torch's caching allocator and
    handed on by pointer, or copied into its slot of a ring; several cameras can share the engine.
    """

    backend = 'tensorrt'
    precisions = ('fp16', 'fp32')
    packages: tuple[str, ...] = ('tensorrt', 'onnx')
    modules: tuple[str, ...] = ('tensorrt',)
    alignment = 256
    known_good = KNOWN_GOOD
    prepared_apart = True  # building keeps an interpreter and a gigabyte for minutes

    @classmethod
    def is_installed(cls) -> bool:
        return importlib.util.find_spec('onnx') is not None and any(
            importlib.util.find_spec(name) for name in cls.modules)

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
        self.asynchronous = True
        self._check()

    def _check(self) -> None:
        """Refuse what cannot be right here; EngineError."""
        check_version(self._library.__version__, self.precision)

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
        free, _ = torch.cuda.mem_get_info(self._index)
        # the rest is for what runs beside it, and on a Jetson for the builder itself
        plan = build_plan(self._library, graph, cache.engines_folder() / f'{name}.timing',
                          workspace=free // 2)
        write_plan(file, plan, {**read_metadata(graph), **identity})

    def _load(self, file: Path) -> None:
        _, plan = read_plan(file)
        logger = logger_of(self._library)
        logger.errors.clear()
        self._memory: Tensor | None = None  # of the context, where it has none of its own
        try:
            with torch.cuda.device(self._index):
                self._runtime = self._library.Runtime(logger)
                self._plan = self._runtime.deserialize_cuda_engine(plan)
                self._context = self._plan and self._new_context(file)
        except (RuntimeError, TypeError) as error:
            logger.errors.append(str(error))
            self._context = None
        if self._context is None:
            raise EngineError(
                f'TensorRT {self._library.__version__} cannot load {file}: '
                f'{"; ".join(logger.errors) or "it gives no reason (out of memory?)"}')
        self._logger = logger
        self._bytes = len(plan) + self._taken
        self._stream = torch.cuda.Stream(self._index)
        self._steps = GraphedSteps(self, self._capture(CudaCapture(self.device)), self.precision)

    def _new_context(self, file: Path) -> Any:
        self._taken = self._plan.device_memory_size_v2  # by the library itself
        return self._plan.create_execution_context()

    def _capture(self, capture: Capture) -> Capture:
        """Return what captures a step."""
        return capture

    def warm_up(self) -> None:
        for _ in range(STEADY):  # a step is captured now, where no state has a part in it
            super().warm_up()

    @torch.inference_mode()  # in which the tensors of a graph were made, too
    def _advance(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        return self._steps.step(frames, state)

    def _run(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> None:
        current = stream = torch.cuda.current_stream(self._index)
        if current == torch.cuda.default_stream(self._index):  # where TensorRT synchronises
            stream = self._stream
            stream.wait_stream(current)
        self._logger.errors.clear()
        try:
            set_addresses(self._context, {**inputs, **outputs})
            with torch.cuda.device(self._index):
                if not self._context.execute_async_v3(stream.cuda_stream):
                    raise RuntimeError('it cannot be launched')
        except RuntimeError as error:
            reasons = '; '.join([str(error), *self._logger.errors])
            raise EngineError(
                f'{self.spec.name} failed in TensorRT on {self.device}: {reasons}') from error
        if stream is not current:
            current.wait_stream(stream)

    def memory(self) -> int:
        # the plans' own is not torch's
        return torch.cuda.memory_reserved(self._index) + sum(
            cast(TensorRtEngine, engine)._bytes for engine in self._family.values())

    def _unload(self) -> None:
        self._steps.close()  # its graphs compute in the context's memory
        self._context = self._plan = self._runtime = self._memory = None
        torch.cuda.empty_cache()


class TensorRtRtxEngine(TensorRtEngine):
    """The same through TensorRT for RTX, whose libraries come from PyPI.

    It compiles its kernels where it runs; they are kept beside the plan for the next start.
    """

    backend = 'tensorrt_rtx'
    packages = ('tensorrt-rtx-cu12-libs tensorrt-rtx-cu12-bindings',)
    modules = ('tensorrt_rtx', 'tensorrt_rtx_bindings')
    known_good = ''

    def _check(self) -> None:
        check_gpu(self._library, torch.cuda.get_device_capability(self._index),
                  torch.cuda.get_device_name(self._index))

    def _new_context(self, file: Path) -> Any:
        config = self._plan.create_runtime_config()
        self._kernels = Kernels(config.create_runtime_cache(), kernels_beside(file))
        config.set_runtime_cache(self._kernels.cache)
        # what a plan wants that was built to be captured, see plan_build.py
        config.set_execution_context_allocation_strategy(
            self._library.ExecutionContextAllocationStrategy.USER_MANAGED)
        context = self._plan.create_execution_context(config)
        if context is not None:
            size, self._taken = self._plan.device_memory_size_v2, 0
            self._memory = torch.empty(max(size, 1), dtype=torch.uint8, device=self.device)
            context.set_device_memory(self._memory.data_ptr(), size)
        return context

    def _capture(self, capture: Capture) -> Capture:
        def checked(warm_up: Work, step: Work) -> Work:
            # of version 1.2 and later
            can = getattr(self._context, 'is_stream_capturable', lambda stream: True)
            if not can(self._stream.cuda_stream):
                raise EngineError('TensorRT says that its plan cannot be captured')
            return capture(warm_up, step)
        return checked

    def _unload(self) -> None:
        if kernels := vars(self).pop('_kernels', None):
            kernels.keep()
        super()._unload()


def kernels_beside(plan: Path) -> Path:
    """Return the file of the kernels that were compiled for a plan."""
    return plan.with_name(f'{plan.name}.kernels')


class Kernels:
    """The library's cache of compiled kernels, filled from a file where there is one.

    The library takes no content of another version, GPU or driver.
    """

    def __init__(self, kernels: Any, file: Path):
        self.cache, self._file, self._known = kernels, file, b''
        with contextlib.suppress(OSError):
            self._known = file.read_bytes()
        if self._known and not self.cache.deserialize(self._known):
            log.info('%s is of another library or GPU, and is made anew', file)

    def keep(self) -> None:
        """Write what was compiled meanwhile into the file, if it can be written."""
        content = bytes(memoryview(self.cache.serialize()))
        if content != self._known:
            with contextlib.suppress(OSError):
                replace_file(self._file, content)
